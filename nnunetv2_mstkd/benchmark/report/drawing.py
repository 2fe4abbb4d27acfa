"""SVG for the page: colours come from its style sheet, so that the drawings follow light and dark (L2)."""

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup, escape

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.number_text import shown


def element(name: str, content: object = "", **attributes: Any) -> Markup:
    """Return an SVG element; attributes are spelt with "_" for "-", a trailing one is dropped. All is escaped."""
    spelt = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), spelt, escape(content))


def joined(parts: Iterable[Markup]) -> Markup:
    """Return elements one after the other."""
    return Markup("").join(parts)


def text(x: float, y: float, content: str, **attributes: Any) -> Markup:
    """Return a label."""
    return element("text", content, x=_short(x), y=_short(y), **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> Markup:
    """Return a line."""
    return element("line", x1=_short(x1), y1=_short(y1), x2=_short(x2), y2=_short(y2), **attributes)


def rectangle(x: float, y: float, width: float, height: float, **attributes: Any) -> Markup:
    """Return a rectangle."""
    return element("rect", x=_short(x), y=_short(y), width=_short(width), height=_short(height), **attributes)


def points(xs: Sequence[float], ys: Sequence[float], **attributes: Any) -> Markup:
    """Return dots as one path of strokes without length: thousands of them are one element."""
    path = "".join(f"M{_short(x)} {_short(y)}h0" for x, y in zip(xs, ys, strict=True))
    return element("path", d=path, fill="none", stroke_linecap="round", **attributes)


def picture(width: float, height: float, label: str, content: Iterable[Markup]) -> Markup:
    """Return a drawing as wide as its place; `label` is read out in its stead."""
    return element(
        "svg", joined(content), viewBox=f"0 0 {_short(width)} {_short(height)}", role="img", aria_label=label
    )


def horizontal_grid(axis: Axis, left: float, right: float, digits: int | None = None) -> list[Markup]:
    """Return the lines and labels of a vertical axis, over the width of the drawing."""
    parts = []
    for tick in axis.ticks():
        y = axis.at(tick)
        parts.append(line(left, y, right, y, class_="grid"))
        parts.append(text(left - 6, y + 3.5, shown(tick, axis.digits if digits is None else digits), class_="tick end"))
    return parts


def vertical_grid(axis: Axis, top: float, bottom: float) -> list[Markup]:
    """Return the lines and labels of a horizontal axis, over the height of the drawing."""
    parts = []
    for tick in axis.ticks():
        x = axis.at(tick)
        parts.append(line(x, top, x, bottom, class_="grid zero" if abs(tick) < 1e-9 else "grid"))
        parts.append(text(x, bottom + 13, shown(tick, axis.digits), class_="tick middle"))
    return parts


def _short(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
