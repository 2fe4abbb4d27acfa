"""Which value a prediction's value becomes, and how the challenge calls its files (L1')."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.datasets.conversion.dataset_json import SECTION
from nnunetv2_mstkd.datasets.declared_labels import class_order, has_regions, values_behind
from nnunetv2_mstkd.datasets.layouts.described import read_description
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.datasets.layouts.recognition import layout_called
from nnunetv2_mstkd.datasets.layouts.table import LAYOUTS
from nnunetv2_mstkd.datasets.meaning import implied_meanings
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.regions import regions_of


@dataclass(frozen=True)
class WayBack:
    """What becomes of predictions.

    Args:
        title: of the labels that are written, for people.
        values: value in the prediction -> value that is written; 0 stays 0.
        meanings: value that is written -> its name, without the background.
        prediction_name: name of a case's file, with {case}.
        lost: value in the prediction -> its name, where the labels that are written have nothing for it.
    """

    title: str
    values: Mapping[int, int]
    meanings: Mapping[int, str]
    prediction_name: str = "{case}.nii.gz"
    lost: Mapping[int, str] = field(default_factory=dict)

    @property
    def changes(self) -> dict[int, int]:
        """The values that change."""
        return {value: native for value, native in self.values.items() if value != native}


def way_back(dataset_json: Mapping[str, Any], layout: str | None = None, *, keep_labels: bool = False) -> WayBack:
    """Return the way back to the labels of a layout, or of the source that `mstkd convert` noted.

    A prediction's value is taken for the label that `regions_class_order` makes it of, then for what that means.

    Args:
        dataset_json: of the predictions.
        layout: name of the layout whose labels are wanted, or a JSON file that describes one; by default what is noted
            in dataset.json.
        keep_labels: give back the values of the label maps where nothing is noted and no layout is given.

    Raises:
        ConversionError: if nothing says which labels are wanted, the layout is unknown or has no labels of its own, or
            has none of the dataset's; if a value in predictions may be several labels.
        EvaluationError: if `labels` is damaged.
    """
    behind = _behind(dataset_json)
    names = _names(dataset_json, behind)
    if layout is not None:
        return _to_layout(behind, names, _layout(layout))
    names = _apart(names, dataset_json)
    if SECTION in dataset_json:
        return _as_noted(behind, names, dataset_json[SECTION])
    if keep_labels:
        return WayBack("as dataset.json has them", behind, names)
    raise ConversionError(
        f"dataset.json has no section {SECTION!r}, as mstkd convert writes it: say by --layout whose labels are "
        f"wanted. {_choices()}"
    )


def _behind(dataset_json: Mapping[str, Any]) -> dict[int, int]:
    """Return value in predictions -> value of label maps."""
    regions_of(dataset_json)  # damaged labels are told as such
    if has_regions(dataset_json):
        try:
            class_order(dataset_json)
        except ConversionError as error:
            raise ConversionError(f"regions_class_order of dataset.json {error}") from error
    behind = values_behind(dataset_json)
    if max(behind.values()) > LABEL_MAX_VALUE:
        raise ConversionError(
            f"The labels of dataset.json go up to {max(behind.values())}, but label maps are written with 8 bits, "
            f"up to {LABEL_MAX_VALUE}"
        )
    return behind


def _choices() -> str:
    return f"The layouts are {', '.join(layout.name for layout in LAYOUTS if layout.label_set is not None)}"


def _layout(name: str) -> Layout:
    return read_description(Path(name)) if name.lower().endswith(".json") else layout_called(name)


def _as_noted(behind: Mapping[int, int], names: Mapping[int, str], section: Any) -> WayBack:
    try:
        native = {int(value): int(number) for value, number in section["native_labels"].items()}
        title, name = str(section["title"]), str(section["prediction_name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConversionError(
            f"The section {SECTION!r} of dataset.json is damaged: it must have native_labels as "
            f'{{"0": 0, "1": 1}}, title and prediction_name; it is {section!r:.200}'
        ) from error
    if "{case}" not in name or "/" in name or "\\" in name:
        raise ConversionError(f"prediction_name of {SECTION!r} must be a file name with {{case}}; it is {name!r}")
    if native.get(0) != 0 or len(set(native.values())) < len(native):
        raise ConversionError(f"native_labels of {SECTION!r} must keep 0, and each value apart; it is {native}")
    if not all(0 <= number <= LABEL_MAX_VALUE for number in native.values()):
        raise ConversionError(f"native_labels of {SECTION!r} must be 0 to {LABEL_MAX_VALUE}; it is {native}")
    values = {painted: native[value] for painted, value in behind.items() if value in native}
    lost = {painted: names[value] for painted, value in behind.items() if value not in native}
    return WayBack(title, values, {native[v]: names[v] for v in behind.values() if v and v in native}, name, lost)


def _to_layout(behind: Mapping[int, int], names: Mapping[int, str], layout: Layout) -> WayBack:
    if layout.label_set is None:
        told = (
            "use --bids for BIDS derivatives" if layout.name == "bids" else "name them by 'labels', or choose another"
        )
        raise ConversionError(f"The layout {layout.name!r} has no labels of its own: {told}. {_choices()}")
    native_of = {meaning: native for native, meaning in layout.label_set.meanings.items()}
    lost = {painted: names[value] for painted, value in behind.items() if value and names[value] not in native_of}
    if len(lost) == len(names):
        raise ConversionError(
            f"{layout.title} has the labels {_shown(layout.label_set)}, but dataset.json has {dict(names)}: these are "
            "others"
        )
    values = {p: native_of[names[value]] if value else 0 for p, value in behind.items() if p not in lost}
    if len(set(values.values())) < len(values):
        raise ConversionError(
            f"Several values of dataset.json mean the same, {dict(names)}: {layout.title} has one for them"
        )
    return WayBack(layout.title, values, dict(layout.label_set.meanings), layout.prediction_name, lost)


def _names(dataset_json: Mapping[str, Any], behind: Mapping[int, int]) -> dict[int, str]:
    """Return what each value that can be predicted means: as the vocabulary has it, else as its label is called."""
    implied, called = implied_meanings(dataset_json), _called(dataset_json)
    return {value: implied.get(value) or called.get(value, f"label {value}") for value in behind.values() if value}


def _apart(names: Mapping[int, str], dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Return names that tell all values apart: where several mean the same, each is what its label is called."""
    counts, called = Counter(names.values()), _called(dataset_json)
    return {v: name if counts[name] == 1 else called.get(v, f"label {v}") for v, name in names.items()}


def _called(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    return {region.labels[0]: region.name for region in regions_of(dataset_json) if len(region.labels) == 1}


def _shown(label_set: LabelSet) -> str:
    return ", ".join(f"{value} {meaning}" for value, meaning in label_set.meanings.items())
