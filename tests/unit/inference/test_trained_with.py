"""Checkpoints beside a plans.json or dataset.json that they were not trained with."""

import copy
from pathlib import Path

import pytest

from nnunetv2_mstkd.errors import ModelFolderError
from nnunetv2_mstkd.inference.trained_with import require_trained_with

FILE = Path("model/fold_0/checkpoint_final.pth")
PLANS = {
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "image_reader_writer": "SimpleITKIO",
    "configurations": {
        "3d_fullres": {
            "spacing": [1.0, 1.0, 1.0],
            "normalization_schemes": ["ZScoreNormalization", "ZScoreNormalization"],
            "use_mask_for_norm": [True, True],
            "preprocessor_name": "DefaultPreprocessor",
            "patch_size": [64, 64, 64],
            "batch_size": 2,
            "data_identifier": "nnUNetPlans_3d_fullres",
            "architecture": {"network_class_name": "PlainConvUNet", "arch_kwargs": {"n_stages": 4, "strides": [1, 2]}},
        },
        "3d_small": {"inherits_from": "3d_fullres", "patch_size": [32, 32, 32]},
    },
}
DATASET = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "whole": [1, 2], "core": [2]},
    "regions_class_order": [1, 2],
}


def require(change, configuration="3d_small", init_args=("plans", "dataset_json")):
    """Check a checkpoint of PLANS and DATASET beside changed ones."""
    plans, dataset = copy.deepcopy(PLANS), copy.deepcopy(DATASET)
    change(plans, dataset)
    trained = {name: content for name, content in (("plans", PLANS), ("dataset_json", DATASET)) if name in init_args}
    require_trained_with(FILE, {"init_args": {"configuration": configuration, **trained}}, plans, dataset)


def of_configuration(**entries):
    return lambda plans, dataset: plans["configurations"]["3d_fullres"].update(entries)


def of_plans(**entries):
    return lambda plans, dataset: plans.update(entries)


def of_dataset(**entries):
    return lambda plans, dataset: dataset.update(entries)


def of_architecture(**entries):
    return lambda plans, _: plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(entries)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (
            of_configuration(spacing=[2.0, 1.0, 1.0]),
            r"3d_small: spacing was \[1.0, 1.0, 1.0\], and is \[2.0, 1.0, 1.0\]",
        ),
        (of_configuration(normalization_schemes=["CTNormalization"] * 2), "normalization_schemes was"),
        (of_configuration(use_mask_for_norm=[True, False]), "use_mask_for_norm was"),
        (of_configuration(preprocessor_name="Mine"), "was 'DefaultPreprocessor', and is 'Mine'"),
        (of_architecture(strides=[2, 2]), r"was {'arch_kwargs': {'strides': \[1, 2\]}}, and is"),
        (of_plans(transpose_forward=[2, 1, 0]), "transpose_forward was"),
        (of_plans(transpose_backward=[2, 1, 0]), "transpose_backward was"),
        (of_plans(image_reader_writer="NibabelIO"), "image_reader_writer was"),
        (of_plans(mstkd={"fixed_subset": "T1"}), "fixed_subset was None, and is 'T1'"),
        (of_dataset(channel_names={"0": "T2", "1": "T1"}), r"channel_names was \['T1', 'T2'\], and is \['T2', 'T1'\]"),
        (of_dataset(labels={"background": 0, "core": [2], "whole": [1, 2]}), "labels was"),
        (of_dataset(regions_class_order=[2, 1]), "regions_class_order was"),
    ],
)
def test_what_decides_about_the_input_is_compared(change, shown):
    with pytest.raises(ModelFolderError, match=f"trained with another .*{shown}.*Put back") as raised:
        require(change)
    assert str(FILE) in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda plans, dataset: None,
        of_configuration(patch_size=[32, 32, 32], batch_size=1, data_identifier="other", spacing=(1, 1, 1)),
        of_plans(mstkd={"epochs": 3, "fixed_subset": None}, plans_name="other"),
        of_dataset(channel_names={"1": "FLAIR", "0": "T1ce"}),
        of_dataset(labels={"background": 0, "WT": [1, 2], "TC": [2]}, file_ending=".nii.gz"),
    ],
)
def test_what_users_change_on_purpose_is_not(change):
    require(change)


def test_single_labels_may_be_listed_in_any_order():
    trained = {"channel_names": {}, "labels": {"background": 0, "a": 1, "b": 2}}
    checkpoint = {"init_args": {"configuration": "3d_small", "dataset_json": trained}}
    require_trained_with(FILE, checkpoint, {}, {"channel_names": {}, "labels": {"b": 2, "a": 1, "background": 0}})
    with pytest.raises(ModelFolderError, match="labels was"):
        require_trained_with(FILE, checkpoint, {}, {"channel_names": {}, "labels": {"background": 0, "a": 1}})


def test_what_an_exported_checkpoint_does_not_say_is_not_compared():
    require(of_configuration(spacing=[2.0, 2.0, 2.0]), init_args=())
