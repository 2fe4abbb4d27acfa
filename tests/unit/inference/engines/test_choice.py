"""Which engine is taken where."""

import pytest
import torch

from nnunetv2_mstkd.errors import MissingExtraError, SettingsError
from nnunetv2_mstkd.inference.engines import choice
from nnunetv2_mstkd.inference.engines.choice import (
    choose_engine,
    later_engines,
    replacing_engine,
    runnable_engines,
    slower_engine,
)
from nnunetv2_mstkd.inference.engines.names import ENGINES

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets what this machine has."""

    def has(*units: str, openvino: bool) -> None:
        monkeypatch.setattr(choice, "bfloat16_units", lambda: units)
        monkeypatch.setattr(choice, "has_openvino", lambda: openvino)

    return has


@pytest.mark.parametrize(
    ("units", "openvino", "name", "says"),
    [
        (("AMX", "AVX-512 BF16"), True, "openvino-bfloat16", "bfloat16 (AMX, AVX-512 BF16), OpenVINO is installed"),
        (("AVX-512 BF16",), False, "torch-bfloat16", "OpenVINO is not installed"),
        ((), True, "openvino-float32", "computes no bfloat16, it has neither AMX nor AVX-512 BF16"),
        ((), False, "torch-float32", "OpenVINO is not installed"),
    ],
)
def test_auto_asks_the_machine_and_says_why(machine, units, openvino, name, says):
    machine(*units, openvino=openvino)
    found = choose_engine("auto", CPU)
    assert (found.name, found.is_asked_for) == (name, False)
    assert says in found.reason


def test_an_engine_that_is_asked_for_is_taken(machine):
    machine("AMX", openvino=True)
    for name in ENGINES:
        found = choose_engine(name, CPU)
        assert (found.name, found.is_asked_for) == (name, True)


def test_an_engine_that_cannot_run_is_refused_with_what_to_do(machine):
    machine(openvino=False)
    with pytest.raises(MissingExtraError, match=r'openvino-bfloat16.*pip install "nnunetv2_mstkd\[openvino\]"'):
        choose_engine("openvino-bfloat16", CPU)
    with pytest.raises(SettingsError, match=r"torch-bfloat16 cannot run here .*neither AMX.*take torch-float32"):
        choose_engine("torch-bfloat16", CPU)
    machine(openvino=True)  # OpenVINO would compute in float32 without a word
    with pytest.raises(SettingsError, match=r"openvino-bfloat16 cannot run here .*take openvino-float32"):
        choose_engine("openvino-bfloat16", CPU)


def test_what_each_engine_lacks(machine):
    machine(openvino=False)
    lacks = runnable_engines()
    assert list(lacks) == list(ENGINES)
    assert [name for name, lack in lacks.items() if not lack] == ["torch-float32"]
    machine("AMX", openvino=True)
    assert not any(runnable_engines().values())


@pytest.mark.parametrize("units", [(), ("AMX",)])
@pytest.mark.parametrize("openvino", [True, False])
def test_what_takes_an_engines_place_can_run_and_comes_later(machine, units, openvino):
    machine(*units, openvino=openvino)
    for name in [name for name, lack in runnable_engines().items() if not lack and name != "torch-float32"]:
        later = later_engines(name)
        assert {slower_engine(name), replacing_engine(name)} <= set(later)
        assert all(len(later_engines(other)) < len(later) for other in later)
        assert not any(runnable_engines()[other] for other in later)
    assert later_engines("torch-float32") == ()


def test_what_is_wrong_gives_way_to_float32_and_what_cannot_be_made_to_torch(machine):
    machine("AMX", openvino=True)
    for name, wrong, unmade in (
        ("openvino-bfloat16", "openvino-float32", "torch-bfloat16"),
        ("openvino-float32", "torch-float32", "torch-bfloat16"),
        ("torch-bfloat16", "torch-float32", "torch-float32"),
    ):
        assert (slower_engine(name), replacing_engine(name)) == (wrong, unmade)
    machine(openvino=True)
    assert replacing_engine("openvino-float32") == "torch-float32"


def test_another_device_has_torch_alone():
    assert choose_engine("auto", torch.device("cuda")).name == "torch-float16"
    assert choose_engine("auto", torch.device("mps")).name == "torch-float32"
    with pytest.raises(SettingsError, match="openvino-float32 is for the CPU, and the device is cuda"):
        choose_engine("openvino-float32", torch.device("cuda"))


def test_a_wrong_name_is_told_the_choices():
    with pytest.raises(SettingsError, match=r"no engine 'onnx': take one of auto, torch-float32"):
        choose_engine("onnx", CPU)
