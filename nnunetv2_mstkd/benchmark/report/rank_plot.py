"""Mean ranks of the models with their intervals (L2)."""

from collections.abc import Sequence

from markupsafe import Markup

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.drawing import element, line, picture, text, vertical_grid
from nnunetv2_mstkd.benchmark.report.number_text import is_number, shortened, shown
from nnunetv2_mstkd.benchmark.report.summary_index import Row

WIDTH = 400.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _STEP = 120.0, 44.0, 4.0, 20.0, 26.0
_LONGEST = 18  # characters of a title that fit on the left


def draw_ranks(rows: Sequence[Row], colours: Sequence[str], *, label: str) -> Markup:
    """Draw the ranks in one region, 1 on the left.

    Args:
        rows: model, mean_rank, ci_low, ci_high.
        colours: of the rows, in CSS.
        label: what the drawing shows, in words.
    """
    axis = Axis(1.0, float(len(rows)), _LEFT, WIDTH - _RIGHT, 1.0)
    bottom = _TOP + _STEP * len(rows)
    parts = vertical_grid(axis, _TOP, bottom)
    for i, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        y = _TOP + _STEP * (i + 0.5)
        parts.append(text(_LEFT - 14, y + 4, shortened(row["model"], _LONGEST), class_="name end"))
        if not is_number(row["mean_rank"]):
            continue
        if is_number(row["ci_low"]) and is_number(row["ci_high"]):
            parts.append(line(axis.at(row["ci_low"]), y, axis.at(row["ci_high"]), y, stroke=colour, stroke_width=2.5))
        x = axis.at(row["mean_rank"])
        parts.append(element("circle", cx=x, cy=y, r=4.5, fill=colour))
        parts.append(text(WIDTH - 4, y + 4, shown(row["mean_rank"], 2), class_="value end"))
    return picture(WIDTH, bottom + _BOTTOM, label, parts)
