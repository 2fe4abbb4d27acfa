"""A case for several models, some of which cannot take it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.benchmark.case_preparation import Preprocessing, ReadCase
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.ready_case import make_ready
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.regions import Region

FACTS = BenchmarkFacts("D", Modalities(("T1", "T2")), (Region("tumour", (1,)),), None, 1.0, False, "test set")


class Fake:
    """Preprocessing that reads a tiny case, or fails where it is told to."""

    reader = SimpleNamespace(spacing_file=lambda file: None)

    def __init__(self, key: str, reader_key: str = "A", fails: str = "") -> None:
        self.key, self.reader_key, self.fails, self.num_reads = key, reader_key, fails, 0

    def read(self, case, reference):
        self.num_reads += 1
        if self.fails == "read":
            raise CaseError("damaged")
        labels = np.zeros((2, 3, 4), np.int32)
        return ReadCase(case, {}, labels, Geometry((2, 3, 4), (1.0, 1.0, 1.0), None, None), ("T2 is zero",))

    def prepare(self, read):
        if self.fails == "prepare":
            raise ValueError("no such spacing")
        return torch.zeros(2, 2, 3, 4), {}


@pytest.fixture
def case(tmp_path) -> BenchmarkCase:
    for name in ("t1.nii.gz", "labels.nii.gz"):
        (tmp_path / name).write_bytes(b"content")
    return BenchmarkCase(Case("case", {0: ChannelSource(tmp_path / "t1.nii.gz")}), tmp_path / "labels.nii.gz")


def jobs(case, *models):
    return [
        SimpleNamespace(case=case, training=SimpleNamespace(model=SimpleNamespace(preprocessing=m))) for m in models
    ]


def test_a_model_that_cannot_take_a_case_leaves_the_others(case):
    good, other_reader = Fake("good"), Fake("other", reader_key="B", fails="read")
    ready = make_ready(jobs(case, Fake("bad", fails="prepare"), good, other_reader, good), FACTS)
    assert set(ready.inputs) == {"good"}
    assert good.num_reads == 0  # what another model with this reader has read is enough
    assert ready.failures == {"bad": "ValueError: no such spacing", "other": "damaged"}
    assert ready.warnings == ["T2 is zero"]


def test_a_file_is_hashed_before_it_is_read(case):
    model = Fake("good")
    case.reference.unlink()
    ready = make_ready(jobs(case, model), FACTS)
    assert model.num_reads == 0
    assert "labels.nii.gz cannot be read" in ready.failures["good"]


def test_single_slices_concern_models_of_volumes_alone():
    volumes = object.__new__(Preprocessing)
    volumes.is_2d = False
    flat = ReadCase(
        Case("case", {0: ChannelSource(Path("t1"))}),
        {},
        np.zeros((1, 3, 4), np.int32),
        Geometry((1, 3, 4), (1.0, 1.0, 1.0), None, None),
        (),
    )
    with pytest.raises(CaseError, match="its images are single slices"):
        volumes.prepare(flat)
