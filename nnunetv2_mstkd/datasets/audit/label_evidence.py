"""Whether the labels lie and look like what dataset.json calls them (L1')."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnunetv2_mstkd.datasets.audit.assignment import Order, Verdict, better_assignment, odd_cases
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, Features
from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.audit.unjudged import too_few_cases
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
MIN_CASE_GAIN = 3.0  # for a single case to be told; simulated scans whose labels are right reach 1.9
_KNOWN = (
    ((NCR, ED, ET), "BraTS 2023's (1 necrosis, 2 oedema, 3 enhancing)"),
    ((ED, NCR, ET), "nnU-Net's (1 oedema, 2 necrosis, 3 enhancing, as in Dataset137 and MSD Task01)"),
)


def swapped_labels(
    contrasts: Mapping[str, Contrast], declared: Mapping[int, str], sequences: Mapping[int, str]
) -> list[Finding]:
    """Return findings where most cases, or single ones, show that values mean something else than dataset.json says.

    Args:
        contrasts: case -> how it looks.
        declared: value -> meaning.
        sequences: channel -> sequence, as the images show it.
    """
    judged = _judged(declared)
    if not judged:
        return []
    cases = _measured(list(contrasts.values()), sequences)
    verdict = better_assignment(cases, judged, TISSUE_ORDERS)
    likely = judged if verdict is None else verdict.roles
    findings = [] if verdict is None else [_exchanged(verdict, cases, judged)]
    return [*findings, *_odd_ones(list(contrasts), cases, likely)]


def _exchanged(verdict: Verdict, cases: Sequence[Mapping[int, Features]], judged: Mapping[int, str]) -> Finding:
    """Return the finding that values are exchanged in the whole dataset."""
    moved = [value for value, what in verdict.roles.items() if what != judged[value]]
    told = ", ".join(
        f"{value} should be {TISSUES[judged[value]]} and looks like {TISSUES[verdict.roles[value]]}" for value in moved
    )
    message = (
        f"by the names and regions in dataset.json {told}, in {verdict.agreeing} of {verdict.cases} cases. Medians: "
        f"{_medians(cases, moved)}. {_explanation(verdict.roles, judged)}Look at a case; if it is so, correct "
        "labels and regions_class_order in dataset.json"
    )
    return Finding("warning", "labels", message)


def _odd_ones(
    names: Sequence[str], cases: Sequence[Mapping[int, Features]], likely: Mapping[int, str]
) -> Iterator[Finding]:
    """Yield which cases have other values than the others, those of one order together."""
    for moves, numbers in odd_cases(cases, likely, TISSUE_ORDERS, MIN_CASE_GAIN).items():
        told = ", ".join(
            f"{value} ({TISSUES[likely[value]]}) looks like {' or '.join(TISSUES[role] for role in roles)}"
            for value, roles in moves
        )
        shown = _medians([cases[number] for number in numbers], [value for value, _ in moves])
        message = f"in {len(numbers)} of {len(cases)} cases ({', '.join(names[n] for n in numbers)}) {told}"
        yield Finding("warning", "labels", f"{message}. Medians: {shown}. Look at them; exchange their values")


def unjudged_labels(
    contrasts: Sequence[Contrast], declared: Mapping[int, str], sequences: Mapping[int, str], names: Mapping[int, str]
) -> Iterator[Finding]:
    """Yield notes of the labels that were not judged: by their names, or for lack of cases.

    Args:
        contrasts: of the cases.
        declared: value -> meaning.
        sequences: channel -> sequence, as the images show it.
        names: value -> names of the labels or regions that it is in, for every value but background and `ignore`.
    """
    judged = _judged(declared)
    unknown = [f"{value} ({name})" for value, name in names.items() if value not in judged]
    if unknown:
        told = f"only {', '.join(TISSUES.values())} are, if names or regions tell them: two at least, each of one value"
        yield Finding("note", "labels", f"not judged: {', '.join(unknown)}; {told}")
    told_names = {value: f"{value} ({TISSUES[what]})" for value, what in judged.items()}
    yield from too_few_cases("labels", told_names, _measured(contrasts, sequences), judged, TISSUE_ORDERS, contrasts)


def _judged(declared: Mapping[int, str]) -> dict[int, str]:
    """Return value -> tissue, for the values that can be compared: none if only one is of a known tissue."""
    count = Counter(declared.values())
    judged = {value: what for value, what in declared.items() if what in TISSUES and count[what] == 1}
    return judged if len(judged) > 1 else {}


def _measured(contrasts: Sequence[Contrast], sequences: Mapping[int, str]) -> list[dict[int, dict[str, float]]]:
    """Return value -> features, of each case."""
    channel_of = {sequence: str(channel) for channel, sequence in sequences.items()}
    return [{value: _features(own, channel_of) for value, own in c.labels.items()} for c in contrasts]


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
