"""The table of trainers, and the schedules made on demand."""

import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.trainers.schedule import schedule_class

NAMES = trainers.trainer_names()
FIVE_PARAMETERS = ["plans", "configuration", "fold", "dataset_json", "device"]


def test_names_are_the_permanent_ones():
    # written into checkpoints: a change here breaks every trained model
    assert set(NAMES) == {
        "nnUNetTrainerMSTKD",
        "nnUNetTrainerMSTKD_noMSTKD",
        "nnUNetTrainerMSTKD_noGSME",
        "nnUNetTrainerMSTKD_noSLKD",
        "nnUNetTrainerMSTKDPaper",
        "nnUNetTrainerModalityDropout",
        "nnUNetTrainerACN",
        "nnUNetTrainerSMUNet",
        "nnUNetTrainerRAHVED",
        "nnUNetTrainerRMBTS",
        "nnUNetTrainerMMFormer",
        "nnUNetTrainerM2FTrans",
    }
    assert not any("__" in name for name in NAMES)  # nnU-Net's separator in folder names


def test_importing_the_package_loads_neither_torch_nor_nnunet():
    code = "import sys, nnunetv2_mstkd.trainers; print([m for m in ('torch', 'numpy', 'nnunetv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_trainer_lives_in_its_own_module_and_pickles(name):
    trainer = getattr(trainers, name)
    assert issubclass(trainer, nnUNetTrainer)
    assert (trainer.__name__, trainer.__module__) == (name, trainers.TRAINERS[name])
    assert pickle.loads(pickle.dumps(trainer)) is trainer


@pytest.mark.parametrize("trainer", NAMES)
@pytest.mark.parametrize("suffix", ["1epoch", "1epochs", "5epochs", "10epochs", "12345epochs"])
def test_schedule_is_one_picklable_class(trainer, suffix):
    name = f"{trainer}_{suffix}"
    schedule = getattr(trainers, name)
    assert getattr(trainers, name) is schedule
    assert issubclass(schedule, getattr(trainers, trainer))
    assert (schedule.__name__, schedule.__qualname__, schedule.__module__) == (name, name, "nnunetv2_mstkd.trainers")
    assert pickle.loads(pickle.dumps(schedule)) is schedule
    assert list(inspect.signature(schedule).parameters) == FIVE_PARAMETERS


@pytest.mark.slow
def test_schedule_pickles_into_a_fresh_python():
    pickled = pickle.dumps(trainers.nnUNetTrainerMSTKD_4epochs)
    code = f"import pickle; print(pickle.loads({pickled!r}).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "nnUNetTrainerMSTKD_4epochs"


def test_threads_get_one_class():
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: trainers.nnUNetTrainerMSTKD_77epochs, range(64)))
    assert len(found) == 1


@pytest.mark.parametrize(
    "suffix",
    [
        "_0epochs",
        "_05epochs",
        "_0epoch",
        "_5epoch",
        "_epochs",
        "_-5epochs",
        "_5epochs_",
        "_5epochs\n",
        "_5Epochs",
        "_\u0665epochs",
    ],
)
def test_wrong_suffix_is_no_trainer(suffix):
    assert not hasattr(trainers, f"nnUNetTrainerMSTKD{suffix}")


@pytest.mark.parametrize(
    "name", ["nnUNetTrainer", "nnUNetTrainer_5epochs", "xnnUNetTrainerMSTKD", "nnUNetTrainerMSTKD_"]
)
def test_other_names_are_no_trainers(name):
    with pytest.raises(AttributeError, match=name):
        getattr(trainers, name)


def test_schedules_do_not_stack():
    assert not hasattr(trainers, "nnUNetTrainerMSTKD_5epochs_6epochs")


class Base:
    """As nnU-Net does: it sets num_epochs itself, and reads the five parameters by name."""

    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        self.given = (plans, configuration, fold, dataset_json, device)
        self.names = list(inspect.signature(self.__init__).parameters)
        self.num_epochs = 1000


def test_schedule_sets_the_epochs_and_hands_everything_on():
    made = schedule_class(Base, "Base_6epochs", 6)({}, "3d_fullres", 0, {}, torch.device("cpu"))
    assert made.num_epochs == 6
    assert made.given == ({}, "3d_fullres", 0, {}, torch.device("cpu"))
    assert made.names == FIVE_PARAMETERS


def test_subclass_of_a_schedule_has_the_last_word():
    class Mine(schedule_class(Base, "Base_6epochs", 6)):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = 2

    assert Mine({}, "2d", 0, {}).num_epochs == 2


def test_attribute_error_inside_a_trainer_module_is_not_swallowed(monkeypatch, tmp_path):
    # nnU-Net asks with hasattr: it would report "no such trainer" for what is a broken dependency
    (tmp_path / "broken_trainer_module.py").write_text("import math\nmath.no_such_function\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(trainers.TRAINERS, "nnUNetTrainerBroken", "broken_trainer_module")
    with pytest.raises(ImportError, match=r"nnUNetTrainerBroken cannot be loaded .*no_such_function"):
        hasattr(trainers, "nnUNetTrainerBroken")
