"""The previews of a case over all trainings of some models (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.facts_array import Scored
from nnunetv2_mstkd.benchmark.preview import Preview
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.errors import BenchmarkError


@dataclass(frozen=True)
class CasePreviews:
    """What the records hold of one case.

    Args:
        record: of the case; any training's, since images and reference are the same.
        labels: label map (z, y, x) by (title of the model, subset).
        stride: of the maps along (z, y, x).
    """

    record: CaseRecord
    labels: dict[tuple[str, str], NDArray[np.uint8]]
    stride: tuple[int, ...]


def read_previews(records: Sequence[Scored], case: str, titles: Sequence[str]) -> CasePreviews:
    """Read what some models made of a case; of several repeats the first one.

    Args:
        records: of the benchmark.
        case: name.
        titles: of the models. A model that consists of dedicated trainings has one for each subset.

    Raises:
        BenchmarkError: if there is no record or preview of the case, a file is damaged, or the maps differ in size.
    """
    found = [scored for scored in records if scored.record.case == case and scored.training.title in titles]
    found.sort(key=lambda scored: scored.training.repeat)
    if not found:
        raise BenchmarkError(f"There is no record of {case} by {' or '.join(titles)}")
    labels: dict[tuple[str, str], NDArray[np.uint8]] = {}
    grids = set()
    for scored in found:
        preview = Preview.read(scored.folder, case)
        grids.add((preview.labels.shape[1:], preview.stride))
        for subset, label_map in zip(preview.subsets, preview.labels, strict=True):
            labels.setdefault((scored.training.title, subset), label_map)
    if len(grids) > 1:
        raise BenchmarkError(f"The previews of {case} lie on different grids: {sorted(grids)}")
    return CasePreviews(found[0].record, labels, grids.pop()[1])
