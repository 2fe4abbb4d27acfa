"""What is remembered of a model's engines, and what is warned of."""

import json

import pytest

from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.modalities import Modalities

BF16, OTHER = "torch-bfloat16", "openvino-bfloat16"
SUBSET = Modalities(("T1", "T1ce", "T2", "FLAIR")).subset("T1,T2")
CLOSE, LESS, FAR = Agreement(0.9999, 9, 0, (500, 20)), Agreement(0.9985, 9, 0, (500, 20)), Agreement(0.9, 9, 0, (5, 2))


@pytest.fixture
def model(bare_model):
    return bare_model


def engines(model, *, mirrored=False, warn=pytest.fail):
    """Return the engines of another run."""
    return ModelEngines(model, warn, mirrored=mirrored)


@pytest.mark.parametrize("subset", [None, SUBSET])
def test_the_next_run_knows_how_an_engine_compared(model, subset):
    assert engines(model).remembered(BF16, subset) is None
    engines(model).remember(BF16, subset, CLOSE)
    assert engines(model).remembered(BF16, subset) == CLOSE
    assert engines(model).remembered(OTHER, subset) is None
    assert engines(model).remembered(BF16, SUBSET if subset is None else None) is None


@pytest.mark.parametrize("subset", [None, SUBSET])
def test_what_agrees_with_mirroring_need_not_do_so_without(model, subset):
    engines(model, mirrored=True).remember(BF16, subset, CLOSE)
    assert engines(model, mirrored=True).remembered(BF16, subset) == CLOSE
    assert engines(model).remembered(BF16, subset) is None


@pytest.mark.parametrize(("plain", "expected"), [(LESS, LESS), (FAR, None)])
def test_what_agrees_without_mirroring_does_so_with(model, plain, expected):
    engines(model).remember(BF16, None, plain)
    assert engines(model, mirrored=True).remembered(BF16, None) == expected


def test_each_way_to_predict_has_an_agreement_of_its_own(model):
    engines(model).remember(BF16, None, FAR)
    engines(model, mirrored=True).remember(BF16, None, CLOSE)
    assert engines(model).remembered(BF16, None) == FAR
    assert engines(model, mirrored=True).remembered(BF16, None) == CLOSE
    engines(model).remember(BF16, None, LESS)
    engines(model, mirrored=True).remember(BF16, None, FAR)
    assert engines(model, mirrored=True).remembered(BF16, None) == FAR  # it was found out for what is predicted


@pytest.mark.parametrize(
    "found",
    [
        {"share": 1.0, "clear_differences": 0},
        {"dice": 1.0, "voxels": 0, "clear_differences": 0},  # before it was known of which regions a tile tells
        {"dice": None, "voxels": 0, "clear_differences": 0, "region_voxels": [100]},
        {"dice": 1.0, "voxels": 0, "clear_differences": 0, "region_voxels": 100},
    ],
)
def test_what_a_version_with_another_bar_kept_of_a_comparison_is_not_taken_for_one(model, found):
    engines(model).remember(BF16, None, CLOSE)
    (file,) = (model.folder / "fold_0" / FOLDER).iterdir()
    file.write_text(json.dumps(found))
    assert engines(model).remembered(BF16, None) is None


def test_folders_that_cannot_be_written_are_told_of_once(model):
    for fold in (0, 1):
        (model.folder / f"fold_{fold}" / FOLDER).write_text("a file where the folder would be")
    warnings = []
    made = engines(model, warn=warnings.append)
    for name in (BF16, OTHER):
        made.remember(name, None, CLOSE)
        made.remember(name, SUBSET, CLOSE)
    for fold in (0, 1):
        made._cache(BF16, fold).put("compiled", b"network")
    assert len(warnings) == 1
    assert "fold_0" in warnings[0]


def test_what_is_in_memory_of_an_engine_is_let_go_and_that_of_another_stays(model):
    (model.folder / "fold_0" / FOLDER).write_text("a file where the folder would be")
    made = engines(model, warn=lambda _: None)
    for name in (BF16, OTHER):
        made.remember(name, None, CLOSE)
    made.forget(BF16)
    assert made.remembered(BF16, None) is None
    assert made.remembered(OTHER, None) == CLOSE
    engines(model).forget(BF16)  # of which nothing is known


def test_what_was_written_of_an_engine_stays(model):
    made = engines(model)
    made.remember(BF16, None, FAR)
    made.forget(BF16)
    assert made.remembered(BF16, None) == FAR
