"""Write a trained model as an archive for others (L3)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import torch

from nnunetv2_mstkd.benchmark.confidence import CONFIDENCE_FILE
from nnunetv2_mstkd.distillation.settings import NETWORK, SECTION
from nnunetv2_mstkd.errors import ModelFolderError, OutputError
from nnunetv2_mstkd.inference.model_description import damage_told
from nnunetv2_mstkd.inference.model_folder import (
    find_trainer,
    fold_names,
    needed_subset,
    read_benchmark,
    read_json,
    require_one_model,
)
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, TRAINER_NAME, load_checkpoint
from nnunetv2_mstkd.inference.trained_with import require_trained_with
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sharing.archive_check import LICENCE_FILE, MODEL_FOLDER
from nnunetv2_mstkd.sharing.licence import licence_text
from nnunetv2_mstkd.sharing.model_card import ModelFacts, model_card
from nnunetv2_mstkd.sharing.plain_checkpoint import plain_checkpoint
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer
from nnunetv2_mstkd.whole_file import whole_file

_CARD_FILE = "MODEL_CARD.md"
_COPIED = ("dataset_fingerprint.json", CONFIDENCE_FILE)  # as far as they are there
_PLANS_FILE, _DATASET_FILE = "plans.json", "dataset.json"
# of a trained model there is the student alone; the checkpoint of a frozen teacher was a path of this machine
_NO_TEACHER = {"teacher": NETWORK, "teacher_checkpoint": None}
_FILE_LIST = "dataset"  # its key with the paths of all training images and labels, by case: names of patients, maybe


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Args:
        archive: the file.
        folder: `<dataset>/<trainer>__<plans>__<configuration>`, in the archive.
        sizes: bytes of each file in that folder, by its name there.
    """

    archive: Path
    folder: str
    sizes: Mapping[str, int]


def export_model(
    folder: Path,
    archive: Path,
    folds: Sequence[str | int] | None = None,
    checkpoint: str = "checkpoint_final.pth",
    *,
    licence: str | None = None,
    overwrite: bool = False,
    trust_checkpoint: bool = False,
) -> ExportedModel:
    """Write what others need to predict: weights, plans, model card, licence; in nnU-Net's layout, whole or not at all.

    Nothing of the training is in it: no state, no logs, no list of its files, no paths of this machine. One fold at a
    time is in memory.

    Args:
        folder: of the model.
        archive: zip file to write.
        folds: numbers, or "all"; None takes every fold that has the checkpoint, fold_all only if there is no other.
        checkpoint: name of the checkpoint files.
        licence: a file with it, or its identifier; None writes that the author has yet to state one.
        overwrite: whether `archive` may exist.
        trust_checkpoint: also load checkpoints that could execute code.

    Raises:
        ModelFolderError, CheckpointError: if the model cannot be loaded, or a fold was trained with another plans.json
            or dataset.json.
        ModelArchiveError: if the licence cannot be read.
        OutputError: if the archive exists, or cannot be written.
    """
    if archive.exists() and not overwrite:
        raise OutputError(f"{archive} exists: name another file, or let --overwrite replace it")
    names = fold_names(folder, folds, checkpoint)
    files = [folder / f"fold_{name}" / checkpoint for name in names]
    first = _head(load_checkpoint(files[0], trust=trust_checkpoint))
    facts = _gather_facts(folder, names, first)
    texts = {_CARD_FILE: model_card(facts, archive.name), LICENCE_FILE: licence_text(licence)}
    try:
        with whole_file(archive) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as opened:
            for file in files:
                loaded = load_checkpoint(file, trust=trust_checkpoint)
                require_one_model((files[0], file), (first, loaded))
                with damage_told(folder):
                    require_trained_with(file, loaded, facts.plans, facts.dataset_json)
                _write_checkpoint(opened, f"{facts.folder}/{file.parent.name}/{file.name}", loaded)
            for name in _COPIED:
                if (folder / name).is_file():
                    opened.write(folder / name, f"{facts.folder}/{name}")
            _write_json(opened, f"{facts.folder}/{_PLANS_FILE}", folder / _PLANS_FILE, facts.plans)
            _write_json(opened, f"{facts.folder}/{_DATASET_FILE}", folder / _DATASET_FILE, facts.dataset_json)
            for name, text in texts.items():
                opened.writestr(f"{facts.folder}/{name}", text)
    except OSError as error:
        raise OutputError(f"{archive} cannot be written: {error}. Nothing was left of it") from error
    sizes = {info.filename.removeprefix(f"{facts.folder}/"): info.file_size for info in opened.infolist()}
    return ExportedModel(archive, facts.folder, sizes)


def _head(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint without its weights."""
    return {key: checkpoint[key] for key in (TRAINER_NAME, INIT_ARGS)}


def _gather_facts(folder: Path, folds: Sequence[str], head: Mapping[str, Any]) -> ModelFacts:
    plans = _without_teacher(read_json(folder, _PLANS_FILE))
    dataset_json = _without_files(read_json(folder, _DATASET_FILE))
    trainer = find_trainer(head[TRAINER_NAME])
    facts = ModelFacts(
        trainer_name=head[TRAINER_NAME],
        configuration=head[INIT_ARGS][CONFIGURATION],
        folds=folds,
        plans=plans,
        dataset_json=dataset_json,
        handles_missing=issubclass(trainer, SubsetTrainer),
        needs=needed_subset(trainer, plans, Modalities.from_dataset_json(dataset_json)),
        benchmark=read_benchmark(folder),
    )
    if not MODEL_FOLDER.fullmatch(facts.folder):
        raise ModelFolderError(f"nnU-Net would not find a model called {facts.folder}: DatasetXXX_Name is missing")
    return facts


def _without_teacher(plans: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return plans as they are, but for a teacher that is a file of this machine."""
    section = plans.get(SECTION, {})
    return {**plans, SECTION: {**section, **_NO_TEACHER}} if section.get("teacher_checkpoint") else plans


def _without_files(dataset_json: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return dataset.json as it is, in its order, which has a meaning for labels, but for the training's files."""
    return {key: value for key, value in dataset_json.items() if key != _FILE_LIST}


def _write_json(archive: ZipFile, name: str, file: Path, content: Mapping[str, Any]) -> None:
    """Write the content of a JSON file: the file itself where that is its content; the order of keys is kept."""
    if content == read_json(file.parent, file.name):
        archive.write(file, name)
    else:
        archive.writestr(name, json.dumps(content, indent=4) + "\n")


def _write_checkpoint(archive: ZipFile, name: str, checkpoint: Mapping[str, Any]) -> None:
    # not deflated: that would save 9 % of trained weights and cost 35 s a GB, and time again whenever it is unpacked
    member = ZipInfo(name, datetime.now().timetuple()[:6])
    member.compress_type = ZIP_STORED
    with archive.open(member, "w", force_zip64=True) as file:  # its size is not known before
        torch.save(plain_checkpoint(checkpoint), file)
