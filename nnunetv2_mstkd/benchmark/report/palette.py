"""Colours of the report, for light and dark, safe for colour-blind readers (L2: standard library only)."""

from collections.abc import Sequence
from functools import cache

LEVELS = 48  # steps of the sequential scale; more cannot be told apart
SIDE = 20  # steps of the diverging scale on each side of its middle

# In the light scheme more colour is better, in the dark one more light.
SEQUENTIAL_LIGHT = ("#f3f6f0", "#dcecdc", "#b4dbcb", "#7bc2be", "#469fad", "#2a7394", "#1c4d79", "#152d54")
SEQUENTIAL_DARK = ("#1c232c", "#1d3545", "#1d4d5e", "#207079", "#34918c", "#5fb39b", "#9cd4aa", "#def0c2")
# From worse (orange) over no difference to better (blue).
DIVERGING_LIGHT = ("#a8480c", "#d67530", "#efae7a", "#f8dec6", "#f4f4f2", "#d2e5ef", "#94c4dd", "#4893be", "#195f90")
DIVERGING_DARK = ("#f2984f", "#c56c29", "#8b4a1b", "#4e2e19", "#23272e", "#17364b", "#1b5981", "#3187bd", "#7cc1ea")

# Models: the baseline is grey, the others take these in turn (after Okabe and Ito, as dark or light as lines need).
MODELS_LIGHT = ("#0b69a8", "#d55e00", "#008f6b", "#b9588f", "#b07d00", "#3f9fd8", "#6b4fa0")
MODELS_DARK = ("#58b4ee", "#f0883e", "#2fc79b", "#e091bd", "#e8b93a", "#8fd0f5", "#ac96dd")
BASELINE_LIGHT, BASELINE_DARK = "#7a828c", "#98a2ad"

# Labels over an image, outermost first: sky blue, vermilion, yellow, ... differ in lightness, too.
LABELS = ("#56b4e9", "#e4572e", "#f6d743", "#2fb68a", "#cc79a7", "#e69f00", "#9a8cf0", "#c8d0d8")

_INK, _PAPER = "#020304", "#ffffff"  # a lighter ink would leave the middle of a scale below a contrast of 4.5
_RGB = tuple[float, float, float]


def rgb(colour: str) -> _RGB:
    """Return "#rrggbb" as three numbers of 0..1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def mixed(anchors: Sequence[str], share: float) -> str:
    """Return the colour at `share`, 0..1, of the way along the anchors."""
    place = min(max(share, 0.0), 1.0) * (len(anchors) - 1)
    left = min(int(place), len(anchors) - 2)
    pairs = zip(rgb(anchors[left]), rgb(anchors[left + 1]), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * (place - left))):02x}" for a, b in pairs)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1..21, as WCAG 2 defines it."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on(background: str) -> str:
    """Return the colour, dark or light, whose text is read best on a background."""
    return max((_INK, _PAPER), key=lambda text: contrast(text, background))


def sequential_class(share: float) -> str:
    """Return the CSS class of a value at `share`, 0 (worst) to 1 (best), of the scale."""
    return f"s{round(min(max(share, 0.0), 1.0) * (LEVELS - 1))}"


def diverging_class(share: float) -> str:
    """Return the CSS class of a difference at `share`, -1 (worse) to 1 (better), of the scale."""
    return f"d{round(min(max(share, -1.0), 1.0) * SIDE) + SIDE}"


@cache
def scale_css() -> str:
    """Return the rules of all classes above, dark scheme included."""
    light = _rules(SEQUENTIAL_LIGHT, DIVERGING_LIGHT)
    dark = _rules(SEQUENTIAL_DARK, DIVERGING_DARK)
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}"


def model_css(count: int) -> str:
    """Return the custom properties --m0, --m1, ... of the models and --mb of the baseline."""
    schemes = []
    for colours, baseline in ((MODELS_LIGHT, BASELINE_LIGHT), (MODELS_DARK, BASELINE_DARK)):
        own = "".join(f"--m{i}:{colours[i % len(colours)]};" for i in range(count))
        schemes.append(f":root{{{own}--mb:{baseline};}}")
    return f"{schemes[0]}\n@media screen and (prefers-color-scheme: dark) {{ {schemes[1]} }}"


def _rules(sequential: Sequence[str], diverging: Sequence[str]) -> str:
    colours = {f"s{i}": mixed(sequential, i / (LEVELS - 1)) for i in range(LEVELS)}
    colours |= {f"d{i}": mixed(diverging, i / (2 * SIDE)) for i in range(2 * SIDE + 1)}
    return "\n".join(f".{name}{{background:{c};color:{text_on(c)}}}" for name, c in colours.items())


def _luminance(colour: str) -> float:
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour))
    red, green, blue = linear
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
