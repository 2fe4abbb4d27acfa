"""The page, put together: one HTML file that needs nothing but itself (L2). jinja2 is loaded when it is made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnunetv2_mstkd
from nnunetv2_mstkd.benchmark.report.columns import make_columns
from nnunetv2_mstkd.benchmark.report.heat_map import INTERVAL_WIDTH, HeatMap, make_heat_map
from nnunetv2_mstkd.benchmark.report.number_text import shown, shown_count
from nnunetv2_mstkd.benchmark.report.page_figures import distribution_figures, importance_figures, rank_figures
from nnunetv2_mstkd.benchmark.report.page_security import content_security_policy, script_json
from nnunetv2_mstkd.benchmark.report.palette import model_css, scale_css
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
    """The tables of a metric, one for each region."""

    metric: Metric
    tables: tuple[ScoreTable, ...]


@dataclass(frozen=True)
class CaseRow:
    """A patient's mean Dice by model, and the differences to the baseline."""

    case: str
    values: tuple[float, ...]
    differences: tuple[float, ...]


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
    return environment.get_template("report.html.j2").render(_context(content))


def split_answer(text: str) -> tuple[str, str]:
    """Return the first sentence of the headline, and the rest; abbreviations and numbers do not end a sentence."""
    first, *rest = re.split(r"(?<=[a-z0-9)]\.) (?=[A-Z])", text.strip(), maxsplit=1)
    return first, rest[0] if rest else ""


def _context(content: PageContent) -> dict[str, Any]:
    summary, index = content.summary, SummaryIndex(content.summary)
    scripts = _scripts(content.viewer)
    return {
        **_tables_and_maps(index),
        **_run(content),
        "summary": summary,
        "index": index,
        "compares": len(index.models) > 1,
        "modalities": summary["modalities"],
        "columns": make_columns(summary["modalities"], index.subsets),
        "patients": shown_count(summary["num_cases"], "patient"),
        "family": summary["tests"]["family"],
        "answer": split_answer(summary["headline"]["text"]),
        "distributions": distribution_figures(index, content.values),
        "importances": importance_figures(index, content.values),
        "rank_figures": rank_figures(index, content.values),
        "case_rows": _case_rows(index, content),
        "viewer": content.viewer,
        "viewer_problem": content.viewer_problem,
        "viewed_model": summary["headline"]["model"] or index.models[0],
        "viewer_json": _safe(script_json(content.viewer.data)) if content.viewer else "",
        "published": content.published,
        "published_problem": content.published_problem,
        "scripts": [_safe(script) for script in scripts],
        "policy": content_security_policy(scripts),
        "css": _safe("\n".join((_file("report.css"), scale_css(), model_css(len(index.models))))),
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
        MetricTables(METRICS[name], tuple(make_score_table(index, METRICS[name], region) for region in index.regions))
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
        "contents": _contents(content),
    }


def _contents(content: PageContent) -> list[tuple[str, str]]:
    parts = [("tables", "Scores"), ("distributions", "Spread")]
    if any(row["value"] is not None for row in content.summary["metrics"]["dice"]["shapley"]):
        parts.append(("modalities", "Modalities"))
    if content.summary["metrics"]["dice"]["ranks"]:  # of three models at least that were scored on every subset
        parts.append(("ranks", "Ranks"))
    parts += [("cases", "Patients"), ("empties", "Empty masks")]
    if content.published or content.published_problem:
        parts.append(("published", "Published"))
    return [*parts, ("method", "How it was run")]


def _case_rows(index: SummaryIndex, content: PageContent) -> list[CaseRow]:
    values = content.values["dice"]
    means = np.nansum(values, axis=(1, 2)) / np.maximum(np.isfinite(values).sum(axis=(1, 2)), 1)  # (models, cases)
    means[~np.isfinite(values).any(axis=(1, 2))] = np.nan
    base = index.models.index(index.baseline)
    others = [i for i in range(len(index.models)) if i != base]
    return [
        CaseRow(case, tuple(means[:, c].tolist()), tuple((means[others, c] - means[base, c]).tolist()))
        for c, case in enumerate(content.cases)
    ]


def _scripts(viewer: Viewer | None) -> list[str]:
    own = [_file("report.js")]
    return own if viewer is None else [niivue_source(), _file("viewer.js"), *own]


def _file(name: str) -> str:
    return (files("nnunetv2_mstkd.benchmark.report") / "templates" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)
