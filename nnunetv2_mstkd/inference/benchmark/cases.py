"""The cases of a benchmark with their references: validation cases of folds, or a test set (L3)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.discovery import find_cases
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.model_files import DATASET_FILE
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.splits_file import SPLITS_FILE


@dataclass(frozen=True)
class RawDataset:
    """A raw dataset of nnU-Net.

    Args:
        folder: of it.
        dataset_json: content of its dataset.json.
    """

    folder: Path
    dataset_json: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class BenchmarkCase:
    """A case to score.

    Args:
        case: the images.
        reference: file of the labels.
    """

    case: Case
    reference: Path

    @property
    def name(self) -> str:
        """Of the case."""
        return self.case.name


@dataclass(frozen=True)
class Cases:
    """What was found: cases by name, and what stops others."""

    by_name: dict[str, BenchmarkCase]
    problems: tuple[Problem, ...] = ()


def validation_names(dataset: str, folds: Sequence[str]) -> dict[str, list[str]]:
    """Return the validation cases of each fold, as nnU-Net's training has them.

    Args:
        dataset: name.
        folds: numbers.

    Raises:
        BenchmarkError: if the splits are missing, or a fold is not in them.
    """
    if not nnUNet_preprocessed.is_set():
        raise BenchmarkError(f"nnUNet_preprocessed is not set: export it, for it has the folds of {dataset}")
    file = Path(nnUNet_preprocessed.get()) / dataset / SPLITS_FILE
    if not file.is_file():
        raise BenchmarkError(
            f"There is no {file}, which says what the validation cases are. The first training of the dataset writes "
            f"it: train, or copy the file from where the models were trained"
        )
    splits = json.loads(file.read_text(encoding="utf-8"))
    if unknown := [fold for fold in folds if not (fold.isdecimal() and int(fold) < len(splits))]:
        raise BenchmarkError(
            f"Fold {', '.join(unknown)} is none of the {len(splits)} in {file}: its validation cases are not known"
        )
    return {fold: [str(name) for name in splits[int(fold)]["val"]] for fold in folds}


def raw_dataset(dataset: str) -> RawDataset:
    """Return the raw dataset of a name.

    Raises:
        BenchmarkError: if it is not there.
    """
    raw = Path(nnUNet_raw.get()) / dataset if nnUNet_raw.is_set() else None
    if raw is None or not (raw / DATASET_FILE).is_file():
        raise BenchmarkError(
            f"There is no raw dataset {dataset} in nnUNet_raw ({raw or 'not set'}): predictions are scored on its "
            f"images and labels. Export nnUNet_raw"
        )
    try:
        return RawDataset(raw, json.loads((raw / DATASET_FILE).read_text(encoding="utf-8")))
    except ValueError as error:
        raise BenchmarkError(f"{raw / DATASET_FILE} is no JSON: {error}") from error


def training_cases(raw: RawDataset, names: Sequence[str], modalities: Modalities) -> Cases:
    """Return cases of a raw dataset's training part.

    Args:
        raw: the dataset.
        names: of the cases.
        modalities: of the dataset.
    """
    folder, dataset_json = raw.folder, raw.dataset_json
    # nnU-Net's function starts a dozen processes to list folders: needed for datasets that list their files only
    lists = "dataset" in dataset_json
    listed = get_filenames_of_train_images_and_targets(str(folder), dataset_json) if lists else None
    found: dict[str, BenchmarkCase] = {}
    problems: list[Problem] = []
    for name in names:
        files, reference = _files(folder, name, listed, dataset_json["file_ending"], len(modalities))
        if (sources := _sources(files, modalities)) is None:
            problems.append(Problem(name, f"has {len(files)} image files, but needs {modalities.channel_files()}"))
        elif not reference.is_file():
            problems.append(Problem(name, f"has no reference: there is no {reference}"))
        else:
            found[name] = BenchmarkCase(Case(name, sources), reference)
    return Cases(found, tuple(problems))


def _files(
    raw: Path, name: str, listed: dict[str, Any] | None, ending: str, num_channels: int
) -> tuple[list[Path], Path]:
    """Return the images of a case that are there, and its label file."""
    if listed is not None:
        entry = listed.get(name, {"images": [], "label": ""})
        return [Path(file) for file in entry["images"] if Path(file).is_file()], Path(entry["label"])
    files = [raw / "imagesTr" / f"{name}_{channel:04d}{ending}" for channel in range(num_channels)]
    return [file for file in files if file.is_file()], raw / "labelsTr" / f"{name}{ending}"


def _sources(files: Sequence[Path], modalities: Modalities) -> dict[int, ChannelSource] | None:
    """Return where each channel is: a file each, or a volume each of one file; None if neither fits."""
    count = len(modalities)
    if len(files) == count:
        return {channel: ChannelSource(file) for channel, file in enumerate(files)}
    if len(files) == 1:
        return {channel: ChannelSource(files[0], channel, count) for channel in range(count)}
    return None


def test_set_cases(images: Path, labels: Path, modalities: Modalities, reader: ImageReader) -> Cases:
    """Return the cases of a folder of images, and `<case><ending>` of a folder of labels for each.

    Args:
        images: as for `mstkd predict`.
        labels: one file per case.
        modalities: of the models.
        reader: that tells the endings.

    Raises:
        BenchmarkError: if there is no folder of labels.
        CaseError: if the images cannot be listed.
    """
    if not labels.is_dir():
        raise BenchmarkError(f"{labels} is no folder: name the one that has the references")
    discovery = find_cases(images, modalities, reader.file_endings)
    found: dict[str, BenchmarkCase] = {}
    problems = list(discovery.problems)
    for case in discovery.cases:
        candidates = [labels / f"{case.name}{ending}" for ending in reader.file_endings]
        reference = next((file for file in candidates if file.is_file()), None)
        if reference is None:
            problems.append(Problem(case.name, f"has no reference: there is no {candidates[0]}"))
        else:
            found[case.name] = BenchmarkCase(case, reference)
    return Cases(found, tuple(problems))
