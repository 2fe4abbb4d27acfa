"""Files of a case, with the ones that hold the spacing of TIFFs."""

import hashlib
from types import SimpleNamespace

import pytest

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.input_facts import InputFiles
from nnunetv2_mstkd.modalities import Modalities

TIFF = SimpleNamespace(spacing_file=lambda file: file.with_suffix(".json"))


@pytest.fixture
def files(tmp_path) -> InputFiles:
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder, name in ((images, "case_0001.tif"), (images, "case.json"), (labels, "case.tif"), (labels, "case.json")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"{folder.name} {name}")
    case = BenchmarkCase(Case("case", {1: ChannelSource(images / "case_0001.tif")}), labels / "case.tif")
    return InputFiles.of(case, Modalities(("T1", "T2")), TIFF)


def test_checksums_of_images_and_reference_include_the_spacing(files):
    def sums(*texts):
        return "+".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)

    assert files.checksums() == {
        "images": {"T2": sums("images case_0001.tif", "images case.json")},
        "reference": sums("labels case.tif", "labels case.json"),
    }


def test_a_change_of_the_spacing_changes_the_stamps(files, tmp_path):
    before = files.stamps()
    assert len(before) == 4
    (tmp_path / "labels" / "case.json").write_text("longer than it was before")
    after = files.stamps()
    assert {name for name in before if before[name] != after[name]} == {str(tmp_path / "labels" / "case.json")}


def test_a_file_without_a_companion_is_alone(tmp_path):
    case = BenchmarkCase(Case("case", {0: ChannelSource(tmp_path / "case_0000.nii.gz")}), tmp_path / "case.nii.gz")
    files = InputFiles.of(case, Modalities(("T1", "T2")), SimpleNamespace(spacing_file=lambda file: None))
    assert files == InputFiles({"T1": (tmp_path / "case_0000.nii.gz",)}, (tmp_path / "case.nii.gz",))
