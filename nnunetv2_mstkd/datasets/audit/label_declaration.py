"""Whether the labels and regions of dataset.json agree with themselves (L1')."""

from collections.abc import Iterator, Mapping
from typing import Any

from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.regions import Region, ignore_label, regions_of

_LARGER_FIRST = (("WT", "TC"), ("TC", "ET"), ("WT", "ET"))


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


def check_declaration(dataset_json: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with `labels` and `regions_class_order`.

    Raises:
        EvaluationError: if `labels` is damaged.
    """
    found = [*_numbering(dataset_json), *_contradictions(regions_of(dataset_json))]
    if has_regions(dataset_json):
        found += _painting(dataset_json)
    return found


def _numbering(dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    values = declared_values(dataset_json)
    if values != tuple(range(len(values))):
        told = "nnU-Net wants 0, 1, 2, ... without gaps: renumber the label maps (mstkd convert does)"
        yield Finding("error", "labels", f"the values are {_listed(values)}; {told}")
    if dataset_json["labels"].get("background") != 0:
        background = dataset_json["labels"].get("background")
        yield Finding("error", "labels", f"'background' must be 0; it is {background!r}")
    ignored = ignore_label(dataset_json)
    if ignored is not None and ignored != values[-1]:
        yield Finding("error", "labels", f"'ignore' must be the highest value, {values[-1]}; it is {ignored}")


def _contradictions(regions: tuple[Region, ...]) -> Iterator[Finding]:
    """Yield which regions cannot be what they are called."""
    by_short = {region.short: region for region in regions}
    multiple = any(len(region.labels) > 1 for region in regions)  # single labels do not contain each other
    for larger, smaller in _LARGER_FIRST if multiple else ():
        outer, inner = by_short.get(larger), by_short.get(smaller)
        lost = sorted(set(inner.labels) - set(outer.labels)) if outer and inner else []
        if outer and inner and lost:
            told = f"{outer.name} must hold all of {inner.name}, but lacks {_listed(lost)}"
            numbers = f"{outer.name} is {list(outer.labels)}, {inner.name} {list(inner.labels)}"
            yield Finding("error", "regions", f"{numbers}: {told}. Are the regions those of another label order?")
    enhancing, cavity, whole = (by_short.get(short) for short in ("ET", "RC", "WT"))
    if enhancing and len(enhancing.labels) > 1:
        told = "in every known labelling it is one value"
        yield Finding("warning", "regions", f"{enhancing.name} is {list(enhancing.labels)}; {told}")
    if cavity and whole and set(cavity.labels) & set(whole.labels):
        told = "the challenges count the cavity out of the whole tumour"
        yield Finding("warning", "regions", f"{whole.name} {list(whole.labels)} holds {cavity.name}; {told}")


def _painting(dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where predictions would not have the values of the labels that the regions are made of."""
    regions, order = regions_of(dataset_json), dataset_json.get("regions_class_order")
    if not isinstance(order, list | tuple) or len(order) != len(regions):
        count = f"{len(regions)} regions ({', '.join(region.name for region in regions)})"
        told = "give one value per region, in this order: what the region paints that no later region paints over"
        yield Finding("error", "regions_class_order", f"is {order!r}, but there are {count}; {told}")
        return
    wrong = repainted(dataset_json)
    if wrong:
        told = ", ".join(f"{value} comes back as {painted}" for value, painted in wrong.items())
        names = ", ".join(region.name for region in regions)
        message = (
            f"{list(order)} does not give the labels back: {told}. Each of {names} paints its value, in this order"
        )
        yield Finding("error", "regions_class_order", message)


def repainted(dataset_json: Mapping[str, Any]) -> dict[int, Any]:
    """Return value -> what a prediction has in its place, where `regions_class_order` makes another label of it.

    Values that lie in the same regions cannot be told apart by a model: each of them may stand for the others.

    Raises:
        EvaluationError: if `labels` is damaged.
    """
    order, regions = dataset_json.get("regions_class_order"), regions_of(dataset_json)
    if not isinstance(order, list | tuple) or len(order) != len(regions):
        return {}
    values = sorted({value for region in regions for value in region.labels})
    painted = {value: _painted(value, regions, order) for value in values}
    members = {value: frozenset(r.name for r in regions if value in r.labels) for value in values}
    return {value: new for value, new in painted.items() if members.get(new) != members[value]}


def _painted(value: int, regions: tuple[Region, ...], order: Any) -> Any:
    """Return what a voxel of this value becomes when all regions are predicted without error."""
    painted: Any = 0
    for region, paint in zip(regions, order, strict=True):
        painted = paint if value in region.labels else painted
    return painted


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values)
