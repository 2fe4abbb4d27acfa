"""The modules inside nnU-Net's folders: light, silent, and clear when one of our names is asked for."""

import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from nnunetv2_mstkd import overlay, planning, trainers
from nnunetv2_mstkd.errors import UnsupportedNNUNetError
from nnunetv2_mstkd.overlay.planners import mstkd_planners
from nnunetv2_mstkd.overlay.preprocessors import mstkd_preprocessor
from nnunetv2_mstkd.overlay.trainers import mstkd_trainers

FOLDER = Path(overlay.__file__).parent
MODULES = {  # and a name of ours that each serves
    mstkd_trainers: "nnUNetTrainerMSTKD",
    mstkd_preprocessor: "MSTKDPreprocessor",
    mstkd_planners: "nnUNetPlannerTiny",
}
FILES = [Path(module.__file__) for module in MODULES]

# Lays an overlay module into nnU-Net's packages through their __path__: what an install does, without one.
# argv: 1 "blocked" or "present": whether nnunetv2_mstkd can be imported; 2 our overlay folder; 3 a class name
SEARCH = """
import sys, tempfile, shutil, importlib, pkgutil
from os.path import join
blocked, source, name = sys.argv[1:]
if blocked == "blocked":
    sys.modules["nnunetv2_mstkd"] = None
from nnunetv2.utilities import find_class_by_name as search
root = tempfile.mkdtemp()
import nnunetv2.training.nnUNetTrainer.variants as variants
shutil.copytree(join(source, "trainers"), join(root, "mstkd"))
variants.__path__.append(root)
planners_root = tempfile.mkdtemp()
import nnunetv2.experiment_planning.experiment_planners as planners
shutil.copytree(join(source, "planners"), join(planners_root, "mstkd"))
planners.__path__.append(planners_root)
# the overlay folders are searched first, as if their name were first; then the stock folders
found = search._recursive_find_python_class(root, name, variants.__name__)
found = found or search._recursive_find_python_class(planners_root, name, planners.__name__)
import nnunetv2
stock = lambda folder: search.recursive_find_python_class(
    join(nnunetv2.__path__[0], *folder.split(".")), name, "nnunetv2." + folder, nnunetv2.__path__[0])
found = found or stock("training.nnUNetTrainer") or stock("experiment_planning")
print(found.__name__, found.__module__)
shutil.rmtree(root)
shutil.rmtree(planners_root)
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parents[1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_importing_it_loads_nothing(path):
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); import types; "
        "module = __import__(sys.argv[2]); hasattr(module, 'nnUNetTrainer_5epochs'); "
        "print(sorted(set(sys.modules) - before - {'types'}))"
    )
    done = run(code, str(path.parent), path.stem)
    assert done.stdout.strip() == str([path.stem]), done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainer_5epochs", "nnUNetPlannerResEncL", "__path__"])
def test_foreign_names_are_not_ours(module, name):
    assert not hasattr(module, name)


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD_mine", "nnUNetTrainerMSTKD_0epochs", "nnUNetTrainerMSTKDx"])
def test_names_that_only_begin_like_ours_are_left_to_their_owner(name):
    assert not hasattr(mstkd_trainers, name)


def test_every_trainer_of_the_table_passes_the_prefixes():
    assert all(name.startswith(mstkd_trainers.PREFIXES) for name in trainers.trainer_names())


@pytest.mark.parametrize("name", [*trainers.trainer_names(), "nnUNetTrainerMSTKD_noGSME_7epochs"])
def test_served_trainer_is_the_imported_one(name):
    assert getattr(mstkd_trainers, name) is getattr(trainers, name)


def test_served_preprocessor_is_the_imported_one():
    own = importlib.import_module("nnunetv2_mstkd.inference.preprocessor")
    assert mstkd_preprocessor.MSTKDPreprocessor is own.MSTKDPreprocessor


@pytest.mark.parametrize("name", [*planning.PLANNERS, *planning.FINGERPRINT_EXTRACTORS])
def test_served_planner_or_extractor_is_the_imported_one(name):
    assert getattr(mstkd_planners, name) is getattr(planning, name)


def test_every_planner_and_extractor_of_the_tables_is_served():
    assert (*planning.PLANNERS, *planning.FINGERPRINT_EXTRACTORS) == mstkd_planners.NAMES


@pytest.mark.parametrize(("module", "name"), MODULES.items())
def test_broken_package_gives_a_clear_error_for_our_names(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, "nnunetv2_mstkd", None)
    with pytest.raises(ImportError, match=rf"{name} .*nnunetv2_mstkd, which cannot be imported .*Mend: "):
        getattr(module, name)


@pytest.mark.parametrize(
    ("module", "name"), [*list(MODULES.items())[1:], (mstkd_trainers, "nnUNetTrainerMSTKD_11epochs")]
)
@pytest.mark.parametrize("version", ["2.7.0", "2.9.0", "3.0"])
def test_unsupported_nnunet_gives_one_clear_error(monkeypatch, module, name, version):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    with pytest.raises(
        UnsupportedNNUNetError, match=rf"installed is nnunetv2 {version}.*pip install 'nnunetv2>=2.8,<2.9'"
    ):
        getattr(module, name)
    assert not hasattr(module, "nnUNetTrainer_5epochs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnUNetTrainer_5epochs", "nnUNetPlannerResEncL"])
def test_stock_names_resolve_when_our_package_cannot_be_imported(name):
    done = run(SEARCH, "blocked", str(FOLDER), name)
    assert done.stdout.split()[-2:-1] == [name], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("nnUNetTrainerMSTKD_3epochs", "nnunetv2_mstkd.trainers"),
        ("nnUNetPlannerTiny", "nnunetv2_mstkd.planning.tiny"),
        ("MSTKDFingerprintExtractor", "nnunetv2_mstkd.planning.fingerprint"),
    ],
)
def test_nnunet_finds_ours_in_its_folders(name, module):
    done = run(SEARCH, "present", str(FOLDER), name)
    assert done.stdout.split()[-2:] == [name, module], done.stderr


@pytest.mark.slow
def test_nnunet_tells_that_our_package_cannot_be_imported():
    done = run(SEARCH, "blocked", str(FOLDER), "nnUNetTrainerMSTKD")
    assert done.returncode != 0
    assert "ImportError: nnUNetTrainerMSTKD is a trainer of nnunetv2_mstkd, which cannot be imported" in done.stderr


def test_external_folder_serves_the_imported_class(monkeypatch):
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    monkeypatch.setenv("nnUNet_extTrainer", str(FOLDER / "trainers"))
    found = recursive_find_trainer_class_by_name("nnUNetTrainerMSTKD_13epochs")
    assert found is trainers.nnUNetTrainerMSTKD_13epochs
