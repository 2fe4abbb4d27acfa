"""The page, put together: one HTML file that needs nothing but itself (L2). jinja2 is loaded when it is made."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnunetv2_mstkd
from nnunetv2_mstkd.benchmark.comparisons import is_single
from nnunetv2_mstkd.benchmark.report.columns import make_columns
from nnunetv2_mstkd.benchmark.report.comparison_table import HEADINGS, ComparisonRow, comparison_rows
from nnunetv2_mstkd.benchmark.report.heat_map import INTERVAL_WIDTH, HeatMap, make_heat_map
from nnunetv2_mstkd.benchmark.report.number_text import count_range, shown, shown_count, typeset
from nnunetv2_mstkd.benchmark.report.page_figures import distribution_figures, importance_figures, rank_figures
from nnunetv2_mstkd.benchmark.report.page_security import content_security_policy, script_json
from nnunetv2_mstkd.benchmark.report.palette import model_css, scale_css
from nnunetv2_mstkd.benchmark.report.patient_table import make_patient_table
from nnunetv2_mstkd.benchmark.report.published_table import Published
from nnunetv2_mstkd.benchmark.report.run_facts import report_command, run_facts, training_rows
from nnunetv2_mstkd.benchmark.report.score_table import ScoreTable, make_score_table
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report.vendored import NIIVUE_VERSION, niivue_licence, niivue_source
from nnunetv2_mstkd.benchmark.report.viewer import Viewer
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.evaluation.empty_policy import POLICIES
from nnunetv2_mstkd.evaluation.metrics import METRICS, Metric

MAIN_METRICS = ("dice", "hd95", "hd95_pooled", "nsd")  # those that are drawn; the tables have all of the summary
MANY_COLUMNS = 20  # of the heat map, from which its columns are narrow
FEW_COLUMNS = 8  # of the heat map, up to which it is no wider than it needs


@dataclass(frozen=True)
class PageContent:
    """What the page is made of.

    Args:
        summary: of the benchmark.
        values: by metric, those of MAIN_METRICS, float (models, subsets, regions, cases).
        cases: names.
        viewer: patients to look at; None if there are none.
        viewer_problem: why there are none; "" else.
        published: values beside one's own; None if not asked for, or not comparable at all.
        published_problem: why they are not; "" else.
        folder: of the benchmark, for the command.
        options: that the report was made with.
    """

    summary: Mapping[str, Any]
    values: dict[str, NDArray[np.float64]]
    cases: Sequence[str]
    viewer: Viewer | None
    viewer_problem: str
    published: Published | None
    published_problem: str
    folder: Path
    options: ReportOptions


@dataclass(frozen=True)
class PlacedMap:
    """A heat map and the numbers of the two choices that show it: metric, and values or differences."""

    map: HeatMap
    place: tuple[int, int]


@dataclass(frozen=True)
class MetricTables:
    """The tables of a metric, one for each region, and the comparisons that go with each."""

    metric: Metric
    tables: tuple[ScoreTable, ...]
    comparisons: tuple[tuple[ComparisonRow, ...], ...]


def make_page(content: PageContent) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nnunetv2_mstkd.benchmark.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["typeset"] = typeset
    return environment.get_template("report.html.j2").render(_context(content))


def split_answer(text: str) -> tuple[str, str]:
    """Return the first sentence of the headline, and the rest; abbreviations and numbers do not end a sentence."""
    first, *rest = re.split(r"(?<=[a-z0-9)]\.) (?=[A-Z])", text.strip(), maxsplit=1)
    return first, rest[0] if rest else ""


def told_cases(reasons: Sequence[str]) -> str:
    """Return "The worst, median and best patient" of such reasons."""
    *first, last = reasons
    return f"The {', '.join(first)} and {last} patient" if first else f"The {last} patient"


def _context(content: PageContent) -> dict[str, Any]:
    summary, index = content.summary, SummaryIndex(content.summary)
    scripts = _scripts(content.viewer)
    return {
        **_tables_and_maps(index),
        **_drawings(index, content),
        **_run(content),
        "summary": summary,
        "index": index,
        "compares": len(index.models) > 1,
        "modalities": summary["modalities"],
        "columns": make_columns(summary["modalities"], index.subsets),
        "patients": _patients(index),
        "families": _families(index),
        "answer": split_answer(typeset(summary["headline"]["text"])),
        "patient_table": make_patient_table(index.models, index.baseline, content.cases, content.values["dice"]),
        "viewer": content.viewer,
        "viewer_problem": content.viewer_problem,
        "viewed_model": summary["headline"]["model"],
        "viewed_cases": told_cases([case.reason for case in content.viewer.cases]) if content.viewer else "",
        "viewer_json": _safe(script_json(content.viewer.data)) if content.viewer else "",
        "published": content.published,
        "published_problem": content.published_problem,
        "scripts": [_safe(script) for script in scripts],
        "policy": content_security_policy(scripts),
        "css": _safe("\n".join((_file("report.css"), scale_css(), model_css(len(index.models))))),
    }


def _drawings(index: SummaryIndex, content: PageContent) -> dict[str, Any]:
    """Return the drawings, and the links to all sections that are there with them."""
    importances, ranks = importance_figures(index, content.values), rank_figures(index, content.values)
    parts = (
        ("tables", "Scores", True),
        ("distributions", "Spread", True),
        ("modalities", "Modalities", importances),
        ("ranks", "Ranks", ranks),
        ("cases", "Patients", True),
        ("empties", "Empty masks", True),
        ("published", "Published", content.published or content.published_problem),
        ("method", "How it was run", True),
    )
    return {
        "distributions": distribution_figures(index, content.values),
        "importances": importances,
        "rank_figures": ranks,
        "contents": _contents(parts),
    }


def _tables_and_maps(index: SummaryIndex) -> dict[str, Any]:
    drawn = [METRICS[name] for name in index.summary["metrics"] if name in MAIN_METRICS]
    kinds = (False, True) if len(index.models) > 1 else (False,)
    maps = [
        PlacedMap(make_heat_map(index, metric, is_difference=kind), (m, int(kind)))
        for m, metric in enumerate(drawn)
        for kind in kinds
    ]
    tables = [
        MetricTables(
            METRICS[name],
            tuple(make_score_table(index, METRICS[name], region) for region in index.regions),
            tuple(comparison_rows(index, METRICS[name], region) for region in index.regions),
        )
        for name in index.summary["metrics"]
    ]
    regions = ["All", *(group.short for group in maps[0].map.groups)] if len(index.regions) > 1 else ["All"]
    count = len(index.subsets)
    return {
        "heat_maps": maps,
        "heat_metrics": [metric.title for metric in drawn],
        "heat_regions": regions,
        "interval_width": INTERVAL_WIDTH,
        "density": "many" if count > MANY_COLUMNS else "narrow" if count <= FEW_COLUMNS else "",
        "score_tables": tables,
        "table_metrics": [table.metric.title for table in tables],
        "comparison_headings": HEADINGS,
        "has_distances": any(table.metric.unit == "mm" for table in tables),
    }


def _run(content: PageContent) -> dict[str, Any]:
    return {
        "policy_text": POLICIES[content.summary["policy"]].text,
        "run_facts": run_facts(content.summary),
        "training_rows": training_rows(content.summary),
        "command": report_command(content.folder, content.options),
        "version": nnunetv2_mstkd.__version__,
        "niivue_version": NIIVUE_VERSION,
        "niivue_licence": niivue_licence(),
    }


def _contents(parts: Sequence[tuple[str, str, object]]) -> list[tuple[str, str]]:
    """Return anchor and name of the sections that are there."""
    return [(anchor, name) for anchor, name, is_there in parts if is_there]


def _families(index: SummaryIndex) -> str:
    """Return how many tests Holm's correction takes together: "45", or by model where they differ."""
    counts: dict[str, set[int]] = {model: set() for model in index.others}
    for content in index.summary["metrics"].values():
        of_metric = Counter(row["model"] for row in filter(is_single, content["comparisons"]))
        for model, found in counts.items():
            found.add(of_metric[model])
    everything = set().union(*counts.values())
    if len(everything) < 2:
        return count_range(everything)
    return ", ".join(f"{model} {count_range(found)}" for model, found in counts.items())


def _patients(index: SummaryIndex) -> str:
    """Return of how many patients the cells are."""
    cells = [row["n"] for content in index.summary["metrics"].values() for row in content["cells"]]
    total = shown_count(index.summary["num_cases"], "patient")
    return total if set(cells) == {index.summary["num_cases"]} else f"{count_range(cells)} of {total}"


def _scripts(viewer: Viewer | None) -> list[str]:
    own = [_file("report.js")]
    return own if viewer is None else [niivue_source(), _file("viewer.js"), *own]


def _file(name: str) -> str:
    return (files("nnunetv2_mstkd.benchmark.report") / "templates" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)
