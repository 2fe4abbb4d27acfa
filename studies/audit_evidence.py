"""How often `mstkd convert --check` sees channels or labels that are exchanged in one case, on simulated patients.

    python studies/audit_evidence.py --seeds 2,3 --cases 40      # prints a Markdown table

The thresholds of the audit (MIN_CASE_GAIN) were chosen on the cohorts of the seeds 0 and 1: others are fresh.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from nnunetv2_mstkd.datasets.audit.case_facts import gather_facts
from nnunetv2_mstkd.datasets.audit.contrast import Contrast
from nnunetv2_mstkd.datasets.audit.label_evidence import TISSUES, swapped_labels
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases
from nnunetv2_mstkd.datasets.audit.sequence_evidence import judge_sequences
from nnunetv2_mstkd.datasets.demonstration.cohort import Cohort
from nnunetv2_mstkd.datasets.demonstration.cohort_dataset import write_cohort
from nnunetv2_mstkd.datasets.json_object import read_json_object
from nnunetv2_mstkd.datasets.meaning import implied_meanings
from nnunetv2_mstkd.modalities import Modalities

Contrasts = Mapping[str, Contrast]


def main() -> None:
    """Print how many cases are named while all is right, and of those exchanged how many are seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="2,3", help="of the cohorts, comma-separated")
    parser.add_argument("--cases", type=int, default=40, help="of each cohort")
    parser.add_argument("--spacing", type=float, default=4.0, help="mm")
    args = parser.parse_args()
    cohorts = [_measured(int(seed), args.cases, args.spacing) for seed in args.seeds.split(",")]
    total = sum(len(contrasts) for contrasts, _, _ in cohorts)
    false_alarms = sum(_named(*cohort) is not None for cohort in cohorts)
    print(f"cohorts with a finding while all is right: {false_alarms} of {len(cohorts)} ({total} scans)\n")
    print(f"| exchanged in one case | seen, of {total} |\n|---|---|")
    _, modalities, meanings = cohorts[0]
    for pair in itertools.combinations(range(len(modalities)), 2):
        seen = sum(sum(_channels_seen(*cohort, pair)) for cohort in cohorts)
        print(f"| {' and '.join(modalities.names[c] for c in pair)} | {seen} |", flush=True)
    for values in itertools.combinations(meanings, 2):
        seen = sum(sum(_labels_seen(*cohort, values)) for cohort in cohorts)
        print(f"| {' and '.join(TISSUES[meanings[v]] for v in values)} | {seen} |", flush=True)


def _measured(seed: int, cases: int, spacing: float) -> tuple[Contrasts, Modalities, dict[int, str]]:
    """Make a cohort; return what the audit measures of each case, its channels and the meaning of its labels."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "Dataset901_Simulated"
        write_cohort(folder, Cohort(cases=cases, test_cases=0, spacing_mm=spacing, seed=seed))
        dataset_json = read_json_object(folder / "dataset.json")
        modalities = Modalities.from_dataset_json(dataset_json)
        found = [case for case in find_cases(folder, dataset_json, modalities) if isinstance(case, RawCase)]
        contrasts = {case.name: gather_facts(case, modalities).contrast for case in found}
        return contrasts, modalities, implied_meanings(dataset_json)


def _named(contrasts: Contrasts, modalities: Modalities, meanings: Mapping[int, str]) -> str | None:
    """Return the first finding, None if there is none."""
    evidence = judge_sequences(contrasts, modalities)
    found = [*evidence.findings, *swapped_labels(contrasts, meanings, evidence.likely)]
    return found[0].message if found else None


def _channels_seen(
    contrasts: Contrasts, modalities: Modalities, meanings: Mapping[int, str], pair: tuple[int, int]
) -> Iterator[bool]:
    """Yield for each case whether it is named when two of its channels are exchanged."""
    del meanings
    for case, contrast in contrasts.items():
        moved = {**contrasts, case: Contrast(_exchanged(contrast.channels, pair), contrast.labels)}
        yield case in judge_sequences(moved, modalities).odd_cases


def _labels_seen(
    contrasts: Contrasts, modalities: Modalities, meanings: Mapping[int, str], pair: tuple[int, int]
) -> Iterator[bool]:
    """Yield for each case whether it is named when two of its labels are exchanged."""
    for case, contrast in contrasts.items():
        moved = {**contrasts, case: Contrast(contrast.channels, _exchanged(contrast.labels, pair))}
        found = swapped_labels(moved, meanings, dict(enumerate(modalities)))
        yield any(case in finding.message for finding in found)


def _exchanged(features: Mapping[int, Mapping[str, float]], pair: tuple[int, int]) -> dict[int, Mapping[str, float]]:
    first, second = pair
    moved = {first: second, second: first}
    return {moved.get(key, key): value for key, value in features.items()}


if __name__ == "__main__":
    main()
