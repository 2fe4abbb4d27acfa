"""The study's report: Markdown tables, summary.json and a figure over the subsets, from a list of results."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from arms import DEDICATED_PREFIX, EVERY_ARM
from evidence_statistics import (
    Result,
    Spread,
    arm_spread,
    attention_entropy,
    gradient_ratios,
    of_arm,
    paired_by_case,
    paired_by_repeat,
    region_means,
)

from nnunetv2_mstkd.regions import Region
from nnunetv2_mstkd.whole_file import whole_file

BASELINE = "dropout"
SHOWN = ("nnunet", "dropout", "mstkd")


def write_report(results: Sequence[Result], work: Path, baseline: str = BASELINE, shown: Sequence[str] = SHOWN) -> str:
    """Write summary.json and subsets.png into `work` and return the tables as Markdown.

    Args:
        results: of the runs.
        work: the study's folder.
        baseline: name of the arm that the others are compared with.
        shown: arms in the table of the subsets and in the figure.
    """
    if not results:
        return "No results yet."
    with whole_file(work / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary(results, baseline), indent=1))
    _plot(results, work / "subsets.png", shown)
    sections = (header(results), arms_table(results, baseline), subsets_table(results, shown), terms_table(results))
    return "\n\n".join(section for section in sections if section)


def summary(results: Sequence[Result], baseline: str = BASELINE) -> dict:
    """Return the report's numbers."""
    return {
        arm: {
            "repeats": sorted(of_arm(results, arm)),
            "settings": next(iter(of_arm(results, arm).values()))["settings"],
            "dice": {region: asdict(spread) for region, spread in arm_spread(results, arm).items()},
            "dice_present_only": {r: asdict(s) for r, s in arm_spread(results, arm, present_only=True).items()},
            "minus_baseline": {r: asdict(s) for r, s in paired_by_repeat(results, arm, baseline).items()},
            "minus_baseline_by_case": paired_by_case(results, arm, baseline),
            "subsets": {
                s: {r: asdict(v) for r, v in arm_spread(results, arm, [s]).items()} for s in _subsets(results, arm)
            },
            "gradient_ratios": gradient_ratios(results, arm),
            "attention_entropy": attention_entropy(results, arm),
        }
        for arm in _arms(results)
    }


def header(results: Sequence[Result]) -> str:
    """Return what the figures rest on."""
    first = results[0]
    subsets = max((result["dice"] for result in results), key=len)
    cases = len(next(iter(next(iter(subsets.values())).values())))
    empty = {kind: sum(result["empty"][kind] for result in results) for kind in first["empty"]}
    seconds = sum(result["seconds_cpu"] for result in results)
    return "\n".join((
        f"{len(results)} runs, {first['schedule']['iterations']} iterations each, {cases} test cases, "
        f"{len(subsets)} subsets; {seconds / 60:.0f} minutes of one core.",
        f"Data {_distinct(results, 'data')}, code {_distinct(results, 'code')}, versions {first['versions']}.",
        f"Dice of empty masks: 1 where reference and prediction are empty ({empty['both']} times), 0 where only the "
        f"reference ({empty['reference']}) or only the prediction ({empty['prediction']}) is.",
    ))  # fmt: skip


