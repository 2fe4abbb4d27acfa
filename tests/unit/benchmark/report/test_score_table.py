"""The papers' table: values, differences, what is best, what stands after Holm."""

import pytest

from nnunetv2_mstkd.benchmark.report.score_table import make_score_table
from nnunetv2_mstkd.evaluation.metrics import METRICS


@pytest.fixture
def rows(index):
    return make_score_table(index, METRICS["dice"], "whole_tumor").lines


def test_every_model_has_its_values_and_every_other_its_differences(rows):
    kinds = [(line.model, line.is_difference) for line in rows]
    assert kinds == [("nnU-Net", False), ("Dropout", False), ("Dropout", True), ("MST-KD", False), ("MST-KD", True)]


def test_values_and_differences_are_those_of_the_summary(rows, index):
    for line in rows:
        for subset, entry in zip(index.subsets, line.entries, strict=True):
            if line.is_difference:
                row = index.comparison("dice", line.model, subset, "whole_tumor")
                assert entry.main == f"{row['mean_difference']:+.3f}".replace("-", "\N{MINUS SIGN}")
            else:
                row = index.cell("dice", line.model, subset, "whole_tumor")
                assert (entry.main, entry.details[0]) == (f"{row['mean']:.3f}", f"({row['sd']:.3f})")


def test_the_best_of_a_column_is_bold(rows, index):
    values = [line for line in rows if not line.is_difference]
    for c in range(len(index.subsets)):
        means = [float(line.entries[c].main) for line in values]
        assert [line.entries[c].is_best for line in values] == [mean == max(means) for mean in means]


def test_six_patients_bear_no_mark(rows):
    # the smallest p of six pairs is 2 / 2^6 = 0.03, and the family has 45 tests
    assert not [entry for line in rows for entry in line.entries if entry.mark]


def test_distances_show_median_and_quartiles_beside_the_mean(index):
    line = make_score_table(index, METRICS["hd95"], "enhancing_tumor").lines[0]
    row = index.cell("hd95", "nnU-Net", index.subsets[0], "enhancing_tumor")
    assert line.entries[0].details[:2] == (f"median {row['median']:.1f}", f"[{row['q1']:.1f}, {row['q3']:.1f}]")
