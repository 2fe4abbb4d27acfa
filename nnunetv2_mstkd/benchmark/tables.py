"""Tables of a summary for a manuscript: Markdown and LaTeX (L2)."""

import re
from collections.abc import Mapping
from typing import Any

from nnunetv2_mstkd.benchmark.table_grid import NOTHING, Marks, caption, value_lines
from nnunetv2_mstkd.benchmark.training_facts import slug
from nnunetv2_mstkd.modalities import Modalities

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # at the start of a row it would be an argument of the line break before it
    "]": "{]}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


_MINUS = "\N{MINUS SIGN}"
MARKDOWN = Marks(_escape_markdown, lambda t: f"**{t}**", "†", "‡", lambda number: number.replace("-", _MINUS), _MINUS)
LATEX = Marks(
    _escape_latex,
    lambda t: rf"\textbf{{{t}}}",
    r"$^{\dagger}$",
    r"$^{\ddagger}$",
    lambda number: f"${number}$",
    "$-$",
)


def markdown_table(summary: Mapping[str, Any], metric: str, region: str) -> str:
    """Return the table of a metric in a region as Markdown.

    Args:
        summary: of a benchmark.
        metric: one of its metrics.
        region: name of one of its regions.
    """
    header, *others = _dots(summary, "●", "○", MARKDOWN)
    lines = [[*header, "average"], ["---"] + [":---:"] * (len(header))]
    lines += [[*line, ""] for line in others]
    lines += [[line.title, *line.texts] for line in value_lines(summary, metric, region, MARKDOWN)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{caption(summary, metric, region, MARKDOWN)}\n"


def latex_table(summary: Mapping[str, Any], metric: str, region: str) -> str:
    """Return the table of a metric in a region as LaTeX; it needs the packages booktabs and graphicx.

    Args:
        summary: of a benchmark.
        metric: one of its metrics.
        region: name of one of its regions.
    """
    lines = [[line.title, *line.texts] for line in value_lines(summary, metric, region, LATEX)]
    head = [
        [*line, "average" if i == 0 else ""] for i, line in enumerate(_dots(summary, r"$\bullet$", r"$\circ$", LATEX))
    ]
    body = "\n".join(" & ".join(line).replace(NOTHING, "--") + r" \\" for line in lines)
    label = f"tab:{slug(metric)}-{slug(region)}"
    return "\n".join(
        [
            "% needs \\usepackage{booktabs,graphicx}",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{caption(summary, metric, region, LATEX)}}}",
            rf"\label{{{label}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{l*{{{len(summary['subsets']) + 1}}}{{c}}}}",
            r"\toprule",
            *(" & ".join(line) + r" \\" for line in head),
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def table_files(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return every table by the name of its file: "dice_whole_tumor.md", "dice_whole_tumor.tex", ..."""
    return {
        f"{metric}_{slug(region['name'])}.{ending}": make(summary, metric, region["name"])
        for metric in summary["metrics"]
        for region in summary["regions"]
        for ending, make in (("md", markdown_table), ("tex", latex_table))
    }


def _dots(summary: Mapping[str, Any], present: str, absent: str, marks: Marks) -> list[list[str]]:
    """Return a row for each modality: its name, and for each subset whether it is present."""
    channels = {str(subset): subset.channels for subset in Modalities(tuple(summary["modalities"])).subsets()}
    return [
        [marks.escape(name), *(present if channel in channels[subset] else absent for subset in summary["subsets"])]
        for channel, name in enumerate(summary["modalities"])
    ]
