"""What dataset.json says that the values of its label maps mean, in the vocabulary of label_set (L1')."""

from collections.abc import Mapping
from typing import Any

from nnunetv2_mstkd.datasets.layouts.label_names import meaning_of
from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC
from nnunetv2_mstkd.regions import Region, regions_of

_SPECIFIC = (ET, RC, CC, NCR, ED)  # what is named after one tissue says more than whole tumour and core


def implied_meanings(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Return value -> meaning, as names of labels and regions imply it; what they do not tell is left out.

    A value that is in the whole tumour alone is oedema, one in whole tumour and tumour core alone necrosis.

    Raises:
        EvaluationError: if `labels` is damaged.

    Example:
        >>> implied_meanings({"labels": {"whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}})
        {1: 'NCR', 2: 'ED', 3: 'ET'}
    """
    regions = regions_of(dataset_json)
    values = sorted({value for region in regions for value in region.labels if value})
    named = {value: _meaning(value, regions) for value in values}
    return {value: meaning for value, meaning in named.items() if meaning is not None}


def _meaning(value: int, regions: tuple[Region, ...]) -> str | None:
    there = {region.short for region in regions}
    of_value = {meaning_of(region.name) for region in regions if value in region.labels}
    of_value |= {region.short for region in regions if value in region.labels}
    for meaning in _SPECIFIC:
        if meaning in of_value:
            return meaning
    if "TC" in of_value:
        return NCR if "ET" in there else None
    return ED if "WT" in of_value and "TC" in there else None
