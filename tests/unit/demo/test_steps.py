"""The commands of a demonstration, without running them."""

import dataclasses

import pytest

from nnunetv2_mstkd.demo.demonstration import environment_of
from nnunetv2_mstkd.demo.folder import RECORD, DemoFolder
from nnunetv2_mstkd.demo.recipe import FULL, QUICK
from nnunetv2_mstkd.demo.record import Record
from nnunetv2_mstkd.demo.steps import steps_of
from nnunetv2_mstkd.errors import DemoError


def steps(tmp_path, recipe=FULL, device="cpu", processes=2):
    return {step.name: step for step in steps_of(recipe, DemoFolder(tmp_path), device, processes)}


@pytest.mark.parametrize("recipe", [FULL, QUICK])
def test_names_are_unique_and_needs_come_first(tmp_path, recipe):
    listed = steps_of(recipe, DemoFolder(tmp_path), "cpu", 2)
    done = set()
    for step in listed:
        assert step.name not in done
        assert done >= set(step.needs)
        done.add(step.name)


@pytest.mark.parametrize("recipe", [FULL, QUICK])
def test_the_schedules_are_stock_ones(recipe):
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    plain = recipe.models[0]
    assert recursive_find_trainer_class_by_name(recipe.trainer_name(plain))


@pytest.mark.parametrize("recipe", [FULL, QUICK])
def test_every_model_is_benchmarked_under_its_title_against_the_first(tmp_path, recipe):
    step = steps(tmp_path, recipe)["benchmark"]
    folder = DemoFolder(tmp_path)
    for model in recipe.models:
        assert f"{model.title}={folder.model(recipe, model)}" in step.command
        assert f"train_{recipe.trainer_name(model)}" in step.needs
    assert step.command[step.command.index("--baseline") + 1] == recipe.models[0].title


def test_the_prediction_leaves_sequences_out(tmp_path):
    step = steps(tmp_path)["predict"]
    assert step.command[step.command.index("--modalities") + 1] == "T1ce,FLAIR"
    assert step.needs == ("train_nnUNetTrainerMSTKD_5epochs",)


def test_another_prediction_trains_nothing_anew(tmp_path):
    other = dataclasses.replace(FULL, present="T2")
    before, after = steps(tmp_path), steps(tmp_path, other)
    changed = {name for name, step in before.items() if step.identity != after[name].identity}
    assert changed == {"predict"}


def test_the_number_of_cores_changes_no_step(tmp_path):
    few, many = steps(tmp_path, processes=2), steps(tmp_path, processes=8)
    assert {n: s.identity for n, s in few.items()} == {n: s.identity for n, s in many.items()}


def test_the_number_of_cores_sets_the_worker_counts(tmp_path):
    folder = DemoFolder(tmp_path)
    counts = [(e["nnUNet_def_n_proc"], e["nnUNet_n_proc_DA"]) for e in (environment_of(folder, n) for n in (1, 2, 8))]
    assert counts == [("1", "1"), ("2", "1"), ("8", "4")]


def test_a_record_that_is_read_again_is_the_same(tmp_path):
    listed = steps_of(QUICK, DemoFolder(tmp_path), "cpu", 2)
    record = Record.read(tmp_path / RECORD)
    record.start(listed[0], listed)
    record.finish(listed[0], 1.5)
    record.start(listed[1], listed)
    again = Record.read(tmp_path / RECORD)
    assert [again.is_finished(step) for step in listed[:3]] == [True, False, False]
    assert [again.is_started(step) for step in listed[:3]] == [True, True, False]
    assert again.seconds == 1.5


# the folder ----------------------------------------------------------------------------------------------------------


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DemoError, match=str(tmp_path)):
        DemoFolder(tmp_path).open()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="is a file"):
        DemoFolder(tmp_path / "file").open()


def test_a_new_an_empty_and_a_demos_folder_are_taken(tmp_path):
    folder = DemoFolder(tmp_path / "new")
    folder.open()
    folder.open()  # also when nothing has been done in it yet
    (tmp_path / "empty").mkdir()
    DemoFolder(tmp_path / "empty").open()
    assert (tmp_path / "empty" / "raw").is_dir()
