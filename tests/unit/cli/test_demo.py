"""`mstkd demo`: what it refuses, what it passes on, and what it says when it is stopped."""

import os
import signal

import pytest

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.demo.recipe import FULL, QUICK
from nnunetv2_mstkd.doctor import Finding

pytestmark = pytest.mark.usefixtures("own_signal_handlers")


@pytest.fixture
def calls(monkeypatch):
    """The arguments of the demonstration, which is not run; nothing is wrong with the installation."""
    calls = []
    monkeypatch.setattr("nnunetv2_mstkd.demo.demonstration.demonstrate", lambda *args: calls.append(args))
    monkeypatch.setattr("nnunetv2_mstkd.doctor.diagnose", lambda checks: [Finding("planner", "ok", "found")])
    return calls


@pytest.mark.parametrize(("options", "recipe"), [([], FULL), (["--quick"], QUICK)])
def test_the_options_choose_the_recipe(calls, tmp_path, options, recipe):
    assert main(["demo", str(tmp_path / "new"), "--device", "cpu", *options]) == 0
    folder, given, device, processes = calls[0]
    assert (folder.root, given, device) == (tmp_path / "new", recipe, "cpu")
    assert 1 <= processes <= 8


@pytest.mark.parametrize(("has_cuda", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_device_is_cuda_where_there_is_one(calls, tmp_path, monkeypatch, has_cuda, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_cuda)
    main(["demo", str(tmp_path)])
    assert calls[0][2] == device


def test_the_folder_has_a_default(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["demo", "--device", "cpu"])
    assert calls[0][0].root == tmp_path / "mstkd_demo"


def test_a_folder_of_something_else_is_refused(calls, tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert main(["demo", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert not calls


@pytest.mark.parametrize("status", ["warning", "problem"])
def test_an_installation_without_the_planner_is_refused_and_told_what_to_do(
    calls, tmp_path, monkeypatch, capsys, status
):
    finding = Finding("nnUNetPlannerTiny", status, "not found by nnU-Net", "pip install .")
    monkeypatch.setattr("nnunetv2_mstkd.doctor.diagnose", lambda checks: [finding])
    for _ in range(2):  # the folder made by the first call is no obstacle to the second
        assert main(["demo", str(tmp_path / "new")]) == 1
        message = "mstkd demo: nnUNetPlannerTiny: not found by nnU-Net. Mend: pip install .\n"
        assert capsys.readouterr().err == message
    assert not calls


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_demonstration_says_how_to_go_on(calls, tmp_path, monkeypatch, capsys, number):
    def interrupted(*_):
        os.kill(os.getpid(), number)

    monkeypatch.setattr("nnunetv2_mstkd.demo.demonstration.demonstrate", interrupted)
    # a shell starts background jobs with Ctrl-C ignored, and Python leaves it so: a test run may be such a job
    earlier = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["demo", str(tmp_path), "--quick", "--device", "cpu"]) == 1
    finally:
        for n, handler in earlier.items():
            signal.signal(n, handler)
    assert f"To go on from here: mstkd demo {tmp_path} --quick --device cpu" in capsys.readouterr().err
