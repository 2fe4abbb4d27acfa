"""What was found in each case, put together as one array (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts
from nnunetv2_mstkd.errors import BenchmarkError


@dataclass(frozen=True)
class Scored:
    """One case of one training.

    Args:
        training: that predicted it.
        record: what was found.
        folder: where the record and the preview lie.
    """

    training: TrainingFacts
    record: CaseRecord
    folder: Path


def facts_array(scored: Sequence[Scored], axes: Sequence[Sequence[Any]]) -> NDArray[np.object_]:
    """Return MaskFacts, or None where nothing was scored: (titles, repeats, subsets, regions, cases).

    Args:
        scored: every case of every training.
        axes: what stands at each place of the five axes.

    Raises:
        BenchmarkError: if a record is of another benchmark, or two are of the same prediction.
    """
    titles, repeats, subsets, _, cases = ({name: i for i, name in enumerate(axis)} for axis in axes)
    facts = np.full([len(axis) for axis in axes], None, dtype=object)
    for each in scored:
        record, training = each.record, each.training
        for subset, by_region in record.scores.items():
            _require_fitting(each, subset, axes)
            place = titles[training.title], repeats[training.repeat], subsets[subset], slice(None), cases[record.case]
            if any(fact is not None for fact in facts[place]):
                raise BenchmarkError(_doubled(each, subset))
            for r, region in enumerate(axes[3]):
                facts[(*place[:3], r, place[4])] = by_region[region]
    return facts


def _require_fitting(scored: Scored, subset: str, axes: Sequence[Sequence[Any]]) -> None:
    """Refuse a record of another benchmark, whose subsets or regions are not those of benchmark.json."""
    regions = scored.record.scores[subset]
    if subset not in axes[2] or set(regions) != set(axes[3]):
        file = CaseRecord.file_of(scored.folder, scored.record.case)
        raise BenchmarkError(
            f"{file} does not belong to this benchmark: its subset {subset!r} has the regions {list(regions)}, but "
            f"the regions are {list(axes[3])}. Delete it and give the same command again"
        )


def _doubled(scored: Scored, subset: str) -> str:
    training = scored.training
    return (
        f"{scored.record.case} was scored twice as {training.title!r}, repeat {training.repeat}, {subset}: also in "
        f"{scored.folder}. Delete one of the folders, or benchmark one of the models under another title"
    )
