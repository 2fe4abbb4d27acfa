"""Which value a dataset's value becomes, and how the challenge calls its files (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnunetv2_mstkd.datasets.audit.label_declaration import declared_values, repainted
from nnunetv2_mstkd.datasets.audit.meaning import implied_meanings
from nnunetv2_mstkd.datasets.conversion.dataset_json import SECTION
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.regions import ignore_label, regions_of

_LARGEST = 255  # label maps are written with 8 bits


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

    Args:
        dataset_json: of the predictions.
        layout: name of the layout whose labels are wanted; by default what is noted in dataset.json.
        keep_labels: leave the values as they are where nothing is noted and no layout is given.

    Raises:
        ConversionError: if nothing says which labels are wanted, the layout is unknown or has no labels of its own, or
            has none of the dataset's; if the model predicts other values than it was trained with.
        EvaluationError: if `labels` is damaged.
    """
    _require_same_values(dataset_json)
    if layout is not None:
        return _to_layout(dataset_json, layout)
    if SECTION in dataset_json:
        return _as_noted(dataset_json)
    if keep_labels:
        meanings = _names(dataset_json)
        return WayBack("as the model has them", {0: 0, **{value: value for value in meanings}}, meanings)
    raise ConversionError(
        f"dataset.json has no section {SECTION!r}, as mstkd convert writes it: say by --layout whose labels are "
        f"wanted. {_choices()}"
    )


def _require_same_values(dataset_json: Mapping[str, Any]) -> None:
    """Refuse predictions whose values `regions_class_order` exchanged: they do not mean what the labels say."""
    if wrong := repainted(dataset_json):
        told = ", ".join(f"{value} is predicted as {painted}" for value, painted in wrong.items())
        raise ConversionError(
            f"regions_class_order {dataset_json['regions_class_order']} does not give the labels of dataset.json back: "
            f"{told}. Predict with a model whose order does, or correct a copy of dataset.json and give it by "
            f"--dataset-json"
        )


def _choices() -> str:
    return f"The layouts are {', '.join(layout.name for layout in LAYOUTS if layout.label_set is not None)}"


def _as_noted(dataset_json: Mapping[str, Any]) -> WayBack:
    section = dataset_json[SECTION]
    try:
        values = {int(value): int(native) for value, native in section["native_labels"].items()}
        title, name = str(section["title"]), str(section["prediction_name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConversionError(f"The section {SECTION!r} of dataset.json is damaged ({error!r}): {section!r}") from error
    if "{case}" not in name or "/" in name or "\\" in name:
        raise ConversionError(f"prediction_name of {SECTION!r} must be a file name with {{case}}; it is {name!r}")
    if values.get(0) != 0 or len(set(values.values())) < len(values):
        raise ConversionError(f"native_labels of {SECTION!r} must keep 0, and each value apart; it is {values}")
    if not all(0 <= native <= _LARGEST for native in values.values()):
        raise ConversionError(f"native_labels of {SECTION!r} must be 0 to {_LARGEST}; it is {values}")
    names = _names(dataset_json)
    return WayBack(title, values, {values[v]: names.get(v, f"label {v}") for v in values if v}, name)


def _to_layout(dataset_json: Mapping[str, Any], name: str) -> WayBack:
    if name not in BY_NAME:
        raise ConversionError(f"There is no layout {name!r}. {_choices()}")
    layout = BY_NAME[name]
    if layout.label_set is None:
        told = "use --bids for BIDS derivatives" if name == "bids" else "choose another"
        raise ConversionError(f"The layout {name!r} has no labels of its own: {told}. {_choices()}")
    native_of = {meaning: native for native, meaning in layout.label_set.meanings.items()}
    names = _names(dataset_json)
    lost = {value: what for value, what in names.items() if what not in native_of}
    if len(lost) == len(names):
        raise ConversionError(
            f"{layout.title} has the labels {_shown(layout.label_set)}, but dataset.json has {names}: these are others"
        )
    values = {0: 0, **{value: native_of[what] for value, what in names.items() if value not in lost}}
    if len(set(values.values())) < len(values):
        raise ConversionError(f"Several values of dataset.json mean the same, {names}: {layout.title} has one for them")
    return WayBack(layout.title, values, dict(layout.label_set.meanings), layout.prediction_name, lost)


def _names(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Return what each value that a model predicts means: as the vocabulary has it, else as its label is called."""
    implied, ignored = implied_meanings(dataset_json), ignore_label(dataset_json)
    labels = {region.labels[0]: region.name for region in regions_of(dataset_json) if len(region.labels) == 1}
    values = [value for value in declared_values(dataset_json) if value not in (0, ignored)]
    return {value: implied.get(value) or labels.get(value, f"label {value}") for value in values}


def _shown(label_set: LabelSet) -> str:
    return ", ".join(f"{value} {meaning}" for value, meaning in label_set.meanings.items())