def arms_table(results: Sequence[Result], baseline: str = BASELINE) -> str:
    """Return a row per arm: Dice over its subsets, and the differences from the baseline."""
    names = " | ".join(_short(region) for region in _regions(results))
    lines = [
        "Dice in percent over all subsets (a dedicated nnU-Net: its own), mean ± standard deviation of the repeats. "
        "Present: mean of the regions over the cases whose reference has them. "
        f"Minus {baseline}: on the same subsets, paired by repeat, and by case (better in how many cases).",
        "",
        f"| arm | n | {names} | mean | present | minus {baseline} | by case | s |",
        f"|---|---|{'---|' * len(_regions(results))}---|---|---|---|---|",
    ]
    for arm in _arms(results):
        spread = arm_spread(results, arm)
        paired = paired_by_repeat(results, arm, baseline) if arm != baseline else {}
        runs = of_arm(results, arm).values()
        cells = [_percent(spread[region]) for region in (*_regions(results), "mean")]
        cells += [_percent(arm_spread(results, arm, present_only=True)["mean"])]
        cells += [_percent(paired["mean"], sign="+"), _by_case(results, arm, baseline)] if paired else ["", ""]
        seconds = statistics.fmean(run["seconds_training"] for run in runs)
        lines.append(f"| {arm} | {len(runs)} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join(lines)


def subsets_table(results: Sequence[Result], shown: Sequence[str] = SHOWN) -> str:
    """Return a row per subset: the regions' Dice of the shown arms and of the dedicated nnU-Net, mean of repeats."""
    arms = [arm for arm in shown if of_arm(results, arm)]
    if not arms:
        return ""
    regions = _regions(results)
    lines = [
        f"Dice in percent by subset, {' / '.join(_short(region) for region in regions)}, mean of the repeats.",
        "",
        f"| subset | {' | '.join(arms)} | dedicated |",
        f"|---|{'---|' * (len(arms) + 1)}",
    ]
    for subset in _subsets(results, arms[0]):
        spreads = [arm_spread(results, arm, [subset]) for arm in arms]
        spreads.append(arm_spread(results, f"{DEDICATED_PREFIX}{subset}"))
        cells = [" / ".join(f"{100 * spread[r].mean:.1f}" for r in regions) if spread else "" for spread in spreads]
        lines.append(f"| {subset} | {' | '.join(cells)} |")
    return "\n".join(lines)


def terms_table(results: Sequence[Result]) -> str:
    """Return the gradient norms of the terms and the attention entropy of the arms that have them."""
    lines = [
        "Gradient norm of each term (weighted, ramped) over that of the segmentation, at the student's bottleneck: "
        "median and maximum over the epochs after the ramp; at the end of the ramp; in the last epoch.",
        "",
        "| arm | term | median | maximum | end of ramp | last |",
        "|---|---|---|---|---|---|",
    ]
    entropies = [
        "Attention entropy (1 = uniform), mean of the repeats.",
        "",
        "| arm | student first | student last | teacher first | teacher last |",
        "|---|---|---|---|---|",
    ]
    size = len(lines)
    for arm in _arms(results):
        for term, ratios in gradient_ratios(results, arm).items():
            lines.append(f"| {arm} | {term} | {' | '.join(f'{ratio:.3f}' for ratio in ratios.values())} |")
        if entropy := attention_entropy(results, arm):
            entropies.append(f"| {arm} | {' | '.join(f'{value:.3f}' for value in entropy.values())} |")
    return "\n".join([*lines, "", *entropies]) if len(lines) > size else ""


def _arms(results: Sequence[Result]) -> list[str]:
    """Return the arms that have results, in the order of the tables of arms."""
    return [arm for arm in EVERY_ARM if of_arm(results, arm)]


def _regions(results: Sequence[Result]) -> list[str]:
    return [region for region in region_means(results[0]) if region != "mean"]


def _subsets(results: Sequence[Result], arm: str) -> list[str]:
    return list(next(iter(of_arm(results, arm).values()))["dice"])


def _distinct(results: Sequence[Result], key: str) -> str:
    return ", ".join(sorted({result[key] for result in results}))


def _short(region: str) -> str:
    return Region(region, ()).short


def _percent(spread: Spread, sign: str = "") -> str:
    return f"{100 * spread.mean:{sign}.1f} ± {100 * spread.sd:.1f}"


def _by_case(results: Sequence[Result], arm: str, baseline: str) -> str:
    differences = paired_by_case(results, arm, baseline)
    spread = Spread.of(differences)
    return f"{_percent(spread, sign='+')} ({sum(d > 0 for d in differences)}/{len(differences)})"


def _plot(results: Sequence[Result], file: Path, shown: Sequence[str]) -> None:
    """Draw a panel per region: the shown arms over the subsets with their spread, the dedicated nnU-Nets as crosses."""
    from matplotlib import pyplot as plt

    regions, arms = _regions(results), [arm for arm in shown if of_arm(results, arm)]
    if not arms:
        return
    subsets = _subsets(results, arms[0])
    size = (9, 2.8 * len(regions))
    figure, grid = plt.subplots(len(regions), 1, figsize=size, sharex=True, layout="constrained", squeeze=False)
    axes = grid[:, 0]
    for axis, region in zip(axes, regions, strict=True):
        for arm in arms:
            spreads = [arm_spread(results, arm, [subset])[region] for subset in subsets]
            bars = [100 * spread.sd if spread.count > 1 else 0 for spread in spreads]
            axis.errorbar(subsets, [100 * s.mean for s in spreads], bars, marker=".", capsize=2, label=arm)
        own = {s: arm_spread(results, f"{DEDICATED_PREFIX}{s}") for s in subsets}
        points = {s: 100 * spread[region].mean for s, spread in own.items() if spread}
        if points:
            axis.plot(list(points), list(points.values()), "kx", label="dedicated")
        axis.set(ylabel=f"Dice {_short(region)} (%)")
        axis.grid(alpha=0.3)
    axes[0].legend(ncols=4, frameon=False)
    axes[-1].tick_params(axis="x", rotation=60)
    with whole_file(file) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)
