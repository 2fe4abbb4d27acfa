"""Training steps on fake CUDA tensors, and what they keep for the backward pass. No GPU is needed.

Under autocast to float16, as on a GPU: shapes, types and autograd are torch's own, nothing is computed and no memory
taken. Counted is what is saved for the backward pass, each storage once.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

from planned_geometries import Geometry, plan_network  # first: it sets the environment

import torch  # isort: skip
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nnunetv2_mstkd.architectures import MSTKDNetwork, StyleDiscriminator
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import StepTarget, distillation_terms, segmentation_terms, total_loss
from nnunetv2_mstkd.planning.saved_tensors import SavedTensors


def measure_plain(planned: dict, geometry: Geometry) -> tuple[int, int]:
    """Return bytes saved in a step of nnUNetTrainer, and its parameters."""
    with _on_fake_gpu():
        network = plan_network(planned, geometry, deep_supervision=True)
        image = _image(planned, geometry)
        with SavedTensors(network) as saved:
            logits = network(image)
            segmentation_loss(geometry, len(logits))(logits, _targets(logits, geometry))
        return saved.num_bytes, _num_parameters(network)


def measure(planned: dict, geometry: Geometry, settings: DistillationSettings) -> tuple[int, int]:
    """Return bytes saved in a step of MST-KD with two networks up to its backward pass, and its parameters."""
    with _on_fake_gpu():
        branches = [
            MSTKDNetwork(plan_network(planned, geometry, True), planned["patch_size"], preset=settings.preset)
            for _ in range(2)
        ]
        encoder = branches[0].encoder
        discriminator = StyleDiscriminator(encoder.conv_op, encoder.output_channels[-1])
        images = [_image(planned, geometry) for _ in branches]  # the student's is a masked copy
        with SavedTensors(*branches, discriminator) as saved:
            teacher, student = (branch(image, True, True) for branch, image in zip(branches, images, strict=True))
            target = _step_target(student.logits, geometry)
            loss = segmentation_loss(geometry, len(student.logits))
            terms = {
                **segmentation_terms(teacher, student, target, loss, settings),
                **distillation_terms(teacher, student, {"adversarial": discriminator}, target, settings),
            }
            total_loss(terms, settings, ramp=1.0)
        return saved.num_bytes, sum(map(_num_parameters, [*branches, discriminator]))


@contextlib.contextmanager
def _on_fake_gpu() -> Iterator[None]:
    """Create tensors on a fake GPU, and let autocast choose their types as on a real one."""
    before = torch.is_autocast_enabled("cuda")
    # this initialisation alone looks at what it drew
    with (
        FakeTensorMode(),
        torch.device("cuda"),
        mock.patch.object(nn.init, "trunc_normal_", lambda tensor, **_: tensor),
    ):
        torch.set_autocast_enabled("cuda", True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there is no GPU
                yield
        finally:
            torch.set_autocast_enabled("cuda", before)
            torch.clear_autocast_cache()


def segmentation_loss(geometry: Geometry, num_scales: int) -> nn.Module:
    """Return nnU-Net's segmentation loss."""
    dice = {"batch_dice": False, "smooth": 1e-5, "ddp": False}
    loss: Any
    if geometry.regions:
        loss = DC_and_BCE_loss({}, {**dice, "do_bg": True}, dice_class=MemoryEfficientSoftDiceLoss)
    else:
        loss = DC_and_CE_loss({**dice, "do_bg": False}, {}, dice_class=MemoryEfficientSoftDiceLoss)
    return DeepSupervisionWrapper(loss, [*(1 / 2**scale for scale in range(num_scales - 1)), 0])


def _image(planned: dict, geometry: Geometry) -> Tensor:
    return torch.empty(int(planned["batch_size"]), geometry.channels, *planned["patch_size"])


def _targets(logits: Sequence[Tensor], geometry: Geometry) -> list[Tensor]:
    channels = geometry.heads if geometry.regions else 1
    return [torch.zeros(len(scale), channels, *scale.shape[2:]) for scale in logits]


def _step_target(logits: Sequence[Tensor], geometry: Geometry) -> StepTarget:
    ones = torch.ones(len(logits[0]), dtype=torch.bool)
    return StepTarget(_targets(logits, geometry), geometry.regions, None, is_complete=~ones, teacher_is_complete=ones)


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
