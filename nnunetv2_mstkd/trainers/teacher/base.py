"""What a training asks of its teacher, whatever kind it is (L3)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from nnunetv2_mstkd.architectures import NetworkFeatures


class BuildBranch(Protocol):
    """Makes a branch on the trainer's plans, on its device, compiled where it compiles."""

    def __call__(
        self, use_transformer: bool, use_style_fusion: bool, style_stages: tuple[int, ...] | None = None
    ) -> Any:
        """Build it; arguments as for MSTKDNetwork, None for the student's stages."""


class Teacher(ABC):
    """Where the features come from that the student is to have.

    Attributes:
        network: beside the student; None where there is none.
    """

    network: Any = None

    @abstractmethod
    def forward(
        self, student: Any, image: Tensor, masked: Tensor, return_attention: bool
    ) -> tuple[NetworkFeatures, NetworkFeatures]:
        """Run the forward passes of a training step.

        Args:
            student: as it is trained, under DDP in its wrapper.
            image: (B, M, *patch), with all that there is of it.
            masked: the same with modalities missing.
            return_attention: whether attention maps are needed.

        Returns:
            (teacher, student).
        """

    def trained_network(self) -> nn.Module | None:
        """Return the network beside the student that the optimiser trains."""
        return None

    def follows_pretrained_weights(self) -> nn.Module | None:
        """Return the network that takes the pretrained weights that the student is given."""
        return None

    def distribute(self, wrap: Callable[[nn.Module], nn.Module]) -> None:  # noqa: B027 (most have nothing to do)
        """Wrap for DDP what has gradients to reduce."""

    def start(self, fold: int | str) -> list[str]:
        """Get ready for the first step; return lines for the log.

        Raises:
            SettingsError, CheckpointError: if that cannot be.
        """
        return []

    def set_training(self, is_training: bool) -> None:  # noqa: B027 (likewise)
        """Switch between training and validation."""

    def after_step(self, student: nn.Module, steps_before: int) -> None:  # noqa: B027 (likewise)
        """Follow a step of the optimiser.

        Args:
            student: bare.
            steps_before: this one, since the training began.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return entries of the training state: what a continued training needs of the teacher."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (likewise)
        """Take back what `state_dict` returned, from among the entries of a training state."""
