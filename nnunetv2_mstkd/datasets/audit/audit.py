"""Look through a raw nnU-Net dataset for what makes training fail, or be wrong without a word (L1')."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.audit.among_cases import check_availability, check_copies, check_values
from nnunetv2_mstkd.datasets.audit.case_facts import CaseFacts, gather_facts
from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.audit.label_declaration import check_declaration
from nnunetv2_mstkd.datasets.audit.label_evidence import swapped_labels
from nnunetv2_mstkd.datasets.audit.meaning import implied_meanings
from nnunetv2_mstkd.datasets.audit.patient_name import patients_of
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases, read_json_object
from nnunetv2_mstkd.datasets.audit.sequence_evidence import likely_sequences
from nnunetv2_mstkd.datasets.audit.splits import check_splits, splits_files
from nnunetv2_mstkd.datasets.conversion.each_case import Progress, each_case, silent
from nnunetv2_mstkd.errors import ConversionError, EvaluationError, ModalityError
from nnunetv2_mstkd.modalities import Modalities


def audit_dataset(
    folder: Path, splits: Path | None = None, workers: int = 1, progress: Progress = silent
) -> list[Finding]:
    """Return what is wrong with a dataset, or looks as if; nothing is written.

    Cases are read one after the other, each file once, and a few numbers are kept of each.

    Args:
        folder: of the raw dataset, with dataset.json.
        splits: a splits_final.json; by default those in the folder and in the preprocessed dataset of this name.
        workers: processes.
        progress: called after each case.

    Returns:
        The errors, then the warnings, each in the order: dataset.json, cases, labels, channels, splits.

    Raises:
        ConversionError: if the folder is no raw dataset, or `splits` is no file.
    """
    if splits is not None and not splits.is_file():
        raise ConversionError(f"There is no file {splits}: give a splits_final.json")
    dataset_json = read_json_object(folder / "dataset.json")
    try:
        modalities = Modalities.from_dataset_json(dataset_json)
        found = check_declaration(dataset_json)
    except (ModalityError, EvaluationError) as error:
        return [Finding("error", "dataset.json", str(error))]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        told = 'must be {"0": "T1", "1": "T1ce", ...}'
        names = dataset_json.get("channel_names")
        return [Finding("error", "dataset.json", f"channel_names {told}; it is {names!r:.80} ({error})")]
    listed = find_cases(folder, dataset_json, modalities)
    found += [finding for finding in listed if isinstance(finding, Finding)]
    cases = [case for case in listed if isinstance(case, RawCase)]
    facts = list(each_case(partial(gather_facts, modalities=modalities), cases, workers, "checked", progress))
    found += [Finding("error", case.name, problem) for case in facts for problem in case.problems]
    found += check_values(facts, dataset_json)
    found += _evidence(facts, dataset_json, modalities)
    found += _across(folder, facts, modalities, splits_files(folder, splits))
    return sorted(found, key=lambda finding: finding.severity != "error")  # stable: the order is kept among equals


def _evidence(facts: Sequence[CaseFacts], dataset_json: Mapping[str, Any], modalities: Modalities) -> list[Finding]:
    """Return what the images show: channels first, as labels are judged by what the channels really are."""
    contrasts = {case.name: case.contrast for case in facts}
    sequences, findings = likely_sequences(contrasts, modalities)
    return [*findings, *swapped_labels(list(contrasts.values()), implied_meanings(dataset_json), sequences)]


def _across(
    folder: Path, facts: Sequence[CaseFacts], modalities: Modalities, splits: Sequence[Path]
) -> Iterator[Finding]:
    sound = [case for case in facts if not case.problems]
    yield from check_availability(sound, modalities, folder)
    yield from check_copies(facts, modalities, splits)
    yield from check_splits(splits, patients_of(folder, [case.name for case in facts]))
