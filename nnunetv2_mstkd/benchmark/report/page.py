"""The page, put together: one HTML file that needs nothing but itself (L2). jinja2 is loaded when it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnunetv2_mstkd
from nnunetv2_mstkd.benchmark.report.columns import make_columns
from nnunetv2_mstkd.benchmark.report.number_text import shown, typeset
from nnunetv2_mstkd.benchmark.report.page_figures import distribution_figures, importance_figures, rank_figures
from nnunetv2_mstkd.benchmark.report.page_security import content_security_policy, script_json
from nnunetv2_mstkd.benchmark.report.page_tables import tables_and_maps
from nnunetv2_mstkd.benchmark.report.page_text import split_answer, told_cases, told_families, told_patients
from nnunetv2_mstkd.benchmark.report.palette import model_css, scale_css
from nnunetv2_mstkd.benchmark.report.patient_table import make_patient_table
from nnunetv2_mstkd.benchmark.report.published_table import Published
from nnunetv2_mstkd.benchmark.report.run_facts import report_command, run_facts, training_rows
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report.vendored import NIIVUE_VERSION, niivue_licence, niivue_source
from nnunetv2_mstkd.benchmark.report.viewer import Viewer
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.evaluation.empty_policy import POLICIES


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


def _context(content: PageContent) -> dict[str, Any]:
    summary, index = content.summary, SummaryIndex(content.summary)
    scripts = _scripts(content.viewer)
    return {
        **tables_and_maps(index),
        **_drawings(index, content),
        **_run(content),
        "summary": summary,
        "index": index,
        "compares": len(index.models) > 1,
        "modalities": summary["modalities"],
        "columns": make_columns(summary["modalities"], index.subsets),
        "patients": told_patients(index),
        "families": told_families(index),
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


def _scripts(viewer: Viewer | None) -> list[str]:
    own = [_file("report.js")]
    return own if viewer is None else [niivue_source(), _file("viewer.js"), *own]


def _file(name: str) -> str:
    return (files("nnunetv2_mstkd.benchmark.report") / "templates" / name).read_text(encoding="utf-8")


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)
