"""What the viewer gets, and what it must do without."""

import numpy as np
import pytest

from nnunetv2_mstkd.benchmark.report import embedded_cases, viewer
from nnunetv2_mstkd.benchmark.report.embedded_cases import Scores, kept_first
from nnunetv2_mstkd.benchmark.report.label_legend import label_legend
from nnunetv2_mstkd.benchmark.report.viewer import make_viewer
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.regions import Region


@pytest.fixture
def scores(results):
    return Scores(results.titles, results.subsets, results.regions, results.cases, results.values("dice"))


def make(results, scores):
    return make_viewer(results.records, scores, "MST-KD", "nnU-Net", list(results.modalities))


def test_every_subset_of_both_models_is_there(results, scores):
    made = make(results, scores)
    assert made.panels == ("Image", "Reference", "nnU-Net", "MST-KD")
    assert [case.reason for case in made.cases] == ["worst", "median", "best"]
    for case in made.data["cases"]:
        assert set(case["predictions"]) == {"nnU-Net", "MST-KD"}
        assert list(case["predictions"]["MST-KD"]) == list(results.subsets)
        assert set(case["images"]) == set(results.modalities)
    assert not made.left_out
    assert made.grid == "4.0 \N{MULTIPLICATION SIGN} 4.0 \N{MULTIPLICATION SIGN} 4.0 mm"
    assert made.data["present"]["T1ce+FLAIR"] == ["T1ce", "FLAIR"]
    assert made.is_typical


def test_the_numbers_beneath_are_those_of_the_case(results, scores):
    case = make(results, scores).data["cases"][0]
    own = results.values("dice")[results.titles.index("MST-KD"), :, :, results.cases.index(case["name"])]
    np.testing.assert_allclose(np.array(case["dice"]["MST-KD"], float), own, atol=5e-5)


def test_images_then_cases_are_left_out_where_the_file_would_grow_too_large(results, scores, monkeypatch):
    whole = embedded_cases._size(make(results, scores).data["cases"])
    monkeypatch.setattr(embedded_cases, "KEPT_BYTES", whole - 1)
    made = make(results, scores)
    assert made.modalities == ("T1", "T1ce", "FLAIR")  # T2 goes first: FLAIR and T1ce show most
    assert made.left_out == ("The images of T2 are left out, to keep the file small.",)
    monkeypatch.setattr(embedded_cases, "KEPT_BYTES", 0)
    made = make(results, scores)
    assert (made.modalities, len(made.data["cases"]), len(made.cases)) == (("FLAIR",), 1, 1)
    assert len(made.stills) == 3  # pictures cost little


def test_a_case_without_images_is_named_and_the_others_are_shown(results, scores, monkeypatch):
    def missing(case, *_):
        raise BenchmarkError(f"{case}.nii.gz cannot be read any more")

    monkeypatch.setattr(viewer, "read_case_volume", missing)
    with pytest.raises(BenchmarkError, match=r"worst case.*cannot be read any more.*best case"):
        make(results, scores)


def test_labels_are_named_by_the_regions_around_them():
    # of BraTS after treatment: the cavity is in no other region
    regions = [
        Region("whole_tumor", (1, 2, 3)),
        Region("tumor_core", (1, 3)),
        Region("enhancing_tumor", (3,)),
        Region("resection_cavity", (4,)),
    ]
    names = {label.number: label.name for label in label_legend(regions)}
    assert names == {2: "WT without TC", 4: "RC", 1: "TC without ET", 3: "ET"}
    assert len({label.colour for label in label_legend(regions)}) == 4


def test_flair_and_contrast_are_kept_first_whatever_they_are_called():
    assert kept_first(["t1n", "t1c", "t2w", "t2f"]) == ["t2f", "t1c", "t1n", "t2w"]
    assert kept_first(["CT", "PET"]) == ["CT", "PET"]
