"""Published values stand beside one's own, with their flags."""

from dataclasses import replace

import pytest
from benchmark_records import NNUNET, MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.published.published_values import PRINTED_AVERAGE, published_for
from nnunetv2_mstkd.benchmark.report.published_table import make_published
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report.write import make_content
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results


@pytest.fixture
def table(index, results):
    made = make_published(index, "FeTS2024", published_for("FeTS2024", results.modalities))
    assert [table.title for table in made.tables] == [
        f"{metric} {region}" for metric in ("Dice", "HD95") for region in ("WT", "TC", "ET")
    ]
    return made.tables[0]


def test_own_models_come_first_in_percent(table, index):
    own = [line for line in table.lines if line.is_own]
    assert [line.method for line in own] == index.models
    assert table.lines[: len(own)] == tuple(own)
    mean = index.mean("dice", "MST-KD", index.subsets[3], "whole_tumor")
    assert own[-1].entries[3].text == f"{100 * mean:.1f}"


def test_printed_values_are_in_the_column_of_their_subset(table, index):
    rmbts = next(line for line in table.lines if line.method == "RMBTS")
    # Table 3 prints 54.6 for T1c alone and 83.3 for T1 with FLAIR; both are flagged
    entry = rmbts.entries[index.subsets.index("T1ce")]
    assert (entry.text, rmbts.entries[index.subsets.index("T1+FLAIR")].text) == ("54.6", "83.3")
    assert "column swap" in table.notes[entry.note - 1]


def test_wrong_printed_means_are_flagged(index, results):
    values = published_for("FeTS2024", results.modalities)
    flagged = [value for value in values if value.subset == PRINTED_AVERAGE and value.flag]
    assert flagged
    made = make_published(index, "FeTS2024", values)
    notes = {(t.title, line.method): line.entries[-1].note for t in made.tables for line in t.lines if not line.is_own}
    assert sum(note is not None for note in notes.values()) == len(flagged)


def test_fewer_subsets_are_averaged_as_they_are_shown(tmp_path, results):
    made_up = MadeUpBenchmark(models=(replace(NNUNET, subsets=("T1", "T2")),), cases=1)
    index = SummaryIndex(make_content(read_results(write_benchmark(tmp_path, made_up)), ReportOptions()).summary)
    table = make_published(index, "FeTS2024", published_for("FeTS2024", results.modalities)).tables[0]
    for line in table.lines:
        first, second, mean = (float(entry.text) for entry in line.entries)
        assert mean == pytest.approx((first + second) / 2, abs=0.11)  # of rounded values


def test_other_modalities_get_a_sentence_instead(tmp_path):
    made_up = MadeUpBenchmark(models=(NNUNET,), cases=1, modalities=("CT", "PET"))
    content = make_content(read_results(write_benchmark(tmp_path, made_up)), ReportOptions(published="BraTS2024"))
    assert content.published is None
    assert "the modalities here are CT, PET" in content.published_problem
