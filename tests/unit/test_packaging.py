"""What pip reads, and what it would install."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nnunetv2_mstkd.compatibility import supported_range
from nnunetv2_mstkd.overlay import TARGETS

ROOT = Path(__file__).parents[2]
OVERLAY_FILES = {
    f"{dotted.replace('.', '/')}/{path.name}"
    for kind, dotted in TARGETS.items()
    for path in (ROOT / "nnunetv2_mstkd/overlay" / kind).glob("*.py")
}


def test_pip_gets_the_range_that_the_package_checks():
    # tomllib is absent from Python 3.10, our oldest
    pinned = re.findall(r'"nnunetv2([<>=!~][^"]*)"', (ROOT / "pyproject.toml").read_text())
    assert pinned == [supported_range()]


def test_license_is_the_whole_apache_2_0():
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {section}. " in text for section in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a build reads, with the leftovers of an earlier build in it."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "nnunetv2_mstkd", folder / "nnunetv2_mstkd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    for stale in ("build/lib/nnunetv2_mstkd/deleted.py", "build/lib/nnunetv2/__init__.py"):
        (folder / stale).parent.mkdir(parents=True, exist_ok=True)
        (folder / stale).touch()
    return folder


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """The wheel that is built from the sdist, as `python -m build` does: it proves that the sdist is complete."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def expected_names(source: Path) -> set[str]:
    # modules and data: templates, published values, the workflow
    own = {path.relative_to(source).as_posix() for path in (source / "nnunetv2_mstkd").rglob("*") if path.is_file()}
    return own | OVERLAY_FILES


@pytest.mark.slow
def test_wheel_holds_the_package_and_the_overlay_and_nothing_else_of_nnunet(source, built):
    assert names_in(next(built.glob("*.whl"))) == expected_names(source)


@pytest.mark.slow
def test_stale_build_folder_is_not_shipped(source, tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    assert names_in(next(tmp_path.glob("*.whl"))) == expected_names(source)


@pytest.mark.slow
def test_uninstall_will_remove_what_the_wheel_lays_into_nnunet(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        recorded = {line.split(",")[0] for line in archive.read(record).decode().splitlines()}
    assert recorded >= OVERLAY_FILES


@pytest.mark.slow
def test_editable_install_does_not_shadow_nnunet(source, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(tmp_path), "-e", str(source)], capture_output=True, text=True, check=True)
    assert not (tmp_path / "nnunetv2").exists()
    finder = "".join(path.read_text() for path in tmp_path.glob("__editable__*"))
    assert "nnunetv2_mstkd" in finder
    assert not re.search(r"nnunetv2[.']", finder)
