"""The command `mstkd` itself."""

import subprocess
import sys

import pytest

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.cli import main as cli
from nnunetv2_mstkd.errors import SettingsError


def test_help_loads_the_standard_library_only():
    # what makes --help slow is torch; a time would be a test of the machine
    code = (
        "import sys\nfrom nnunetv2_mstkd.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', [m for m in ('torch', 'numpy', 'nnunetv2', 'nnunetv2_mstkd.doctor') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert all(name in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"mstkd {command}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["doktor"]])
def test_usage_error_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: mstkd" in capsys.readouterr().err


def test_our_errors_are_a_line_and_exit_code_1(monkeypatch, capsys):
    def fail(_args):
        raise SettingsError("temperature is -1; it must be positive")

    monkeypatch.setattr("nnunetv2_mstkd.cli.doctor.run", fail)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().err == "mstkd doctor: temperature is -1; it must be positive\n"
