"""Whether the labels lie and look like what dataset.json calls them (L1')."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from nnunetv2_mstkd.datasets.audit.assignment import Order, better_assignment
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, Features
from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.layouts.label_set import ED, ET, NCR

TISSUES = {NCR: "necrosis", ED: "oedema", ET: "enhancing tumour"}

# Oedema lies outermost and is the brightest in FLAIR; enhancing tumour takes up contrast agent; necrosis is enclosed.
TISSUE_ORDERS = (
    Order("outside", ED, NCR, 0.3),
    Order("outside", ED, ET, 0.3),
    Order("uptake", ET, NCR, 1.0),
    Order("uptake", ET, ED, 1.0),
    Order("flair", ED, NCR, 2.0),
)
_KNOWN = (
    ((NCR, ED, ET), "BraTS 2023's (1 necrosis, 2 oedema, 3 enhancing)"),
    ((ED, NCR, ET), "nnU-Net's (1 oedema, 2 necrosis, 3 enhancing, as in Dataset137 and MSD Task01)"),
)


def swapped_labels(
    contrasts: Sequence[Contrast], declared: Mapping[int, str], sequences: Mapping[int, str]
) -> list[Finding]:
    """Return a finding if most cases show that values mean something else than dataset.json says.

    Args:
        contrasts: of the cases.
        declared: value -> meaning.
        sequences: channel -> sequence, as the images show it.
    """
    count = Counter(declared.values())
    judged = {value: what for value, what in declared.items() if what in TISSUES and count[what] == 1}
    if len(judged) < 2:
        return []
    channel_of = {sequence: str(channel) for channel, sequence in sequences.items()}
    cases = [{value: _features(own, channel_of) for value, own in c.labels.items()} for c in contrasts]
    verdict = better_assignment(cases, judged, TISSUE_ORDERS)
    if verdict is None:
        return []
    moved = [value for value, what in verdict.roles.items() if what != judged[value]]
    told = ", ".join(
        f"{value} should be {TISSUES[judged[value]]} and looks like {TISSUES[verdict.roles[value]]}" for value in moved
    )
    message = (
        f"by the names and regions in dataset.json {told}, in {verdict.agreeing} of {verdict.cases} cases. Medians: "
        f"{_medians(cases, moved)}. {_explanation(verdict.roles, judged)}Look at a case; if it is so, correct "
        "labels and regions_class_order in dataset.json"
    )
    return [Finding("warning", "labels", message)]


def _features(own: Features, channel_of: Mapping[str, str]) -> dict[str, float]:
    """Return the features of a value: where it lies, and how the sequences show it."""
    features = {"outside": own["outside"]}
    shown = {sequence: own[channel] for sequence, channel in channel_of.items() if channel in own}
    if "T1ce" in shown:
        features["uptake"] = shown["T1ce"] - shown.get("T1", 0.0)
    if "FLAIR" in shown:
        features["flair"] = shown["FLAIR"]
    return features


def _medians(cases: Sequence[Mapping[int, Features]], values: Sequence[int]) -> str:
    told = {"outside": "share of the surface that faces the background", "uptake": "T1ce above T1", "flair": "FLAIR"}
    parts = []
    for feature, words in told.items():
        numbers = {v: [case[v][feature] for case in cases if feature in case.get(v, {})] for v in values}
        shown = ", ".join(f"{v}: {np.median(found):.2f}" for v, found in numbers.items() if found)
        if shown:
            parts.append(f"{words} {shown}")
    return "; ".join(parts)


def _explanation(likely: Mapping[int, str], declared: Mapping[int, str]) -> str:
    """Return "The label maps are A's, dataset.json is B's. " where both are known orders."""
    names = [
        next((name for order, name in _KNOWN if roles == dict(enumerate(order, 1))), None)
        for roles in (dict(sorted(likely.items())), dict(sorted(declared.items())))
    ]
    return f"The label maps look like {names[0]}, dataset.json is {names[1]}. " if all(names) else ""
