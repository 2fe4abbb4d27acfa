"""Whether the channels show the sequences that they are called (L1')."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_mstkd.datasets.audit.assignment import Moves, Order, Verdict, better_assignment, odd_cases
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, Features
from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.audit.unjudged import too_few_cases
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sequence_name import known_sequence

# CSF is bright in T2 and dark elsewhere; FLAIR shows the oedema brighter than anything of the normal brain, T1 does
# not show it; a rim that takes up contrast agent shines in T1ce.
SEQUENCE_ORDERS = (
    Order("tail", "T2", "T1", 0.3),
    Order("tail", "T2", "T1ce", 0.3),
    Order("tail", "T2", "FLAIR", 0.3),
    Order("outer_rank", "FLAIR", "T1", 0.2),
    Order("outer_rank", "FLAIR", "T1ce", 0.2),
    Order("outer_rank", "FLAIR", "T2", 0.1),
    Order("outer_rank", "T2", "T1", 0.3),
    Order("uptake", "T1ce", "T1", 1.0),
)
MIN_CASE_GAIN = 2.0  # for a single case to be told; simulated scans whose channels are right reach 1.2
_TOLD = {
    "tail": "bright tail of the normal brain (CSF; highest in T2)",
    "outer_rank": "share of the normal brain that is darker than the oedema (highest in FLAIR)",
    "uptake": "brightest label above the normal brain (higher in T1ce than in T1)",
}


def known_channels(modalities: Modalities) -> dict[int, str]:
    """Return channel -> sequence, for the channels whose name stands for one that no other channel has."""
    names = {channel: known_sequence(name) for channel, name in enumerate(modalities)}
    count = Counter(names.values())
    return {channel: name for channel, name in names.items() if name is not None and count[name] == 1}


@dataclass(frozen=True)
class SequenceEvidence:
    """What the images show of the channels.

    Args:
        likely: channel -> sequence, as most cases show it; of the channels that can be judged.
        odd_cases: whose channels are in another order.
        findings: where that is not what the channels are called.
    """

    likely: Mapping[int, str]
    odd_cases: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


def judge_sequences(contrasts: Mapping[str, Contrast], modalities: Modalities) -> SequenceEvidence:
    """Compare what the channels show with what they are called.

    Args:
        contrasts: case -> how it looks.
        modalities: of the dataset.
    """
    declared = known_channels(modalities)
    if len(declared) < 2:
        return SequenceEvidence(declared)
    names, cases = list(contrasts), [contrast.channels for contrast in contrasts.values()]
    verdict = better_assignment(cases, declared, SEQUENCE_ORDERS)
    likely = declared if verdict is None else dict(verdict.roles)
    findings = [] if verdict is None else [_exchanged(verdict, cases, declared, modalities)]
    odd = odd_cases(cases, likely, SEQUENCE_ORDERS, MIN_CASE_GAIN)
    findings += _odd_ones(odd, names, cases, modalities)
    return SequenceEvidence(likely, frozenset(names[n] for numbers in odd.values() for n in numbers), tuple(findings))


def unjudged_channels(contrasts: Mapping[str, Contrast], modalities: Modalities) -> Iterator[Finding]:
    """Yield notes of the channels that were not judged: by their names, or for lack of cases.

    Args:
        contrasts: case -> how it looks.
        modalities: of the dataset.
    """
    declared = known_channels(modalities)
    if len(declared) < 2:
        declared = {}  # one alone is compared with nothing
    unknown = [name for channel, name in enumerate(modalities) if channel not in declared]
    if unknown:
        told = "only T1, T1ce, T2 and FLAIR are, under these names or their aliases: two at least, each in one channel"
        yield Finding("note", "channels", f"not judged: {', '.join(unknown)}; {told}")
    cases = [contrast.channels for contrast in contrasts.values()]
    names = dict(enumerate(modalities))
    yield from too_few_cases("channels", names, cases, declared, SEQUENCE_ORDERS, list(contrasts.values()))


def _exchanged(
    verdict: Verdict, cases: Sequence[Mapping[int, Features]], declared: Mapping[int, str], modalities: Modalities
) -> Finding:
    """Return the finding that channels are exchanged in the whole dataset."""
    moved = [channel for channel, role in verdict.roles.items() if role != declared[channel]]
    told = ", ".join(
        f"channel {c} is called {modalities.names[c]} and looks like {' or '.join(verdict.fitting[c])}" for c in moved
    )
    message = (
        f"{told}, in {verdict.agreeing} of {verdict.cases} cases. Medians: {_medians(cases, moved, modalities)}. Look "
        "at a case; if it is so, correct channel_names in dataset.json, or the files' channel numbers"
    )
    return Finding("warning", "channels", message)


def _odd_ones(
    odd: Mapping[Moves, Sequence[int]],
    names: Sequence[str],
    cases: Sequence[Mapping[int, Features]],
    modalities: Modalities,
) -> Iterator[Finding]:
    """Yield which cases have their channels in another order than the others, those of one order together."""
    for moves, numbers in odd.items():
        told = ", ".join(f"channel {c} ({modalities.names[c]}) looks like {' or '.join(r)}" for c, r in moves)
        shown = _medians([cases[number] for number in numbers], [c for c, _ in moves], modalities)
        message = f"in {len(numbers)} of {len(cases)} cases ({', '.join(names[n] for n in numbers)}) {told}"
        yield Finding("warning", "channels", f"{message}. Medians: {shown}. Look at them; exchange their files")


def _medians(
    cases: Sequence[Mapping[int, Mapping[str, float]]], channels: Sequence[int], modalities: Modalities
) -> str:
    """Return the features of some channels, over the cases, for people."""
    parts = []
    for feature, told in _TOLD.items():
        values = {c: [case[c][feature] for case in cases if feature in case.get(c, {})] for c in channels}
        shown = ", ".join(f"{modalities.names[c]} {np.median(v):.2f}" for c, v in values.items() if v)
        if shown:
            parts.append(f"{told}: {shown}")
    return "; ".join(parts)
