"""The splits before the first training are those that nnU-Net would write."""

import json
from types import SimpleNamespace

import pytest

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.planning import splits

PLANS = {
    "plans_name": "nnUNetPlans",
    "configurations": {
        "3d_lowres": {"data_identifier": "lowres_cases", "architecture": {}},
        "inherited": {"inherits_from": "3d_lowres"},
    },
}


@pytest.fixture
def dataset(tmp_path):
    """A preprocessed dataset of seven cases, as nnU-Net's folder listing may give them: in no order."""
    for name in ("case_10", "case_2", "case_1", "B", "a", "case_20", "case_3"):
        for suffix in (".b2nd", "_seg.b2nd", ".pkl"):
            (tmp_path / "lowres_cases").mkdir(exist_ok=True)
            (tmp_path / "lowres_cases" / f"{name}{suffix}").touch()
    (tmp_path / "nnUNetPlans.json").write_text(json.dumps(PLANS))
    return tmp_path


def nnunet_splits(folder):
    """Let the trainer's own method write the file."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    trainer = SimpleNamespace(
        dataset_class=None,
        fold=0,
        preprocessed_dataset_folder=str(folder / "lowres_cases"),
        preprocessed_dataset_folder_base=str(folder),
        folder_with_segs_from_previous_stage=None,
        print_to_log_file=lambda *words: None,
    )
    nnUNetTrainer.do_split(trainer)


@pytest.mark.parametrize("configuration", ["3d_lowres", "inherited"])
def test_they_are_byte_by_byte_those_of_nnunets_trainer(dataset, configuration):
    assert splits.main([str(dataset), configuration, "nnUNetPlans"]) == 0
    file = dataset / "splits_final.json"
    ours = file.read_bytes()
    file.unlink()
    nnunet_splits(dataset)
    assert ours == file.read_bytes()


def test_splits_that_are_there_stay(dataset):
    (dataset / "splits_final.json").write_text("mine")
    splits.write_splits(dataset, "3d_lowres", ["nnUNetPlans"])
    assert (dataset / "splits_final.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("configuration", "plans", "said"),
    [
        ("3d_lowres", ["nnUNetPlans", "Other"], "has no Other.json; plan the dataset"),
        ("2d", ["nnUNetPlans"], "nnUNetPlans has no configuration 2d; it has 3d_lowres, inherited"),
    ],
)
def test_what_is_missing_is_named(dataset, capsys, configuration, plans, said):
    assert splits.main([str(dataset), configuration, *plans]) == 1
    assert said in capsys.readouterr().err
    assert not (dataset / "splits_final.json").exists()


def test_without_cases_it_says_so(dataset):
    for file in (dataset / "lowres_cases").iterdir():
        file.unlink()
    with pytest.raises(SettingsError, match="lowres_cases holds no cases; preprocess them"):
        splits.write_splits(dataset, "3d_lowres", ["nnUNetPlans"])


def test_fewer_cases_than_folds_are_not_split(dataset):
    for name in ("a", "B", "case_1"):
        for suffix in (".b2nd", "_seg.b2nd", ".pkl"):
            (dataset / "lowres_cases" / f"{name}{suffix}").unlink()
    with pytest.raises(SettingsError, match=r"4 cases are too few for 5 folds; write .*splits_final\.json"):
        splits.write_splits(dataset, "3d_lowres", ["nnUNetPlans"])
