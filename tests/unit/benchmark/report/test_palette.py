"""Numbers stay readable on every colour, and more is more."""

import re
from itertools import pairwise

import pytest

from nnunetv2_mstkd.benchmark.report import palette


def rules(css: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r"\.([sd]\d+)\{background:(#\w{6});color:(#\w{6})\}", css)
    return {name: (background, text) for name, background, text in found}


def schemes() -> list[dict[str, tuple[str, str]]]:
    light, dark = palette.scale_css().split("@media")
    return [rules(light), rules(dark)]


def test_contrast_is_that_of_wcag():
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    # the well-known grey that just misses 4.5:1 on white
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_number_is_readable_on_its_colour(scheme):
    found = schemes()[scheme]
    assert len(found) == palette.LEVELS + 2 * palette.SIDE + 1
    assert min(palette.contrast(*pair) for pair in found.values()) >= 4.5


def test_better_is_darker_in_light_and_lighter_in_dark():
    for scheme, direction in zip(schemes(), (1, -1), strict=True):
        to_white = [palette.contrast(scheme[f"s{i}"][0], "#ffffff") for i in range(palette.LEVELS)]
        assert all((b - a) * direction > 0 for a, b in pairwise(to_white))


def test_ends_of_the_scales():
    assert palette.sequential_class(-1) == "s0"
    assert palette.sequential_class(2) == f"s{palette.LEVELS - 1}"
    assert [palette.diverging_class(x) for x in (-1, 0, 1)] == ["d0", f"d{palette.SIDE}", f"d{2 * palette.SIDE}"]


def test_model_colours_are_named_for_every_model():
    css = palette.model_css(9)
    assert css.count("--m8:") == 2  # light and dark
    assert css.count("--mb:") == 2
