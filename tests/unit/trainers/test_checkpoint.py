"""Checkpoints are whole, hold what they say, and belong to one run."""

import pickle

import pytest
import torch

from nnunetv2_mstkd.errors import CheckpointError
from nnunetv2_mstkd.trainers import checkpoint as module
from nnunetv2_mstkd.trainers.checkpoint import (
    load_weights_into,
    read_checkpoint,
    require_same_run,
    save_atomically,
    training_state_file,
    write_checkpoint,
)

CPU = torch.device("cpu")
STUDENT = {"network_weights": {"weight": torch.arange(3.0)}, "current_epoch": 4}
STATE = {"optimizer_state": {"momentum": torch.arange(5.0)}, "teacher_weights": {"weight": torch.ones(2)}}


def load(path):
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize("name", ["checkpoint_latest.pth", "checkpoint_epoch7.pth"])
def test_a_checkpoint_to_continue_from_holds_both(tmp_path, name):
    write_checkpoint(str(tmp_path / name), STUDENT, STATE)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert set(load(tmp_path / name)) == {*STUDENT, "training_state"}
    checkpoint, state = read_checkpoint(str(tmp_path / name), CPU)
    assert set(checkpoint) == set(STUDENT)
    assert torch.equal(state["optimizer_state"]["momentum"], torch.arange(5.0))


def test_the_best_checkpoint_holds_the_student_alone(tmp_path):
    file = tmp_path / "checkpoint_best.pth"
    write_checkpoint(str(file), STUDENT, STATE)
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    assert set(load(file)) == set(STUDENT)
    assert read_checkpoint(str(file), CPU)[1] is None


def test_the_final_checkpoint_leaves_the_training_state_beside_it(tmp_path):
    file = tmp_path / "checkpoint_final.pth"
    write_checkpoint(str(file), STUDENT, STATE)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["checkpoint_final.pth", "checkpoint_final_training_state.pth"]
    assert set(load(file)) == set(STUDENT)
    assert set(load(training_state_file(file))) == set(STATE)
    assert set(read_checkpoint(str(file), CPU)[1]) == set(STATE)


def test_weights_of_another_architecture_are_refused_by_what_they_are_of():
    narrow, wide = torch.nn.Linear(2, 3), torch.nn.Linear(4, 3)
    load_weights_into(torch.nn.Linear(2, 3), narrow.state_dict(), "network")
    with pytest.raises(CheckpointError, match=r"(?s)The network of the checkpoint is not built as .*size mismatch"):
        load_weights_into(wide, narrow.state_dict(), "network")


def test_a_final_checkpoint_without_its_neighbour_can_be_read(tmp_path):
    file = tmp_path / "checkpoint_final.pth"
    write_checkpoint(str(file), STUDENT, STATE)
    training_state_file(file).unlink()
    checkpoint, state = read_checkpoint(str(file), CPU)
    assert torch.equal(checkpoint["network_weights"]["weight"], torch.arange(3.0))
    assert state is None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", ["checkpoint_latest.pth", "checkpoint_best.pth", "checkpoint_final.pth"])
def test_an_error_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch, error, name):
    file = tmp_path / name
    write_checkpoint(str(file), STUDENT, STATE)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}

    def break_in_the_middle(payload, stream):
        stream.write(b"half a checkp")
        raise error

    monkeypatch.setattr(torch, "save", break_in_the_middle)
    with pytest.raises(type(error)):
        write_checkpoint(str(file), {**STUDENT, "current_epoch": 5}, STATE)
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_the_file_is_on_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    """A power cut between renaming and writing would otherwise leave an empty file under the final name."""
    order = []
    fsync, replace = module.os.fsync, module.os.replace
    monkeypatch.setattr(module.os, "fsync", lambda file: order.append("fsync") or fsync(file))
    monkeypatch.setattr(module.os, "replace", lambda *paths: order.append("replace") or replace(*paths))
    save_atomically(STUDENT, tmp_path / "checkpoint_latest.pth")
    assert order == ["fsync", "replace"]


def truncated(whole):
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    "damage",
    [truncated, lambda whole: b"", lambda whole: b"not a checkpoint at all", lambda whole: b"\x80\x04" + b"\xff" * 64],
    ids=["truncated", "empty", "text", "garbage"],
)
@pytest.mark.parametrize("name", ["checkpoint_latest.pth", "checkpoint_final.pth"])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path, name, damage):
    file = tmp_path / name
    write_checkpoint(str(file), STUDENT, STATE)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CheckpointError, match=f"{name}.*damaged"):
        read_checkpoint(str(file), CPU)


