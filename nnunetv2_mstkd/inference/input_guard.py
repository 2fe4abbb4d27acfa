"""What stands before a network at inference: the channel count is checked, absent modalities are set to zero (L3)."""

from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


class InputGuard:
    """A forward pre-hook. A hook leaves the network's class and state dict alone, and torch.compile traces it.

    Args:
        modalities: of the model.
        subset: what is present; the other channels are zero for the whole case, whatever the tile holds. None: all.
    """

    def __init__(self, modalities: Modalities, subset: ModalitySubset | None) -> None:
        self.modalities = modalities
        self.absent = tuple(set(range(len(modalities))) - set(subset.channels)) if subset else ()

    def __call__(self, network: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of `network.forward`, with the image (B, M, *S) guarded.

        Raises:
            ModalityError: if the image has another number of channels than the model.
        """
        image: Tensor = args[0]
        if image.shape[1] != len(self.modalities):
            raise ModalityError(
                f"This case has {image.shape[1]} channel files, the model needs {len(self.modalities)}: "
                f"{self.modalities.channel_files()}. Write a zero-filled image, with the geometry of the others, for "
                f"each absent one, and name the present ones in MSTKD_MODALITIES."
            )
        if not self.absent:
            return args
        image = image.clone()
        for channel in self.absent:
            image[:, channel].zero_()
        return (image, *args[1:])


def guard_input(network: nn.Module, modalities: Modalities, subset: ModalitySubset | None) -> None:
    """Put an InputGuard before the network."""
    network.register_forward_pre_hook(InputGuard(modalities, subset))
