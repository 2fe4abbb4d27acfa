"""What a prediction depends on, as records have it."""

import hashlib
from types import SimpleNamespace

import pytest

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.inference.run_facts import input_facts, model_facts, previous_stage_facts
from nnunetv2_mstkd.modalities import Modalities

NIFTI = SimpleNamespace(spacing_file=lambda file: None)
TIFF = SimpleNamespace(spacing_file=lambda file: file.with_suffix(".json"))


def sha256(*texts):
    return "+".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)


def write(folder, **texts):
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_spacing_of_a_tiff_is_hashed_with_it(tmp_path):
    write(tmp_path, case_0001__tif="image", case__json="spacing")
    case = Case("case", {1: ChannelSource(tmp_path / "case_0001.tif")})
    assert input_facts(case, Modalities(("T1", "T2")), TIFF)["T2"]["sha256"] == sha256("image", "spacing")
    assert input_facts(case, Modalities(("T1", "T2")), NIFTI)["T2"]["sha256"] == sha256("image")


def test_so_is_that_of_the_labels_of_a_previous_stage(tmp_path):
    write(tmp_path, case__tif="labels", case__json="spacing")
    facts = previous_stage_facts(tmp_path / "case.tif", TIFF)
    assert facts == {"file": str(tmp_path / "case.tif"), "sha256": sha256("labels", "spacing")}
    assert previous_stage_facts(None, TIFF) is None


@pytest.mark.parametrize("mended", ["plans.json", "dataset.json"])
def test_a_mended_description_is_another_model(tmp_path, mended):
    write(tmp_path, plans__json="plans", dataset__json="dataset")
    model = SimpleNamespace(
        folder=tmp_path,
        trainer_name="",
        plans=SimpleNamespace(dataset_name="", plans_name=""),
        configuration_name="",
        checkpoint="",
        folds=(),
        weights_sha256={},
        handles_missing=True,
    )
    before = model_facts(model)
    assert (before["plans_sha256"], before["dataset_json_sha256"]) == (sha256("plans"), sha256("dataset"))
    (tmp_path / mended).write_text("mended")
    assert model_facts(model) != before