def test_a_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "checkpoint_latest.pth"
    torch.save({"state_dict": {}}, file)
    with pytest.raises(CheckpointError, match="no network_weights"):
        read_checkpoint(str(file), CPU)
    torch.save([1, 2], file)
    with pytest.raises(CheckpointError, match="no network_weights"):
        read_checkpoint(str(file), CPU)
    file.write_bytes(pickle.dumps("a text"))
    with pytest.raises(CheckpointError):
        read_checkpoint(str(file), CPU)


# --- Of one run -------------------------------------------------------------------------------------------------------


def init_args(**changes):
    plans = {
        "plans_name": "nnUNetPlans",
        "dataset_name": "Dataset001_A",
        "configurations": {"3d_fullres": {"patch_size": [8, 8, 8]}},
        "mstkd": {"seed": 0, "temperature": 7.0},
    }
    configuration = changes.pop("configuration", "3d_fullres")
    return {"plans": {**plans, **changes}, "configuration": configuration}


def test_a_setting_newer_than_the_checkpoint_counts_as_its_default():
    older, newer = init_args(), init_args()
    section = newer["plans"].setdefault("mstkd", {})
    older["plans"]["mstkd"] = dict(section)
    section["new"] = 1
    checkpoint = {"trainer_name": "nnUNetTrainerMSTKD", "init_args": older}
    require_same_run(checkpoint, "checkpoint_latest.pth", "nnUNetTrainerMSTKD", newer, {"new": 1})
    with pytest.raises(CheckpointError, match="new"):
        require_same_run(checkpoint, "checkpoint_latest.pth", "nnUNetTrainerMSTKD", newer, {"new": 2})


def test_a_checkpoint_from_before_there_were_kinds_of_teacher_had_a_second_network():
    checkpoint = {"trainer_name": "nnUNetTrainerMSTKD", "init_args": init_args()}
    defaults = {"teacher": "shared"}
    with pytest.raises(CheckpointError, match=r"'teacher': 'network'.*'teacher': 'shared'"):
        require_same_run(checkpoint, "checkpoint_latest.pth", "nnUNetTrainerMSTKD", init_args(), defaults)
    section = {**init_args()["plans"]["mstkd"], "teacher": "network"}
    require_same_run(checkpoint, "checkpoint_latest.pth", "nnUNetTrainerMSTKD", init_args(mstkd=section), defaults)


def test_the_same_run_passes():
    checkpoint = {"trainer_name": "nnUNetTrainerMSTKD", "init_args": init_args()}
    require_same_run(checkpoint, "checkpoint_latest.pth", "nnUNetTrainerMSTKD", init_args(), {})


@pytest.mark.parametrize(
    ("changes", "theirs", "ours"),
    [
        ({"plans_name": "nnUNetPlansOther"}, "'nnUNetPlansOther'", "'nnUNetPlans'"),
        ({"dataset_name": "Dataset002_B"}, "'Dataset002_B'", "'Dataset001_A'"),
        ({"configuration": "2d"}, "'2d'", "'3d_fullres'"),
        ({"configurations": {"3d_fullres": {"patch_size": [16, 8, 8]}}}, "[16, 8, 8]", "[8, 8, 8]"),
        ({"mstkd": {"seed": 3, "temperature": 7.0}}, "{'seed': 3}", "{'seed': 0}"),
    ],
)
def test_another_run_is_refused_with_both_sides(changes, theirs, ours):
    checkpoint = {"trainer_name": "nnUNetTrainerMSTKD", "init_args": init_args(**changes)}
    with pytest.raises(CheckpointError) as raised:
        require_same_run(checkpoint, "latest.pth", "nnUNetTrainerMSTKD", init_args(), {})
    message = str(raised.value)
    assert message.index(theirs) < message.rindex(ours)
    assert "latest.pth" in message
    assert "temperature" not in message  # what is equal is not shown


def test_a_stock_checkpoint_is_refused():
    with pytest.raises(CheckpointError, match=r"'nnUNetTrainer'.*'nnUNetTrainerMSTKD'"):
        require_same_run({"trainer_name": "nnUNetTrainer"}, "latest.pth", "nnUNetTrainerMSTKD", init_args(), {})
