"""Tiny data sets, planned and preprocessed by the real nnU-Net."""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_cohort import TinyCohort, write_cohort


@dataclass(frozen=True)
class Variant:
    """A data set to make.

    Args:
        number: nnU-Net's dataset id.
        configurations: to preprocess.
        cohort: arguments of tiny_cohort.TinyCohort.
    """

    number: int
    configurations: tuple[str, ...] = ("3d_fullres",)
    cohort: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "regions": Variant(901, ("2d", "3d_fullres")),
    "labels": Variant(902, cohort={"regions": False}),
    "labels_ignore": Variant(903, cohort={"regions": False, "ignore_label": True}),
    "regions_ignore": Variant(904, cohort={"ignore_label": True}),
    # CT normalisation does not map zero to zero
    "two_modalities": Variant(905, cohort={"channel_names": ("CT", "T2"), "regions": False}),
    "five_modalities": Variant(906, cohort={"channel_names": ("T1", "T1ce", "T2", "FLAIR", "ADC")}),
    "anisotropic": Variant(907, cohort={"shape": (10, 32, 32), "spacing_mm": (6.0, 1.5, 1.5)}),
}


@dataclass(frozen=True)
class TinyDataset:
    """A raw data set with the plans of a tiny network and preprocessed cases."""

    name: str
    number: int
    raw: Path
    preprocessed: Path
    plans_name: str = "nnUNetPlansTiny"

    @cached_property
    def plans(self) -> dict:
        """The tiny plans."""
        return json.loads((self.preprocessed / f"{self.plans_name}.json").read_text())

    @cached_property
    def dataset_json(self) -> dict:
        """The dataset.json."""
        return json.loads((self.preprocessed / "dataset.json").read_text())

    @property
    def test_cases(self) -> list[str]:
        """Identifiers of the cases in imagesTs."""
        return sorted({file.name[: -len("_0000.nii.gz")] for file in (self.raw / "imagesTs").iterdir()})

    def test_files(self, case: str) -> list[str]:
        """The channel files of a test case, in channel order."""
        return sorted(str(file) for file in (self.raw / "imagesTs").glob(f"{case}_*.nii.gz"))


def plan_and_preprocess(name: str, folders: SimpleNamespace) -> TinyDataset:
    """Write the raw data of one of VARIANTS into nnU-Net's folders, plan and preprocess it."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    from nnunetv2_mstkd.planning import nnUNetPlannerTiny

    variant = VARIANTS[name]
    folder = f"Dataset{variant.number}_{name.title().replace('_', '')}"
    dataset = TinyDataset(name, variant.number, folders.nnUNet_raw / folder, folders.nnUNet_preprocessed / folder)
    write_cohort(dataset.raw, TinyCohort(**variant.cohort))
    with pools_as_threads(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_n_proc_DA", "1")  # the planner sets torch's threads to it
        api.extract_fingerprint_dataset(
            variant.number, _small_fingerprint(), num_processes=1, verbose=False, show_progress_bar=False
        )
        api.plan_experiment_dataset(variant.number, nnUNetPlannerTiny)
        available = [c for c in variant.configurations if c in dataset.plans["configurations"]]
        assert available == list(variant.configurations), f"nnU-Net planned {list(dataset.plans['configurations'])}"
        api.preprocess([variant.number], dataset.plans_name, available, num_processes=[1], show_progress_bar=False)
    return dataset


def _small_fingerprint() -> type:
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    class SmallFingerprint(DatasetFingerprintExtractor):
        """Samples thousands of voxels for the intensity statistics, not a hundred million."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.num_foreground_voxels_for_intensitystats = 10_000

    return SmallFingerprint


@contextmanager
def pools_as_threads() -> Iterator[None]:
    """Let nnU-Net's worker pools be threads.

    A spawned process first imports torch, for seconds; one forked while torch's threads run may never come back.
    """

    def get_context(method: str | None = None) -> Any:
        return SimpleNamespace(Pool=ThreadPool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", get_context)
        patch.setattr("nnunetv2.utilities.utils.Pool", lambda *args, **kwargs: ThreadPool(1))
        yield
