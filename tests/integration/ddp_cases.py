"""The trainers that test_ddp.py steps in two processes, and the batch that each of them sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities

TEACHER = "teacher.pth"  # a checkpoint of nnUNetTrainerMSTKD in 2d, for a frozen teacher
KEYS = ("a", "b", "c", "d")  # cases, of which "b" lacks the first modality
# Drawn of each case: of the first two, one rank alone sees the first modality; the last one is complete.
MASKS = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)


@dataclass(frozen=True)
class Case:
    """A trainer to step.

    Args:
        trainer: its name.
        beside: the parts that it has beside the student.
        settings: other than the trainer's own.
        configuration: of the plans. In 2d nnU-Net's Dice is of the batch, for which the ranks exchange.
        batch_size: of all ranks.
        regions: False = labels.
    """

    trainer: str
    beside: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    configuration: str = "2d"
    batch_size: int = 4
    regions: bool = True


def _distilling(trainer: str, *beside: str, teacher: str = "network", regions: bool = True, **settings: Any) -> Case:
    # the terms count in full from the first step; with the seed no gradient is clipped, which would hide a factor
    return Case(trainer, beside, {"teacher": teacher, "ramp_fraction": 0.0, "seed": 4, **settings}, regions=regions)


_MSTKD, _BESIDE = "nnUNetTrainerMSTKD", ("teacher", "discriminator")
_OF_ACN = ("teacher", "regressor", "entropy_discriminator", "knowledge_discriminator")
DISTILLING = {
    "network": _distilling(_MSTKD, *_BESIDE),
    "shared": _distilling(_MSTKD, "discriminator", teacher="shared"),
    "ema": _distilling(_MSTKD, *_BESIDE, teacher="ema"),
    "frozen": _distilling(_MSTKD, *_BESIDE, teacher="frozen", teacher_checkpoint=TEACHER),
    "labels": _distilling(_MSTKD, *_BESIDE, regions=False),
    "co_training": _distilling(_MSTKD, *_BESIDE, co_training=True),
    "noMSTKD": _distilling(f"{_MSTKD}_noMSTKD", *_BESIDE),
    "noGSME": _distilling(f"{_MSTKD}_noGSME", "teacher"),
    "noSLKD": _distilling(f"{_MSTKD}_noSLKD", *_BESIDE),
    "ACN": _distilling("nnUNetTrainerACN", *_OF_ACN),
    "SMU-Net": _distilling("nnUNetTrainerSMUNet", *_BESIDE),
}
_VOLUMES: dict[str, Any] = {"configuration": "3d_fullres", "batch_size": 2}
MULTI_ENCODER = {
    "RA-HVED": Case("nnUNetTrainerRAHVED", ("auxiliary", "discriminator"), **_VOLUMES),
    "RMBTS": Case("nnUNetTrainerRMBTS", ("auxiliary",), **_VOLUMES),
    "mmFormer": Case("nnUNetTrainerMMFormer", ("auxiliary",), **_VOLUMES),
    "M2FTrans": Case("nnUNetTrainerM2FTrans", ("auxiliary",), **_VOLUMES),
}
CASES = {**DISTILLING, **MULTI_ENCODER}


def draw_batch(trainer: Any, size: int) -> dict[str, Any]:
    """Draw images and targets of each scale for the first cases; the same for the same trainer."""
    torch.manual_seed(1)
    patch, heads = trainer.configuration_manager.patch_size, trainer.label_manager.num_segmentation_heads
    data, target = torch.randn(size, 4, *patch), []
    for scale in trainer._get_deep_supervision_scales():
        grid = [round(n * factor) for n, factor in zip(patch, scale, strict=True)]
        if trainer.label_manager.has_regions:
            target.append((torch.rand(size, heads, *grid) > 0.5).double())
        else:
            target.append(torch.randint(heads, (size, 1, *grid)).double())
    return {"data": data, "target": target, "keys": KEYS[:size]}


def part_of_rank(batch: dict[str, Any], rank: int, world_size: int) -> tuple[dict[str, Any], torch.Tensor]:
    """Return a rank's samples, and their modality masks, bool (B, M)."""
    size = len(batch["data"]) // world_size
    mine = slice(rank * size, (rank + 1) * size)
    target = [scale[mine] for scale in batch["target"]]
    return {"data": batch["data"][mine], "target": target, "keys": batch["keys"][mine]}, MASKS[mine]


def what_cases_have(trainer: Any) -> AvailableModalities:
    """Say that one case lacks the first modality, so that the ranks have different numbers of complete ones."""
    subsets = dict.fromkeys(KEYS, trainer.modalities.all)
    subsets["b"] = trainer.modalities.subset(",".join(trainer.modalities.names[1:]))
    return AvailableModalities(Availability(trainer.modalities, subsets))
