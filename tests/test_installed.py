"""The tests test what a user installs: the wheel, equal byte for byte to the checkout."""

import os
from importlib import import_module
from pathlib import Path

import pytest

import nnunetv2_mstkd
from nnunetv2_mstkd.overlay import TARGETS

PACKAGE = Path(nnunetv2_mstkd.__file__).parent


@pytest.fixture(scope="module")
def source():
    """The package's folder in the checkout; the test is skipped where that is what has been imported."""
    source = Path(__file__).parents[1] / "nnunetv2_mstkd"
    if source == PACKAGE:
        reason = f"the tests run on the checkout, {source}, not on an installed wheel: pip install . and call `pytest`"
        if os.environ.get("CI") or os.environ.get("MSTKD_REQUIRE_INSTALLED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return source


def contents(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def assert_same(installed: dict[str, bytes], source: dict[str, bytes]) -> None:
    assert sorted(installed) == sorted(source)
    assert not [name for name in source if installed[name] != source[name]]


def test_the_installed_package_is_the_checkouts(source):
    assert_same(contents(PACKAGE), contents(source))


@pytest.mark.parametrize("kind", TARGETS)
def test_the_installed_overlay_is_the_checkouts(source, kind):
    overlay = import_module(TARGETS[kind])
    assert_same(contents(Path(overlay.__file__).parent), contents(source / "overlay" / kind))
