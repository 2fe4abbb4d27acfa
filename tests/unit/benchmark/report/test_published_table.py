"""Published values stand beside one's own, with their flags."""

import pytest
from benchmark_records import NNUNET, MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.published.published_values import published_for
from nnunetv2_mstkd.benchmark.report.published_table import make_published
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


def test_other_modalities_get_a_sentence_instead(tmp_path):
    made_up = MadeUpBenchmark(models=(NNUNET,), cases=1, modalities=("CT", "PET"))
    content = make_content(read_results(write_benchmark(tmp_path, made_up)), ReportOptions(published="BraTS2024"))
    assert content.published is None
    assert "the modalities here are CT, PET" in content.published_problem
