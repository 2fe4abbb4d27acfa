"""Tables for a manuscript, and CSV."""

import copy
import csv
import io
import re
from dataclasses import replace

import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, MadeUpModel, write_benchmark

from nnunetv2_mstkd.benchmark.csv_files import records_csv, summary_csv
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.summary import summarise
from nnunetv2_mstkd.benchmark.tables import latex_table, markdown_table, table_files
from nnunetv2_mstkd.regions import Region

REGIONS = (Region("kidney", (1,)), Region("tumour", (2,)))
BENCHMARK = MadeUpBenchmark(models=(NNUNET, MSTKD), modalities=("CT", "PET"), regions=REGIONS, cases=10)


def results_of(folder, **changes):
    return read_results(write_benchmark(folder, replace(BENCHMARK, **changes)))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return results_of(tmp_path_factory.mktemp("benchmark"))


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, ReportOptions())


def cells_of(table):
    """The rows of a Markdown table, each a list of texts."""
    return [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


def test_dots_show_which_modalities_are_present(summary):
    rows = cells_of(markdown_table(summary, "dice", "kidney"))
    assert rows[0] == ["CT", "●", "○", "●", "average"]
    assert rows[2] == ["PET", "○", "●", "●", ""]


def test_every_row_has_every_column(summary):
    for metric in summary["metrics"]:
        assert {len(row) for row in cells_of(markdown_table(summary, metric, "tumour"))} == {5}


def test_dice_is_in_percent_the_best_bold_and_the_average_last(summary):
    rows = {row[0]: row[1:] for row in cells_of(markdown_table(summary, "dice", "kidney"))}
    content = summary["metrics"]["dice"]
    means = {(c["model"], c["subset"]): c["mean"] for c in content["cells"] if c["region"] == "kidney"}
    assert rows["nnU-Net"][:3] == [f"{100 * means['nnU-Net', s]:.1f}" for s in summary["subsets"]]
    assert rows["MST-KD"][:3] == [f"**{100 * means['MST-KD', s]:.1f}**" for s in summary["subsets"]]
    average = sum(means["nnU-Net", s] for s in summary["subsets"]) / 3
    assert rows["nnU-Net"][3] == f"{100 * average:.1f}"


def test_daggers_mark_what_stands_after_holm_and_nothing_else(summary):
    (row,) = [row for row in cells_of(markdown_table(summary, "dice", "kidney")) if row[0].startswith("−")]  # noqa: RUF001
    comparisons = {r["subset"]: r for r in summary["metrics"]["dice"]["comparisons"] if r["region"] == "kidney"}
    for text, subset in zip(row[1:4], summary["subsets"], strict=True):
        assert text.startswith(f"{100 * comparisons[subset]['mean_difference']:+.1f}")
        assert ("†" in text) == (comparisons[subset]["holm_p"] < 0.05)
    assert "†" not in row[4]
    assert re.fullmatch(r"\+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\]", row[4])


@pytest.mark.parametrize(("rank_biserial", "mark", "latex"), [(0.9, "†", r"\dagger"), (-0.9, "‡", r"\ddagger")])
def test_a_mark_has_the_direction_of_the_ranks(summary, rank_biserial, mark, latex):
    # a penalty of 373 mm can turn the mean: it is above the baseline's here, whatever the ranks say
    made_up = copy.deepcopy(summary)
    for row in made_up["metrics"]["hd95"]["comparisons"]:
        row.update(mean_difference=2.0, holm_p=0.01, rank_biserial=rank_biserial)
    rows = cells_of(markdown_table(made_up, "hd95", "kidney"))
    assert [row[1] for row in rows if row[0].startswith("−")] == [f"+2.0{mark}"]  # noqa: RUF001
    assert f"$+2.0$$^{{{latex}}}$" in latex_table(made_up, "hd95", "kidney")


def test_distances_have_their_median_beneath_the_mean(summary):
    rows = cells_of(markdown_table(summary, "hd95", "tumour"))
    cell = next(c for c in summary["metrics"]["hd95"]["cells"] if c["region"] == "tumour" and c["subset"] == "CT")
    (place,) = [i for i, row in enumerate(rows) if row[0] == "nnU-Net"]
    assert rows[place + 1][:2] == ["median [quartiles]", f"{cell['median']:.1f} [{cell['q1']:.1f}, {cell['q3']:.1f}]"]


def test_of_distances_the_smallest_is_bold(summary):
    rows = {row[0]: row for row in cells_of(markdown_table(summary, "hd95", "kidney"))}
    assert rows["MST-KD"][1].startswith("**")
    assert not rows["nnU-Net"][1].startswith("**")


def test_what_was_not_scored_is_a_dash(tmp_path):
    results = results_of(tmp_path, models=(NNUNET, MadeUpModel("dedicated", needs="PET")))
    summary = summarise(results, ReportOptions())
    rows = {row[0]: row for row in cells_of(markdown_table(summary, "dice", "kidney"))}
    assert [text == "–" for text in rows["dedicated"][1:]] == [True, False, True, True]  # noqa: RUF001
    assert "&  &" not in latex_table(summary, "dice", "kidney").split(r"\midrule")[1]


def test_one_model_has_no_bold_and_no_difference(tmp_path):
    table = markdown_table(summarise(results_of(tmp_path, models=(MSTKD,)), ReportOptions()), "dice", "kidney")
    assert "**" not in table
    assert "†" not in table


def test_latex_has_balanced_environments_and_equal_rows(summary):
    for metric in summary["metrics"]:
        table = latex_table(summary, metric, "tumour")
        begun, ended = (re.findall(rf"\\{word}{{(\w+\*?)}}", table) for word in ("begin", "end"))
        assert sorted(begun) == sorted(ended) == ["table*", "tabular"]
        assert table.replace(r"\{", "").replace(r"\}", "").count("{") == table.replace(r"\{", "").replace(
            r"\}", ""
        ).count("}")
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {4}
        assert r"l*{4}{c}" in table
        assert table.count("$") % 2 == 0
        assert table.isascii()


NASTY = r"[A&B] 100% $x_1$ #{~^\} <b>|`*"


def test_a_nasty_title_is_harmless(tmp_path):
    summary = summarise(results_of(tmp_path, models=(NNUNET, MadeUpModel(NASTY))), ReportOptions())
    (title,) = [r[0] for r in cells_of(markdown_table(summary, "dice", "kidney").replace(r"\|", "!")) if "100" in r[0]]
    assert title == r"\[A&B\] 100% $x_1$ #{~^\\} \<b\>!\`\*"
    (row,) = [line for line in latex_table(summary, "dice", "kidney").splitlines() if "100" in line]
    assert row.startswith(
        r"{[}A\&B{]} 100\% \$x\_1\$ \#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\} "
        r"\textless{}b\textgreater{}|`* & "
    )


def test_the_caption_says_what_the_numbers_are(summary):
    caption = markdown_table(summary, "hd95", "kidney").split("\n\n")[1]
    for told in ("HD95 in mm", "10 patients", "'brats'", "Holm", "Only 10 patients"):
        assert told in caption


def test_there_is_a_file_for_each_metric_region_and_format(summary):
    files = table_files(summary)
    assert len(files) == 6 * 2 * 2
    assert files["hd95_tumour.tex"] == latex_table(summary, "hd95", "tumour")


# CSV ----------------------------------------------------------------------------------------------------------------


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_records_have_a_line_for_each_pair_of_masks(results):
    rows = rows_of(records_csv(results, "brats"))
    assert len(rows) == 2 * 10 * 3 * 2
    place = {"model": "nnU-Net", "case": "case_009", "subset": "CT", "region": "tumour"}
    (row,) = [row for row in rows if place.items() <= row.items()]
    assert (row["empty"], float(row["dice"]), float(row["hd95"]), row["hd95_reference_mm"]) == ("both", 1.0, 0.0, "")


def test_undefined_values_are_empty_fields(results):
    rows = rows_of(records_csv(results, "nan"))
    assert {row["hd95"] for row in rows if row["empty"]} == {""}
    assert "nan" not in records_csv(results, "nan").lower()


def test_the_summarys_lines_are_its_rows(summary):
    rows = rows_of(summary_csv(summary))
    dice = [row for row in rows if row["metric"] == "dice"]
    # per model 3 subsets and their mean, 2 regions and their mean; the baseline has no mean over regions of a subset
    assert len(dice) == (3 * 2 + 3) + (4 * 3)
    cell = summary["metrics"]["dice"]["comparisons"][0]
    place = {key: cell[key] for key in ("model", "subset", "region")}
    (row,) = [row for row in dice if place.items() <= row.items()]
    assert float(row["holm_p"]) == cell["holm_p"]
    assert int(row["pairs"]) == cell["n"]
    assert float(row["paired_mean"]) - float(row["paired_baseline_mean"]) == pytest.approx(cell["mean_difference"])
