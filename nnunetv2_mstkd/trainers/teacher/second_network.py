"""A second network, trained beside the student (L3)."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.trainers.teacher.base import BuildBranch, Teacher
from nnunetv2_mstkd.unwrap import unwrap


class SecondNetwork(Teacher):
    """Sees the whole image and learns from its own segmentation loss.

    Args:
        settings: of the run.
        student: bare; gives its initial weights if the settings share them.
        build: makes the network.
    """

    def __init__(self, settings: DistillationSettings, student: nn.Module, build: BuildBranch) -> None:
        self.network = build(settings.use_multiscale_transformer, settings.use_style_matching)
        if settings.shared_initialization:
            unwrap(self.network).load_state_dict(student.state_dict())

    def forward(
        self, student: Any, image: Tensor, masked: Tensor, return_attention: bool
    ) -> tuple[NetworkFeatures, NetworkFeatures]:
        """Run each network once."""
        return self.network(image, True, return_attention), student(masked, True, return_attention)

    def trained_network(self) -> nn.Module:
        """Return the network."""
        return unwrap(self.network)

    def follows_pretrained_weights(self) -> nn.Module:
        """Return the network."""
        return unwrap(self.network)

    def distribute(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        """Wrap the network."""
        self.network = wrap(self.network)

    def set_training(self, is_training: bool) -> None:
        """Switch the network's dropout."""
        self.network.train(is_training)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {"teacher_weights": unwrap(self.network).state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back the weights."""
        unwrap(self.network).load_state_dict(state["teacher_weights"])
