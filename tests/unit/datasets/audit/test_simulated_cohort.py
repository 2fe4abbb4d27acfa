"""Every order of the channels and of the labels, on simulated patients."""

import itertools

import pytest

from nnunetv2_mstkd.datasets.audit.audit import audit_dataset
from nnunetv2_mstkd.datasets.audit.case_facts import gather_facts
from nnunetv2_mstkd.datasets.audit.contrast import Contrast
from nnunetv2_mstkd.datasets.audit.label_evidence import swapped_labels
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases
from nnunetv2_mstkd.datasets.audit.sequence_evidence import judge_sequences
from nnunetv2_mstkd.datasets.demonstration.cohort import Cohort
from nnunetv2_mstkd.datasets.demonstration.cohort_dataset import write_cohort
from nnunetv2_mstkd.datasets.json_object import read_json_object
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow  # the cohort takes ten seconds

FOUR = ("T1", "T1ce", "T2", "FLAIR")
BRATS_2023 = ("NCR", "ED", "ET")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Simulated"
    write_cohort(folder, Cohort(cases=5, test_cases=0, spacing_mm=4.0, seed=0))
    return folder


@pytest.fixture(scope="module")
def contrasts(folder):
    cases = find_cases(folder, read_json_object(folder / "dataset.json"), Modalities(FOUR))
    return {case.name: gather_facts(case, Modalities(FOUR)).contrast for case in cases if isinstance(case, RawCase)}


def test_the_cohort_itself_has_no_findings(folder):
    assert audit_dataset(folder) == []


@pytest.mark.parametrize("names", list(itertools.permutations(FOUR))[1:], ids="-".join)
def test_every_other_order_of_the_channels_is_seen(contrasts, names):
    evidence = judge_sequences(contrasts, Modalities(names))
    assert tuple(evidence.likely.values()) == FOUR
    assert len(evidence.findings) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(BRATS_2023))[1:], ids="-".join)
def test_every_other_order_of_the_labels_is_seen(contrasts, order):
    (finding,) = swapped_labels(contrasts, dict(enumerate(order, 1)), dict(enumerate(FOUR)))
    moved = [value for value, (a, b) in enumerate(zip(order, BRATS_2023, strict=True), 1) if a != b]
    assert all(f"{value} should be" in finding.message for value in moved)


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (0, 3), (2, 3)])
def test_one_case_with_exchanged_channels_is_seen(contrasts, pair):
    first, second = pair
    name, contrast = list(contrasts.items())[3]
    moved = {first: second, second: first}
    channels = {moved.get(channel, channel): features for channel, features in contrast.channels.items()}
    evidence = judge_sequences({**contrasts, name: Contrast(channels)}, Modalities(FOUR))
    assert tuple(evidence.likely.values()) == FOUR
    assert evidence.odd_cases == {name}
    (finding,) = evidence.findings
    assert f"in 1 of 5 cases ({name}) channel {first} ({FOUR[first]}) looks like" in finding.message


@pytest.mark.parametrize("pair", [(1, 2), (2, 3)])
def test_one_case_with_exchanged_labels_is_seen(contrasts, pair):
    first, second = pair
    name, contrast = list(contrasts.items())[3]
    moved = {first: second, second: first}
    labels = {moved.get(value, value): features for value, features in contrast.labels.items()}
    mixed = {**contrasts, name: Contrast(contrast.channels, labels)}
    (finding,) = swapped_labels(mixed, dict(enumerate(BRATS_2023, 1)), dict(enumerate(FOUR)))
    assert finding.message.startswith(f"in 1 of 5 cases ({name}) {first} (")
