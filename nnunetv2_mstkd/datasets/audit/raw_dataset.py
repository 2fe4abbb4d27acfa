"""A raw nnU-Net dataset as it lies on disk: which files each training case has (L1')."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.audit.finding import Finding, some_of
from nnunetv2_mstkd.datasets.audit.flat_images import components_of_flat
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.link_root import VARIABLE
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class RawCase:
    """A training case.

    Args:
        name: of the case.
        images: channel -> file; whether the file exists is not known yet.
        label: file of the reference.
        unset: variables in these names that are not set: the case cannot be read.
    """

    name: str
    images: Mapping[int, Path]
    label: Path
    unset: tuple[str, ...] = ()


def find_cases(folder: Path, dataset_json: Mapping[str, Any], modalities: Modalities) -> list[RawCase | Finding]:
    """Return the training cases, sorted by name, and what is wrong with names, as nnU-Net would find them.

    Args:
        folder: of the raw dataset.
        dataset_json: its content; with the key `dataset` the files are where this says.
        modalities: of the dataset.
    """
    if "dataset" in dataset_json:
        found = list(_listed(folder, dataset_json["dataset"]))
    else:
        found = list(_named(folder, str(dataset_json.get("file_ending", ".nii.gz"))))
    cases = [case for case in found if isinstance(case, RawCase)]
    return [*found, *_unset(cases), *_miscounted(cases, dataset_json), *_misnumbered(cases, modalities)]


def _listed(folder: Path, listing: Any) -> Iterator[RawCase | Finding]:
    """Yield what the key `dataset` lists; paths may hold variables, and are relative to the folder."""
    entries = listing if isinstance(listing, dict) else {}
    if not entries:
        yield Finding("error", "dataset.json", f"its key 'dataset' must list cases by name; it is {listing!r:.80}")
    for name, entry in sorted(entries.items()):
        images = entry.get("images") if isinstance(entry, dict) else None
        label = entry.get("label") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not isinstance(label, str) or not all(isinstance(i, str) for i in images):
            told = '{"images": ["..._0000.nii.gz", ...], "label": "..."}'
            yield Finding("error", name, f"its entry in 'dataset' of dataset.json must be {told}")
        else:
            files = {told: folder / os.path.expandvars(told) for told in (*images, label)}
            unset = _unset_variables([told for told, file in files.items() if "$" in told and not file.exists()])
            yield RawCase(name, dict(enumerate(files[image] for image in images)), files[label], unset)


def _unset_variables(names: Sequence[str]) -> tuple[str, ...]:
    """Return the variables, as "$BRATS", that os.path.expandvars leaves in names because they are not set."""
    found = dict.fromkeys(match[0] for name in names for match in VARIABLE.finditer(name))
    return tuple(variable for variable in found if os.path.expandvars(variable) == variable)


def _unset(cases: Sequence[RawCase]) -> Iterator[Finding]:
    """Yield which variables are not set, each once."""
    for variable, count in Counter(variable for case in cases for variable in case.unset).items():
        told = (
            f"names files of {counted(count, 'case')} by {variable}, which is not set: export it, as for the training"
        )
        yield Finding("error", "dataset.json", told)


def _named(folder: Path, ending: str) -> Iterator[RawCase | Finding]:
    """Yield what lies in imagesTr and labelsTr."""
    images: dict[str, dict[int, Path]] = {}
    files = _files(folder / "imagesTr")
    for file in files:
        if match := _image_name(ending).fullmatch(file.name):
            images.setdefault(match[1], {})[int(match[2])] = file
    yield from _misnamed([file.name for file in files], ending)
    if not images:
        yield Finding("error", "imagesTr", f"holds no images of the name <case>_0000{ending}")
    labels = {file.name.removesuffix(ending) for file in _files(folder / "labelsTr") if file.name.endswith(ending)}
    without = sorted(label for label in labels - set(images) if not label.startswith("."))
    if without:
        yield Finding("error", "labelsTr", f"{counted(len(without), 'label map')} without images ({some_of(without)})")
    for name, channels in sorted(images.items()):
        yield RawCase(name, dict(sorted(channels.items())), folder / "labelsTr" / f"{name}{ending}")


def _image_name(ending: str) -> re.Pattern[str]:
    return re.compile(rf"(?!\.)(.+)_(\d{{4}}){re.escape(ending)}")


def _misnamed(names: Sequence[str], ending: str) -> Iterator[Finding]:
    """Yield which files of imagesTr nnU-Net takes for something else, or does not take."""
    taken = [name for name in names if name.endswith(ending)]
    hidden = [name for name in taken if name.startswith(".")]
    strange = [name for name in taken if not name.startswith(".") and not _image_name(ending).fullmatch(name)]
    passed_over = [name for name in names if not name.startswith(".") and not name.endswith(ending)]
    if hidden:
        told = "nnU-Net takes what is hidden for images: remove it"
        yield Finding("error", "imagesTr", f"{counted(len(hidden), 'hidden file')} ({some_of(hidden)}); {told}")
    if strange:
        told = f"nnU-Net needs <case>_0000{ending}: rename or remove what has another name"
        yield Finding(
            "error", "imagesTr", f"{counted(len(strange), 'file')} of another name ({some_of(strange)}); {told}"
        )
    if passed_over:
        told = f"nnU-Net passes over what does not end in {ending}"
        yield Finding("note", "imagesTr", f"{told}: {counted(len(passed_over), 'file')} ({some_of(passed_over)})")


def _files(folder: Path) -> list[Path]:
    """Return files and links, also such as lead nowhere: what is wrong with those is told where they are read."""
    return sorted(file for file in folder.iterdir() if not file.is_dir()) if folder.is_dir() else []


def _miscounted(cases: list[RawCase], dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    told = dataset_json.get("numTraining", len(cases))
    if told != len(cases):
        yield Finding(
            "error",
            "dataset.json",
            f"numTraining is {told!r}, but the dataset has {counted(len(cases), 'training case')}",
        )


def _misnumbered(cases: list[RawCase], modalities: Modalities) -> Iterator[Finding]:
    """Yield which cases have too few files or too many; nnU-Net takes whatever there is, in sorted order."""
    if components_of_flat([file for case in cases for file in case.images.values()]) > 1:
        return  # a picture in colours holds several channels
    for case in cases:
        missing = [f"{c:04d} ({name})" for c, name in enumerate(modalities) if c not in case.images]
        surplus = [f"{channel:04d}" for channel in case.images if channel >= len(modalities)]
        if missing:
            told = "add them; what was not acquired is a volume of zeros"
            yield Finding("error", case.name, f"has no file for the channels {', '.join(missing)}: {told}")
        if surplus:
            told = f"dataset.json has {len(modalities)} ({', '.join(modalities)})"
            yield Finding("error", case.name, f"has the channels {', '.join(surplus)}, but {told}")
