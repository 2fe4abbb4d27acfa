"""What the figures for a manuscript have in common (L2). matplotlib is loaded when they are drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nnunetv2_mstkd.benchmark.report.number_text import shortened
from nnunetv2_mstkd.benchmark.report.palette import BASELINE_LIGHT, MODELS_LIGHT
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex

INK, SOFT, LINE, HOLLOW, EMPTY = "#14191f", "#56616d", "#dfe3e7", "#c3cad1", "#eef0f2"
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 8,
    "text.parse_math": False,  # a model may be called "$x"
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "svg.hashsalt": "mstkd",  # equal input, equal file
}
DPI = 200
CHARACTER_IN = 0.068  # width of a character of these fonts, with room to spare
LONGEST_TITLE = 26  # characters of a model's title
_PANEL_IN = (2.6, 2.3)
_PATCH_IN = 0.5  # width of a coloured patch of a legend, with the gaps around it


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in our style alone, whatever matplotlib was told before: nnU-Net's training sets larger fonts for all."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams.update(STYLE)
        yield


def blank(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of so many inches, and axes over all of it without anything on them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def panels(count: int) -> tuple[Any, Any]:
    """Return a figure with so many panels in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL_IN[0] * count, _PANEL_IN[1]), layout="constrained")
    row = figure.subplots(1, count, squeeze=False)[0]
    for panel in row:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color=LINE, linewidth=0.5)
        panel.set_axisbelow(True)
    return figure, row


def model_colours(index: SummaryIndex) -> list[str]:
    """Return the colours of the models on white, as the page has them."""
    places = {model: i for i, model in enumerate(index.others)}
    return [
        BASELINE_LIGHT if index.is_grey(model) else MODELS_LIGHT[places.get(model, 0) % len(MODELS_LIGHT)]
        for model in index.models
    ]


def add_legend(figure: Any, index: SummaryIndex) -> None:
    """Name the colours of the models beneath the panels, where there are several models."""
    from matplotlib.patches import Patch

    if len(index.models) > 1:
        titles = [shortened(model, LONGEST_TITLE) for model in index.models]
        patches = [Patch(color=c, label=t) for c, t in zip(model_colours(index), titles, strict=True)]
        room = max(map(len, titles)) * CHARACTER_IN + _PATCH_IN
        columns = min(len(titles), max(1, int(figure.get_figwidth() / room)))
        figure.legend(handles=patches, loc="outside lower center", ncols=columns, frameon=False)
