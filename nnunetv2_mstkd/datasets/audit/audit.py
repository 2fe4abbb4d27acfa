"""Look through a raw nnU-Net dataset for what makes training fail, or be wrong without a word (L1')."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.audit.among_cases import check_availability, check_copies, check_values
from nnunetv2_mstkd.datasets.audit.case_facts import CaseFacts, gather_facts, missing_files
from nnunetv2_mstkd.datasets.audit.dataset_keys import check_keys
from nnunetv2_mstkd.datasets.audit.finding import SEVERITIES, Finding
from nnunetv2_mstkd.datasets.audit.flat_images import components_of_flat, unexamined
from nnunetv2_mstkd.datasets.audit.label_declaration import check_declaration
from nnunetv2_mstkd.datasets.audit.label_evidence import swapped_labels, unjudged_labels
from nnunetv2_mstkd.datasets.audit.label_maps import check_label_maps
from nnunetv2_mstkd.datasets.audit.patients import known_patients, patients_of
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases
from nnunetv2_mstkd.datasets.audit.sequence_evidence import judge_sequences, unjudged_channels
from nnunetv2_mstkd.datasets.audit.splits import check_splits, read_folds, splits_files
from nnunetv2_mstkd.datasets.conversion.each_case import Progress, each_case, silent
from nnunetv2_mstkd.datasets.json_object import read_json_object
from nnunetv2_mstkd.datasets.meaning import implied_meanings
from nnunetv2_mstkd.errors import ConversionError, EvaluationError, ModalityError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.regions import ignore_label, regions_of


def audit_dataset(
    folder: Path, splits: Path | None = None, workers: int = 1, progress: Progress = silent
) -> list[Finding]:
    """Return what is wrong with a dataset, or looks as if, and what was not looked at; nothing is written.

    Each process has one case in memory at a time; a few numbers are kept of each.

    Args:
        folder: of the raw dataset, with dataset.json.
        splits: a file as for `mstkd convert`; by default the splits_final.json in the folder and in the preprocessed
            dataset of this name.
        workers: processes.
        progress: called after each case.

    Returns:
        The errors, the warnings, the notes, each in the order: dataset.json, cases, labels, channels, splits.

    Raises:
        ConversionError: if the folder is no raw dataset, or `splits` is no file.
    """
    if splits is not None and not splits.is_file():
        raise ConversionError(f"There is no file {splits}: give a splits_final.json, or a CSV file case,fold")
    dataset_json = read_json_object(folder / "dataset.json")
    modalities, found = _declared(dataset_json)
    if modalities is not None:
        found += _found_in(_Dataset(folder, dataset_json, modalities, splits_files(folder, splits)), workers, progress)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))  # stable: the order among equals


def _declared(dataset_json: Mapping[str, Any]) -> tuple[Modalities | None, list[Finding]]:
    """Return the modalities, None if nothing more can be looked at, and what is wrong with dataset.json by itself."""
    found = list(check_keys(dataset_json))
    try:
        found += check_declaration(dataset_json)
        return Modalities.from_dataset_json(dataset_json), found
    except (ModalityError, EvaluationError) as error:
        return None, [*found, Finding("error", "dataset.json", str(error))]
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # of channel_names that are something else
        told = 'must be {"0": "T1", "1": "T1ce", ...}'
        names = dataset_json.get("channel_names")
        return None, [*found, Finding("error", "dataset.json", f"channel_names {told}; it is {names!r:.80} ({error})")]


@dataclass(frozen=True)
class _Dataset:
    """What is looked through, with the splits files that belong to it."""

    folder: Path
    dataset_json: Mapping[str, Any]
    modalities: Modalities
    splits: Sequence[Path]


def _found_in(dataset: _Dataset, workers: int, progress: Progress) -> Iterator[Finding]:
    """Yield what is wrong beyond dataset.json; what is cheap to read comes before the images."""
    known, remarks = known_patients(dataset.folder)
    yield from remarks
    listed = find_cases(dataset.folder, dataset.dataset_json, dataset.modalities)
    yield from (finding for finding in listed if isinstance(finding, Finding))
    cases = [case for case in listed if isinstance(case, RawCase)]
    readable = [case for case in cases if not case.unset]
    is_flat = components_of_flat([file for case in readable for file in case.images.values()]) > 0
    if is_flat:
        facts = [CaseFacts(case.name, missing_files(case, dataset.modalities)) for case in readable]
        yield from unexamined(len(readable))
    else:
        gather = partial(gather_facts, modalities=dataset.modalities, ignored=ignore_label(dataset.dataset_json))
        facts = list(each_case(gather, readable, workers, "checked", progress))
    yield from (Finding("error", case.name, problem) for case in facts for problem in case.problems)
    yield from check_values(facts, dataset.dataset_json)
    yield from check_label_maps(facts)
    yield from () if is_flat else _evidence(facts, dataset.dataset_json, dataset.modalities)
    yield from check_availability([case for case in facts if not case.problems], dataset.modalities, dataset.folder)
    patients = patients_of(known, [case.name for case in cases])
    splits = {file: read_folds(file, patients) for file in dataset.splits}
    yield from check_copies(facts, dataset.modalities, splits)
    yield from check_splits(splits, patients)


def _evidence(facts: Sequence[CaseFacts], dataset_json: Mapping[str, Any], modalities: Modalities) -> Iterator[Finding]:
    """Yield what the images show: channels first, as labels are judged by what the channels really are."""
    contrasts = {case.name: case.contrast for case in facts}
    meanings, names = implied_meanings(dataset_json), _names_of_values(dataset_json)
    sequences = judge_sequences(contrasts, modalities)
    yield from sequences.findings
    yield from unjudged_channels(contrasts, modalities)
    judged = {name: contrast for name, contrast in contrasts.items() if name not in sequences.odd_cases}
    yield from swapped_labels(judged, meanings, sequences.likely)
    yield from unjudged_labels(list(judged.values()), meanings, sequences.likely, names)


def _names_of_values(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Return value -> the labels or regions that it is in."""
    regions = regions_of(dataset_json)
    values = sorted({value for region in regions for value in region.labels if value})
    return {value: ", ".join(region.name for region in regions if value in region.labels) for value in values}
