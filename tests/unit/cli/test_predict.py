"""Options of `mstkd predict`: what is wrong usage, and what a model's name is made of."""

import pytest

from nnunetv2_mstkd.cli import predict
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import ModelFolderError

DATASET = ("-d", "901", "-c", "3d_fullres")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name the model by -m FOLDER, or by -d DATASET and -c CONFIGURATION"),
        (("-d", "901"), "name the model by -m FOLDER, or by -d DATASET and -c CONFIGURATION"),
        (("-m", "model", "-d", "901"), "-m names a model folder, and -d another"),
        (("-m", "model", "-c", "2d"), "-m names a model folder, and -c another"),
        (("-m", "model", "-tr", "nnUNetTrainerMSTKD"), "-m names a model folder, and -tr another"),
        (("-m", "model", "-p", "nnUNetPlans"), "-m names a model folder, and -p another"),
        (("-m", "model", *DATASET), "-m names a model folder, and -d, -c another"),
        ((*DATASET, "-num_parts", "2", "-part_id", "2"), "-part_id must be 0 to 1, below -num_parts; given: 2"),
        ((*DATASET, "-part_id", "-1"), "argument -part_id: must be a whole number from 0 on; given: -1"),
        ((*DATASET, "-num_parts", "0"), "argument -num_parts: must be a whole number from 1 on; given: 0"),
        ((*DATASET, "-npp", "-1"), "argument -npp: must be a whole number from 0 on; given: -1"),
        ((*DATASET, "-nps", "many"), "argument -nps: must be a whole number from 0 on; given: many"),
        ((*DATASET, "-step_size", "0"), "argument -step_size: must be above 0 and at most 1, in patches; given: 0"),
        ((*DATASET, "-step_size", "1.5"), "at most 1, in patches; given: 1.5"),
        ((*DATASET, "-step_size", "nan"), "at most 1, in patches; given: nan"),
        ((*DATASET, "-step_size", "half"), "at most 1, in patches; given: half"),
        ((*DATASET, "--engine", "onnx"), "argument --engine: invalid choice: 'onnx' (choose from"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(options, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["predict", "-i", "input", "-o", "output", *options])
    assert ended.value.code == 2
    assert "mstkd predict: error: " in (error := capsys.readouterr().err)
    assert says in error


@pytest.fixture
def arguments_of(monkeypatch):
    """Return a function that gives the parsed options of a call."""
    parsed = []
    monkeypatch.setattr(predict, "_run", lambda args, say: parsed.append(args) or 0)

    def parse(*options):
        assert main(["predict", "-i", "input", "-o", "output", *options]) == 0
        return parsed[-1]

    return parse


def test_the_numbers_of_threads_are_ours_or_those_of_nnunets_variables(arguments_of, monkeypatch):
    monkeypatch.delenv("nnUNet_npp", raising=False)
    monkeypatch.delenv("nnUNet_nps", raising=False)
    assert [(args.npp, args.nps) for args in [arguments_of(*DATASET)]] == [(1, 1)]
    monkeypatch.setenv("nnUNet_npp", "3")
    monkeypatch.setenv("nnUNet_nps", "4")
    assert [(args.npp, args.nps) for args in [arguments_of(*DATASET)]] == [(3, 4)]
    assert [(args.npp, args.nps) for args in [arguments_of(*DATASET, "-npp", "0", "-nps", "2")]] == [(0, 2)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ("901", "nnUNetTrainerMSTKD", "nnUNetPlans", "3d_fullres")),
        (("-tr", "nnUNetTrainer", "-p", "nnUNetPlansTiny"), ("901", "nnUNetTrainer", "nnUNetPlansTiny", "3d_fullres")),
    ],
)
def test_a_dataset_names_a_model_of_our_trainer_unless_told(monkeypatch, options, expected):
    asked = []

    def find(*names):
        asked.append(names)
        raise ModelFolderError("only asked")

    monkeypatch.setattr("nnunetv2_mstkd.inference.model_folder.find_model_folder", find)
    assert main(["predict", "-i", "input", "-o", "output", *DATASET, *options]) == 1
    assert asked == [expected]


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(args, say):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "_run", interrupt)
    assert main(["predict", "-i", "input", "-o", "output", *DATASET]) == 1
    assert "repeat the command with --continue_prediction" in capsys.readouterr().err
