"""The files of a report."""

import csv
import json

import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.report.write import write_report
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.regions import Region

MADE_UP = MadeUpBenchmark(
    models=(NNUNET, MSTKD), cases=3, modalities=("CT", "PET"), regions=(Region("liver", (1,)),), images=True
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    page = write_report(write_benchmark(tmp_path_factory.mktemp("bench"), MADE_UP), ReportOptions())
    assert page.name == "report.html"
    return page.parent


def test_everything_lies_beside_the_page(report):
    found = {str(file.relative_to(report)) for file in report.rglob("*") if file.is_file()}
    figures = {
        f"figures/{n}_{m}.{e}"
        for n in ("heat_map", "distribution")
        for m in ("dice", "hd95", "nsd")
        for e in ("png", "svg")
    }
    assert {
        "report.html",
        "summary.json",
        "summary.csv",
        "records.csv",
        "tables/dice_liver.md",
        "tables/dice_liver.tex",
    } <= found
    assert figures | {"figures/shapley_dice.svg", "figures/heat_map_dice_difference.png"} <= found
    assert not [name for name in found if ".partial_" in name]


def test_records_and_summary_agree(report):
    summary = json.loads((report / "summary.json").read_text())
    cell = next(c for c in summary["metrics"]["dice"]["cells"] if c["model"] == "MST-KD" and c["subset"] == "PET")
    with (report / "records.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if (r["model"], r["subset"]) == ("MST-KD", "PET")]
    assert cell["mean"] == pytest.approx(sum(float(r["dice"]) for r in rows) / 3)


def test_figures_are_pictures(report):
    assert (report / "figures" / "heat_map_dice.png").read_bytes()[:4] == b"\x89PNG"
    svg = (report / "figures" / "heat_map_dice.svg").read_text()
    assert svg.rstrip().endswith("</svg>")


def test_a_folder_without_records_is_an_error(tmp_path):
    with pytest.raises(BenchmarkError):
        write_report(tmp_path, ReportOptions())


def test_a_baseline_that_is_not_there_is_an_error(tmp_path):
    write_benchmark(tmp_path, MADE_UP)
    with pytest.raises(BenchmarkError, match="nnUNet"):
        write_report(tmp_path, ReportOptions(baseline="nnUNet"))
    assert not (tmp_path / "report").exists()
