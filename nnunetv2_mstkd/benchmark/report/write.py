"""The report of a benchmark folder, with everything beside it (L2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.csv_files import records_csv, summary_csv
from nnunetv2_mstkd.benchmark.json_file import write_json
from nnunetv2_mstkd.benchmark.published.published_values import published_for
from nnunetv2_mstkd.benchmark.report.embedded_cases import Scores
from nnunetv2_mstkd.benchmark.report.figures import write_figures
from nnunetv2_mstkd.benchmark.report.page import PageContent, make_page
from nnunetv2_mstkd.benchmark.report.page_tables import MAIN_METRICS
from nnunetv2_mstkd.benchmark.report.published_table import Published, make_published
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report.viewer import Viewer, make_viewer
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import Results, read_results
from nnunetv2_mstkd.benchmark.summary import summarise
from nnunetv2_mstkd.benchmark.tables import table_files
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.whole_file import whole_file

REPORT = "report"  # folder in that of the benchmark
PAGE = "report.html"
NO_VIEWER = "This page was made without images of patients."


def write_report(folder: Path, options: ReportOptions) -> Path:
    """Write the report of a benchmark, finished or not, and return the page.

    The page is written last, so that what it links to is there. Images that cannot be read any more are no error: the
    page says so.

    Args:
        folder: of the benchmark.
        options: baseline, policy, kind of HD95, published values, whether images of patients are shown.

    Raises:
        BenchmarkError: if the folder holds no records, a record is damaged, or an option names nothing that is there.
        EvaluationError: if there is no such policy.
    """
    results = read_results(folder)
    content = make_content(results, options)
    report = folder / REPORT
    _write_data(report, results, content)
    write_figures(report / "figures", content)
    page = report / PAGE
    _write_text(page, make_page(content))
    return page


def make_content(results: Results, options: ReportOptions) -> PageContent:
    """Return what the page is made of: the summary, values to draw, patients to look at, published values.

    Raises:
        BenchmarkError: if an option names nothing that is there.
        EvaluationError: if there is no such policy.
    """
    published, published_problem = None, ""
    summary = summarise(results, options)
    if options.published is not None:
        published, published_problem = _published(results, summary, options.published)
    viewer, viewer_problem = _viewer(results, summary) if options.viewer else (None, NO_VIEWER)
    return PageContent(
        summary=summary,
        values={n: results.values(n, summary["policy"]) for n in summary["metrics"] if n in MAIN_METRICS},
        cases=results.cases,
        viewer=viewer,
        viewer_problem=viewer_problem,
        published=published,
        published_problem=published_problem,
        folder=results.folder,
        options=options,
    )


def _write_data(report: Path, results: Results, content: PageContent) -> None:
    write_json(report / "summary.json", content.summary)
    _write_text(report / "summary.csv", summary_csv(content.summary))
    _write_text(report / "records.csv", records_csv(results, content.summary["policy"]))
    for name, text in table_files(content.summary).items():
        _write_text(report / "tables" / name, text)


def _write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _published(results: Results, summary: Mapping[str, Any], dataset: str) -> tuple[Published | None, str]:
    values = published_for(dataset, results.modalities)
    if values is None:
        names = ", ".join(results.modalities)
        return None, f"The published values are of T1, T1ce, T2 and FLAIR; the modalities here are {names}."
    published = make_published(SummaryIndex(summary), dataset, values)
    if not published.tables:
        return None, "The published values are of WT, TC and ET; none of these regions was scored here."
    return published, ""


def _viewer(results: Results, summary: Mapping[str, Any]) -> tuple[Viewer | None, str]:
    model, baseline = summary["headline"]["model"], summary["baseline"]
    dice = results.values("dice", summary["policy"])
    scores = Scores(results.titles, results.subsets, results.regions, results.cases, dice)
    beside = None if baseline == model else baseline
    try:
        return make_viewer(results.records, scores, model, beside, list(results.modalities)), ""
    except BenchmarkError as error:
        return None, f"No patient can be shown: {error}"
