"""What the values of label maps mean, and what becomes of them in an nnU-Net dataset (L1').

nnU-Net wants consecutive labels, so that 1, 2, 4 must be renumbered; the way back is kept in dataset.json. Every
labelling of tumours here is told by the same few meanings, so that the regions follow from one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from nnunetv2_mstkd.errors import ConversionError

Preset = Literal["native", "nnunet"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

# Meanings that regions are made of. NCR stands for what is named NCR, NET or NETC, ED for ED or SNFH.
NCR, ED, ET, RC, CC = "NCR", "ED", "ET", "RC", "CC"

# Region -> (what it is made of, what it paints that no later region paints over). From the outside to the inside:
# nnU-Net paints the regions in this order.
REGIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "whole_tumor": ((NCR, ED, ET, CC), ED),
    "tumor_core": ((NCR, ET, CC), NCR),
    "cystic_component": ((CC,), CC),
    "enhancing_tumor": ((ET,), ET),
    "resection_cavity": ((RC,), RC),
}
# Order of the labels of nnU-Net's own converters, as of its Dataset137: 1 oedema, 2 necrosis, 3 enhancing.
_NNUNET_ORDER = (ED, NCR, ET, RC, CC)


@dataclass(frozen=True)
class LabelSet:
    """The values of a dataset's label maps.

    Args:
        meanings: value -> meaning, without the background, ascending. Values of tumours have the meanings above; others
            have names of their own, and become labels rather than regions.
    """

    meanings: Mapping[int, str]

    @property
    def values(self) -> tuple[int, ...]:
        """All values that may occur, 0 included."""
        return (0, *sorted(self.meanings))

    @property
    def is_tumour(self) -> bool:
        """Whether regions can be made of it: oedema, core and enhancing tumour are there, and nothing is unknown."""
        known = {NCR, ED, ET, RC, CC}
        return {NCR, ED, ET} <= set(self.meanings.values()) <= known


@dataclass(frozen=True)
class TargetLabels:
    """The labels of an nnU-Net dataset that is made of a label set.

    Args:
        values: native value -> value in the dataset, the background included.
        labels: `labels` of dataset.json, in the order that is meaning.
        regions_class_order: of dataset.json; None without regions.
    """

    values: Mapping[int, int]
    labels: Mapping[str, Any]
    regions_class_order: tuple[int, ...] | None

    @property
    def changes(self) -> bool:
        """Whether any value changes, so that label maps must be written anew."""
        return any(native != value for native, value in self.values.items())

    @property
    def native_values(self) -> dict[int, int]:
        """Value in the dataset -> native value: the way back."""
        return {value: native for native, value in self.values.items()}


def target_labels(label_set: LabelSet, preset: Preset = "native") -> TargetLabels:
    """Return what becomes of a label set.

    Args:
        label_set: of the source.
        preset: "native" keeps values and order, but for gaps, which are closed (1, 2, 4 becomes 1, 2, 3); "nnunet"
            has the labels of nnU-Net's own converters (1 oedema, 2 necrosis, 3 enhancing).

    Raises:
        ConversionError: if the preset is unknown, or is "nnunet" and the labels are none of a tumour's.

    Example:
        >>> target_labels(LabelSet({1: "NCR", 2: "ED", 4: "ET"})).values
        {0: 0, 1: 1, 2: 2, 4: 3}
        >>> target_labels(LabelSet({1: "NCR", 2: "ED", 4: "ET"}), "nnunet").values
        {0: 0, 1: 2, 2: 1, 4: 3}
    """
    if preset not in PRESETS:
        raise ConversionError(f"There is no preset {preset!r}; the presets are {', '.join(PRESETS)}")
    order = sorted(label_set.meanings)
    if preset == "nnunet":
        if not label_set.is_tumour:
            raise ConversionError(
                f"The preset 'nnunet' is for the labels of brain tumours (NCR, ED, ET, ...); these are "
                f"{dict(label_set.meanings)}. Use the preset 'native'"
            )
        order.sort(key=lambda value: _NNUNET_ORDER.index(label_set.meanings[value]))
    values = {0: 0, **{native: value for value, native in enumerate(order, start=1)}}
    by_meaning = {label_set.meanings[native]: value for native, value in values.items() if native}
    if not label_set.is_tumour:
        return TargetLabels(_ascending(values), {"background": 0, **by_meaning}, None)
    regions = {
        name: [by_meaning[meaning] for meaning in parts if meaning in by_meaning]
        for name, (parts, paints) in REGIONS.items()
        if paints in by_meaning
    }
    painted = tuple(by_meaning[paints] for _, paints in REGIONS.values() if paints in by_meaning)
    labels = {"background": 0, **{name: sorted(numbers) for name, numbers in regions.items()}}
    return TargetLabels(_ascending(values), labels, painted)


def _ascending(values: Mapping[int, int]) -> dict[int, int]:
    return dict(sorted(values.items()))
