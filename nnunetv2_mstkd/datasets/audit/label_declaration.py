"""Whether the labels and regions of dataset.json agree with themselves (L1')."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.declared_labels import class_order, declared_values, has_regions, repainted
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.regions import Region, ignore_label, regions_of

_LARGER_FIRST = (("WT", "TC"), ("TC", "ET"), ("WT", "ET"))


def check_declaration(dataset_json: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with `labels` and `regions_class_order`.

    Raises:
        EvaluationError: if `labels` is damaged.
    """
    found = [*_numbering(dataset_json), *_doubled(dataset_json), *_contradictions(regions_of(dataset_json))]
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


def _doubled(dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which names share their values, and which hold the background."""
    names: dict[frozenset[int], list[str]] = defaultdict(list)
    for region in regions_of(dataset_json):
        names[frozenset(region.labels)].append(region.name)
        if 0 in region.labels:
            told = "which is the background: take it out"
            yield Finding("error", "labels", f"{region.name} is {list(region.labels)}, and holds 0, {told}")
    for values, same in names.items():
        if len(same) > 1:
            told = "to be learnt apart each needs values of its own"
            yield Finding("error", "labels", f"{' and '.join(same)} are both {_listed(sorted(values))}; {told}")


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
    try:
        order, wrong = class_order(dataset_json), repainted(dataset_json)
    except ConversionError as error:
        yield Finding("error", "regions_class_order", str(error))
        return
    if wrong:
        told = ", ".join(f"{value} comes back as {painted}" for value, painted in wrong.items())
        names = ", ".join(region.name for region in regions_of(dataset_json))
        message = (
            f"{list(order)} does not give the labels back: {told}. Each of {names} paints its value, in this order"
        )
        yield Finding("error", "regions_class_order", message)


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values)
