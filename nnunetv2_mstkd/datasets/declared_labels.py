"""The values that dataset.json declares, and those that predictions have instead (L1').

With regions nnU-Net predicts no labels: each region paints its number of `regions_class_order`, one after the other,
and what is painted last stays. Nothing makes these numbers those of the label maps.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.regions import ignore_label, regions_of


def has_regions(dataset_json: Mapping[str, Any]) -> bool:
    """Return whether nnU-Net trains on regions: any entry of `labels` has several numbers."""
    return any(isinstance(value, list | tuple) and len(value) > 1 for value in dataset_json["labels"].values())


def declared_values(dataset_json: Mapping[str, Any]) -> tuple[int, ...]:
    """Return all values that label maps may have, ascending: background and the ignore label are among them.

    Raises:
        EvaluationError: if `labels` is damaged.
    """
    ignored = ignore_label(dataset_json)
    values = {0, *(value for region in regions_of(dataset_json) for value in region.labels)}
    return tuple(sorted(values if ignored is None else values | {ignored}))


def memberships(dataset_json: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    """Return value -> numbers of the regions that it lies in: values with the same ones are one to a model.

    Raises:
        EvaluationError: if `labels` is damaged.
    """
    regions = regions_of(dataset_json)
    values = [value for value in declared_values(dataset_json) if value != ignore_label(dataset_json)]
    return {value: frozenset(n for n, region in enumerate(regions) if value in region.labels) for value in values}


def class_order(dataset_json: Mapping[str, Any]) -> tuple[int, ...]:
    """Return `regions_class_order`.

    Raises:
        ConversionError: if it is not one whole number per region.
        EvaluationError: if `labels` is damaged.
    """
    order, regions = dataset_json.get("regions_class_order"), regions_of(dataset_json)
    numbers = order if isinstance(order, list | tuple) else ()
    if len(numbers) != len(regions) or not all(type(v) is int and 0 <= v <= LABEL_MAX_VALUE for v in numbers):
        names = ", ".join(region.name for region in regions)
        raise ConversionError(
            f"is {order!r}, but there are {len(regions)} regions ({names}); give one whole number per region, in this "
            "order: what the region paints that no later region paints over"
        )
    return tuple(numbers)


def painted_values(dataset_json: Mapping[str, Any]) -> dict[int, int]:
    """Return value -> what a voxel of it has in a prediction without error; the background is among them.

    Raises:
        ConversionError: if `regions_class_order` is needed, and is not one whole number per region.
        EvaluationError: if `labels` is damaged.

    Example:
        >>> labels = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
        >>> painted_values({"labels": labels, "regions_class_order": [1, 2, 3]})
        {0: 0, 1: 2, 2: 1, 3: 3}
    """
    member_of = memberships(dataset_json)
    if not has_regions(dataset_json):
        return {value: value for value in member_of}
    order = class_order(dataset_json)
    return {value: order[max(inside)] if inside else 0 for value, inside in member_of.items()}


def repainted(dataset_json: Mapping[str, Any]) -> dict[int, int]:
    """Return value -> what a prediction has in its place, where that is another label, or none.

    Raises:
        ConversionError: if `regions_class_order` is needed, and is not one whole number per region.
        EvaluationError: if `labels` is damaged.
    """
    member_of = memberships(dataset_json)
    painted = painted_values(dataset_json)
    return {value: new for value, new in painted.items() if member_of.get(new) != member_of[value]}


def values_behind(dataset_json: Mapping[str, Any]) -> dict[int, int]:
    """Return value in predictions -> the value of label maps that it stands for.

    Where it stands for several that lie in the same regions, it is the one of its own number.

    Raises:
        ConversionError: if a value in predictions stands for labels that differ, or for several of other numbers.
        EvaluationError: if `labels` is damaged.
    """
    behind: dict[int, list[int]] = defaultdict(list)
    for value, painted in painted_values(dataset_json).items():
        behind[painted].append(value)
    member_of = memberships(dataset_json)
    for painted, values in behind.items():
        differ = len({member_of[value] for value in values}) > 1
        if differ or (len(values) > 1 and painted not in values):
            told = " and ".join(map(str, values))
            raise ConversionError(
                f"regions_class_order {list(class_order(dataset_json))} gives {told} of the labels the same value, "
                f"{painted}, in predictions: they cannot be told apart any more. Was the order changed after the "
                "training? Correct a copy of dataset.json, and give it by --dataset-json"
            )
    return {painted: painted if painted in values else values[0] for painted, values in sorted(behind.items())}
