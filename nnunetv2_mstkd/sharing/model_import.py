"""Install a model from an archive of a stranger (L3)."""

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from nnunetv2.paths import nnUNet_results

from nnunetv2_mstkd.errors import ModelArchiveError, ModelFolderError, OutputError
from nnunetv2_mstkd.inference.model_folder import find_trainer
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, TRAINER_NAME, load_checkpoint
from nnunetv2_mstkd.inference.safe_plans import require_safe_plans
from nnunetv2_mstkd.sharing.archive_check import ArchiveContents, check_members


@dataclass(frozen=True)
class ImportedModels:
    """What was installed.

    Args:
        folders: of the models: nnU-Net's own archives may hold several configurations.
        left_out: members of the archive that were not unpacked.
        warnings: what to know before predicting.
    """

    folders: tuple[Path, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def import_model(
    archive: Path, results: Path | None = None, *, overwrite: bool = False, trust_checkpoint: bool = False
) -> ImportedModels:
    """Check an archive, of `mstkd export` or `nnUNetv2_export_model_to_zip`, and install its models.

    Everything is unpacked and checked in a folder of its own beside the datasets. Only then is each model moved to its
    place, as a whole.

    Args:
        archive: zip file.
        results: folder to install into; None: nnU-Net's results folder.
        overwrite: whether models that exist are replaced, whole.
        trust_checkpoint: also take models that could execute code.

    Raises:
        ModelArchiveError: if the archive is damaged, unsafe or no model.
        UntrustedCheckpointError, UntrustedPlansError: if the model could execute code; not with `trust_checkpoint`.
        CheckpointError: if a checkpoint is damaged.
        OutputError: if a model exists, or cannot be written.
    """
    results = _results_folder() if results is None else results
    try:
        with ZipFile(archive) as opened:
            contents = check_members(opened.infolist(), archive.stat().st_size)
            _require_no_model(contents.models, results, overwrite)
            with _scratch_folder(results / f".partial_import_{archive.name}") as scratch:
                _unpack(opened, contents, scratch)
                warnings = [line for model in contents.models for line in _check(scratch / model, trust_checkpoint)]
                for model in contents.models:
                    _put_in_place(scratch / model, results / model, scratch / "replaced" / model)
    except (BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise ModelArchiveError(f"{archive} is damaged or no zip file: {error}. Nothing was installed") from error
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{archive} cannot be installed in {results}: {error}") from error
    folders = tuple(results / model for model in contents.models)
    return ImportedModels(folders, contents.left_out, tuple(dict.fromkeys(warnings)))


def _results_folder() -> Path:
    if not nnUNet_results.is_set():
        raise OutputError("nnUNet_results is not set: export it, or name a folder with --results")
    return Path(nnUNet_results)


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Make a folder and remove it in the end, together with what a killed import of the same archive left of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_no_model(models: Sequence[str], results: Path, overwrite: bool) -> None:
    there = [results / model for model in models if (results / model).exists()]
    if there and not overwrite:
        raise OutputError(
            f"{there[0]} exists. --overwrite replaces the whole folder, with all folds and whatever else is in it; "
            f"another results folder (--results) keeps both"
        )


def _unpack(archive: ZipFile, contents: ArchiveContents, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if contents.num_bytes > free:
        raise OutputError(f"{folder.parent} has room for {free:,} bytes; the archive unpacks to {contents.num_bytes:,}")
    for member in contents.members:
        archive.extract(member, folder)  # compares the checksum as it reads


def _check(folder: Path, trust: bool) -> list[str]:
    """Check an unpacked model and return warnings."""
    plans, _ = (_read_object(folder / name) for name in ("plans.json", "dataset.json"))
    if not trust:
        require_safe_plans(plans)
    if not list(folder.glob("fold_*/*.pth")):
        raise ModelArchiveError(f"{folder.name} has no checkpoint in a folder fold_X. Nothing was installed")
    return [line for file in sorted(folder.rglob("*.pth")) for line in _check_checkpoint(file, plans, trust)]


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelArchiveError(f"{file.parent.name} has no {file.name}. Nothing was installed") from error
    except ValueError as error:
        raise ModelArchiveError(f"{file.parent.name}/{file.name} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelArchiveError(f"{file.parent.name}/{file.name} is one {type(content).__name__}, not an object")
    return content


def _check_checkpoint(file: Path, plans: dict[str, Any], trust: bool) -> list[str]:
    loaded = load_checkpoint(file, trust=trust)
    configuration = loaded[INIT_ARGS][CONFIGURATION]
    if configuration not in plans.get("configurations", {}):
        raise ModelArchiveError(f"{file.parent.name}/{file.name} is for {configuration!r}, which the plans do not have")
    try:
        find_trainer(loaded[TRAINER_NAME])
    except ModelFolderError as error:
        return [str(error)]
    return []


def _put_in_place(new: Path, target: Path, replaced: Path) -> None:
    """Move a model to its place; one that is there is moved aside first, and back if that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    replaced.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        os.replace(target, replaced)
    try:
        os.replace(new, target)
    except OSError:
        if replaced.exists():
            os.replace(replaced, target)
        raise
