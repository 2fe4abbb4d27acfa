"""The model card."""

from dataclasses import replace

import pytest

from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sharing.model_card import ModelFacts, model_card

REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "enhancing|tumor": 3}
FACTS = ModelFacts(
    trainer_name="nnUNetTrainerMSTKD",
    configuration="3d_fullres",
    folds=("0", "1"),
    plans={
        "dataset_name": "Dataset037_BraTS",
        "plans_name": "nnUNetPlans",
        "mstkd": {"temperature": 7.0, "channel_names": ["T1", "FLAIR"]},
    },
    dataset_json={
        "channel_names": {"0": "T1", "1": "FLAIR"},
        "labels": REGIONS,
        "file_ending": ".nii.gz",
        "reference": "doi:10/x",
    },
    handles_missing=True,
    needs=None,
    benchmark=None,
)


def card(**changes):
    return model_card(replace(FACTS, **changes), "model.zip")


def test_it_says_what_goes_in_and_what_comes_out():
    text = card()
    assert "| 0000 | T1 |\n| 0001 | FLAIR |" in text
    assert "| whole_tumor | 1, 2, 3 |\n| enhancing\\|tumor | 3 |" in text
    assert "Regions overlap" in text
    labels = {"background": 0, "tumour": 1}
    assert "| tumour | 1 |" in card(dataset_json={**FACTS.dataset_json, "labels": labels})
    assert "Regions" not in card(dataset_json={**FACTS.dataset_json, "labels": labels})


def test_it_says_which_modalities_a_case_must_have():
    assert "Any non-empty subset of these works" in card()
    assert "not trained for missing modalities" in card(handles_missing=False, trainer_name="nnUNetTrainer")
    subset = Modalities(("T1", "FLAIR")).subset("FLAIR")
    assert "was trained for FLAIR alone: every case must have all of it" in card(needs=subset)


def test_it_says_how_the_model_was_trained():
    text = card()
    for row in ("trainer | nnUNetTrainerMSTKD", "plans | nnUNetPlans", "folds | 0, 1", "data: reference | doi:10/x"):
        assert f"| {row} |" in text
    assert '"temperature": 7.0' in text
    assert "channel_names" not in text
    assert "Settings" not in card(plans={**FACTS.plans, "mstkd": {}})


def test_it_has_a_table_of_the_benchmark():
    scores = {
        "FLAIR": {"whole_tumor": {"mean_dice": 0.8, "cases": 40}},
        "T1+FLAIR": {"whole_tumor": {"mean_dice": 0.85, "cases": 40}, "core": {"mean_dice": 0.5, "cases": 39}},
    }
    text = card(benchmark={"subsets": scores})
    assert "| given | whole_tumor | core |" in text
    assert "| FLAIR | 0.800 (40) |  |\n| T1+FLAIR | 0.850 (40) | 0.500 (39) |" in text


@pytest.mark.parametrize("benchmark", [None, {}, {"subsets": {}}])
def test_without_a_benchmark_it_says_so(benchmark):
    assert "Not known" in card(benchmark=benchmark)


def test_it_is_no_medical_device_and_says_how_to_install_it():
    text = card()
    assert "not a medical device" in text
    assert "mstkd import model.zip" in text
    assert "nnUNetv2_install_pretrained_model_from_zip model.zip" in text
    assert "mstkd predict -d 37 -tr nnUNetTrainerMSTKD -p nnUNetPlans -c 3d_fullres -f 0 1" in text
    assert "`$nnUNet_results/Dataset037_BraTS`" in text
