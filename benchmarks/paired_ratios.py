"""Ratios within pairs of runs, and how they are told: their median and extremes."""

import statistics
from collections.abc import Sequence


def ratios(ours: Sequence[float], stock: Sequence[float]) -> list[float]:
    """Return ours over stock's, pair by pair."""
    return [a / b for a, b in zip(ours, stock, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and extremes."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def spread_text(values: dict[str, float], form: str = ".2f") -> str:
    """Return what `spread` returned as text: 2.15 (2.05 to 2.17)."""
    return f"{values['median']:{form}} ({values['lowest']:{form}} to {values['highest']:{form}})"
