"""How much each modality contributes: bars of the Shapley values (L2)."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.drawing import picture, rectangle, text, vertical_grid
from nnunetv2_mstkd.benchmark.report.number_text import is_number, shown
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex

WIDTH = 400.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 40.0, 4.0, 20.0
_BAR, _GAP = 13.0, 12.0


def importance_axis(index: SummaryIndex, metric: str, modalities: Sequence[str]) -> Axis | None:
    """Return one axis for all regions, so that they can be compared; None if there are no values."""
    found = [
        value
        for model in index.models
        for region in index.regions
        for modality in modalities
        if (value := index.shapley(metric, model, region, modality)) is not None and is_number(value)
    ]
    if not found:
        return None
    return Axis.around(min(0.0, *found), max(0.0, *found), _LEFT, WIDTH - _RIGHT, count=4)


def draw_importance(
    values: Mapping[str, Sequence[float | None]], colours: Sequence[str], axis: Axis, *, label: str
) -> Markup:
    """Draw one region.

    Args:
        values: by modality, one for each model; None where a model was not scored on every subset.
        colours: of the models, in CSS.
        axis: of the values.
        label: what the drawing shows, in words.
    """
    step = _BAR * len(colours) + _GAP
    bottom = _TOP + step * len(values)
    parts = vertical_grid(axis, _TOP, bottom)
    for i, (modality, of_models) in enumerate(values.items()):
        top = _TOP + step * i + _GAP / 2
        parts.append(text(_LEFT - 8, top + _BAR * len(colours) / 2 + 4, modality, class_="name end"))
        for m, (value, colour) in enumerate(zip(of_models, colours, strict=True)):
            if value is None or not is_number(value):
                continue
            y, ends = top + _BAR * m, sorted((axis.at(0), axis.at(value)))
            parts.append(rectangle(ends[0], y + 1, max(ends[1] - ends[0], 0.5), _BAR - 2, fill=colour))
            is_left = value < 0
            spot = ends[0] - 4 if is_left else ends[1] + 4
            parts.append(text(spot, y + _BAR - 3, shown(value, 2), class_="value end" if is_left else "value"))
    return picture(WIDTH, bottom + _BOTTOM, label, parts)
