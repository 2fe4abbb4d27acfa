"""Tiny nnU-Net raw datasets of blobs: the tests train on them in seconds.

Each case is an ellipsoid ("head", exact zeros outside) with a lesion of three nested parts. Each modality shows some of
the parts only, as in MRI of brain tumours: the oedema in T2 and FLAIR, the enhancing rim in T1ce.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

LABELS = {"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}
REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
REGIONS_CLASS_ORDER = [2, 1, 3]
IGNORE_LABEL = 4

# contrast of necrosis, oedema and enhancing rim against the head, by modality; further modalities repeat these
CONTRASTS = ((-0.5, -0.3, -0.2), (-0.5, 0.0, 2.0), (1.2, 1.0, 0.3), (0.2, 1.8, 0.6))


@dataclass(frozen=True)
class TinyCohort:
    """What to write.

    Args:
        channel_names: modalities, in channel order.
        shape: voxels in array order (z, y, x).
        spacing_mm: in array order.
        num_training: cases in imagesTr and labelsTr.
        num_test: cases in imagesTs and labelsTs.
        regions: overlapping regions instead of labels.
        ignore_label: add an ignore label to dataset.json and leave a slab of each training case unlabelled.
        seed: of everything.
    """

    channel_names: Sequence[str] = ("T1", "T1ce", "T2", "FLAIR")
    shape: tuple[int, int, int] = (20, 24, 24)
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0)
    num_training: int = 6
    num_test: int = 2
    regions: bool = True
    ignore_label: bool = False
    seed: int = 0


def write_cohort(folder: Path, cohort: TinyCohort) -> None:
    """Write the raw dataset into `folder` (named DatasetXXX_Name)."""
    rng = np.random.default_rng(cohort.seed)
    for split, count in (("Tr", cohort.num_training), ("Ts", cohort.num_test)):
        for i in range(count):
            image, seg = _simulate_case(cohort, rng)
            if cohort.ignore_label and split == "Tr":
                seg[:3] = IGNORE_LABEL
            case = f"blob{split}_{i:03d}"
            for channel, array in enumerate(image):
                _write(array, folder / f"images{split}" / f"{case}_{channel:04d}.nii.gz", cohort)
            _write(seg, folder / f"labels{split}" / f"{case}.nii.gz", cohort)
    (folder / "dataset.json").write_text(json.dumps(_dataset_json(cohort), indent=2))


def _simulate_case(cohort: TinyCohort, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in cohort.shape), indexing="ij"))
    head = np.linalg.norm(grid, axis=0) < 0.95
    center = rng.uniform(-0.35, 0.35, size=(3, 1, 1, 1))
    radius = rng.uniform(0.3, 0.5)
    wobble = 1 + 0.2 * np.sin(4 * (grid * rng.uniform(-1, 1, size=(3, 1, 1, 1))).sum(axis=0) + rng.uniform(0, 6))
    distance = np.linalg.norm(grid - center, axis=0) / (radius * wobble)
    seg = np.select([distance < 0.45, distance < 0.7, distance < 1], [1, 3, 2], default=0) * head
    image = np.empty((len(cohort.channel_names), *cohort.shape), np.float32)
    for channel in range(len(image)):
        contrast = np.array((0.0, *CONTRASTS[channel % len(CONTRASTS)]))
        signal = 3 + contrast[seg] + rng.normal(0, 0.35, size=cohort.shape)
        image[channel] = np.maximum(signal, 0.05) * rng.uniform(80, 120) * head  # a scanner has its own scale
    return image, seg.astype(np.uint8)


def _dataset_json(cohort: TinyCohort) -> dict:
    labels: dict = dict(REGIONS if cohort.regions else LABELS)
    if cohort.ignore_label:
        labels["ignore"] = IGNORE_LABEL
    order = {"regions_class_order": REGIONS_CLASS_ORDER} if cohort.regions else {}
    return {
        "channel_names": {str(i): name for i, name in enumerate(cohort.channel_names)},
        "labels": labels,
        **order,
        "numTraining": cohort.num_training,
        "file_ending": ".nii.gz",
    }


def _write(array: np.ndarray, file: Path, cohort: TinyCohort) -> None:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(cohort.spacing_mm[::-1])
    file.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(file))
