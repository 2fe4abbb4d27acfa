"""Whether nnU-Net itself finds our classes, and still finds its own (part of the doctor, L3)."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_mstkd import planning, trainers
from nnunetv2_mstkd.compatibility import supported_range
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import Installation, source_folder
from nnunetv2_mstkd.doctor.placement import REINSTALL
from nnunetv2_mstkd.errors import UnsupportedNNUNetError

EXTERNAL = "nnUNet_extTrainer"
STOCK_TRAINER = "nnUNetTrainer_5epochs"
PREPROCESSOR = "MSTKDPreprocessor"


def check_way(installation: Installation) -> Iterator[Finding]:
    """Report how the trainers are found: by the overlay, or by nnUNet_extTrainer; problem: neither."""
    if installation.nnunet is None:
        return  # reported by check_nnunet
    yield from _check_external_folders()
    served = installation.served_folder("trainers")
    external = [folder for folder in _external_folders() if (folder / "mstkd_trainers.py").is_file()]
    if served is not None and (served / "mstkd_trainers.py").is_file():
        yield Finding("way to the trainers", "ok", f"overlay: {served}")
    elif external:
        yield Finding("way to the trainers", "ok", f"{EXTERNAL}: {external[0]}")
    else:
        yield Finding("way to the trainers", "problem", _why_no_overlay(installation), _mend_way(installation))


def check_trainers(installation: Installation) -> Iterator[Finding]:
    """Ask nnU-Net for each trainer; problem: it finds none, or another class than ours (pickling would fail)."""
    if installation.nnunet is None:
        return  # reported by check_nnunet
    for name in (*trainers.trainer_names(), f"{trainers.trainer_names()[0]}_3epochs"):
        yield _check_trainer(name, installation)


def check_stock(installation: Installation) -> Iterator[Finding]:
    """Ask nnU-Net for a trainer of its own, which our files must not disturb."""
    if installation.nnunet is None:
        return  # reported by check_nnunet
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    found = recursive_find_trainer_class_by_name(STOCK_TRAINER)
    yield Finding(STOCK_TRAINER, "ok", f"nnU-Net's own trainer, found in {found.__module__}")


def check_preprocessor(installation: Installation) -> Iterator[Finding]:
    """Ask nnU-Net for our preprocessor, which it seeks in its own folders only."""
    if installation.nnunet is None:
        return  # reported by check_nnunet
    if _is_found_inside("preprocessing", PREPROCESSOR):
        yield Finding(PREPROCESSOR, "ok", "found by nnU-Net: it checks the channel files of each case by name")
    else:
        detail = "not found by nnU-Net: channel files are checked by their count alone, not by name"
        yield Finding(PREPROCESSOR, "warning", detail, _mend_overlay(installation))


def check_planners(installation: Installation) -> Iterator[Finding]:
    """Ask nnU-Net for each planner and extractor of ours, which it seeks in its own folders only."""
    if installation.nnunet is None:
        return  # reported by check_nnunet
    for name in (*planning.planner_names(), *planning.FINGERPRINT_EXTRACTORS):
        if _is_found_inside("experiment_planning", name):
            yield Finding(name, "ok", "found by nnU-Net")
        else:
            detail = "not found by nnU-Net: nnUNetv2_plan_and_preprocess (-pl, -fpe) cannot use it, nor can mstkd demo"
            yield Finding(name, "warning", detail, _mend_overlay(installation))


def _is_found_inside(package: str, name: str) -> bool:
    """Whether nnU-Net finds a class in one of its packages: it seeks planners and preprocessors nowhere else."""
    import nnunetv2
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    folder = os.path.join(nnunetv2.__path__[0], package)
    return recursive_find_python_class(folder, name, f"nnunetv2.{package}") is not None


def _mend_overlay(installation: Installation) -> str:
    return "pip install .  # in the checkout, without -e" if installation.is_checkout else REINSTALL


def _check_trainer(name: str, installation: Installation) -> Finding:
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    try:
        found = recursive_find_trainer_class_by_name(name)
    except UnsupportedNNUNetError as error:
        return Finding(name, "problem", str(error), f"pip install 'nnunetv2{supported_range()}'")
    except RuntimeError as error:
        if "Could not find" not in str(error):
            return _report_failure(name, error)
        return Finding(name, "problem", "nnU-Net finds no such trainer", _mend_way(installation))
    except Exception as error:  # the search runs foreign code; whatever it raises is the finding
        return _report_failure(name, error)
    if found is not getattr(trainers, name):
        detail = f"nnU-Net finds another class of this name, in {found.__module__}: it cannot be pickled"
        return Finding(name, "problem", detail, f"take the folder that holds it out of {EXTERNAL} or of nnunetv2")
    return Finding(name, "ok", "found by nnU-Net")


def _report_failure(name: str, error: Exception) -> Finding:
    detail = f"cannot be loaded ({type(error).__name__}: {error})"
    return Finding(name, "problem", detail, f"pip check  # then mend what the message names, or: {REINSTALL}")


def _external_folders() -> list[Path]:
    return [Path(entry) for entry in os.environ.get(EXTERNAL, "").split(os.pathsep) if entry.strip()]


def _check_external_folders() -> Iterator[Finding]:
    for folder in _external_folders():
        if not folder.is_dir():
            detail = f"names a folder that does not exist: {folder}"
            yield Finding(EXTERNAL, "warning", detail, f"unset {EXTERNAL}  # or name an existing folder")


def _why_no_overlay(installation: Installation) -> str:
    if installation.is_checkout:
        return f"an editable install lays nothing into nnU-Net, and {EXTERNAL} does not name our folder"
    if installation.recorded:
        return f"nnU-Net lies in {installation.nnunet}, but our files for it in {installation.recorded[0]}"
    return "this install lacks the files for nnU-Net's folders"


def _mend_way(installation: Installation) -> str:
    if not installation.is_checkout and not installation.recorded:
        return REINSTALL
    folders = [folder for folder in _external_folders() if folder.is_dir()]
    value = os.pathsep.join(str(folder) for folder in [*folders, source_folder("trainers")])
    return f"export {EXTERNAL}={shlex.quote(value)}"
