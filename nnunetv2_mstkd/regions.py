"""What a dataset's labels are scored as: its regions, else its labels (L0: standard library only)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.modalities import RESERVED_NAME

# Every name on a line means the same region; the first is its short form in papers. Spelt as `_normalize` leaves it.
# No bare words such as "whole": a whole prostate is no whole tumour.
SHORT_FORMS: tuple[tuple[str, ...], ...] = (
    ("WT", "wholetumor"),
    ("TC", "tumorcore"),
    ("ET", "enhancingtumor", "gdenhancingtumor"),
    ("NETC", "nonenhancingtumorcore", "nonenhancingtumor"),
    ("NCR", "necrosis", "necroticcore", "necrotictumorcore"),
    ("ED", "edema", "oedema", "peritumoraledema", "peritumoraloedema"),
    ("SNFH", "surroundingnonenhancingflairhyperintensity"),
    ("RC", "resectioncavity"),
    ("CC", "cysticcomponent"),
)

_SHORT_FORM_OF = {name.lower(): names[0] for names in SHORT_FORMS for name in names}


def _normalize(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name).lower().replace("tumour", "tumor")


@dataclass(frozen=True)
class Region:
    """A set of labels that is scored as one mask.

    Args:
        name: as dataset.json has it, "whole_tumor".
        labels: its numbers in a label map.

    Raises:
        EvaluationError: if the name is reserved.

    Example:
        >>> Region("whole_tumour", (1, 2, 3)).short, Region("liver", (1,)).short
        ('WT', 'liver')
    """

    name: str
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.name == RESERVED_NAME:
            raise EvaluationError(
                f"A region cannot be called {self.name!r}: that is the mean over the regions. Rename the label in "
                "dataset.json, of the dataset and in the model folders, say 'All'"
            )

    @property
    def short(self) -> str:
        """The name as papers abbreviate it ("WT"); the name itself where there is no known abbreviation."""
        return _SHORT_FORM_OF.get(_normalize(self.name), self.name)


def regions_of(dataset_json: Mapping[str, Any]) -> tuple[Region, ...]:
    """Return what is scored, in the order of dataset.json: what nnU-Net's own evaluation scores.

    These are the foreground regions, or the foreground labels where the dataset has no regions. Background and the
    ignore label are left out.

    Raises:
        EvaluationError: if `labels` is missing or damaged, names no foreground, or a name is reserved.
    """
    by_name = {name: _numbers(name, value) for name, value in _labels(dataset_json).items() if name != "ignore"}
    regions = tuple(Region(name, numbers) for name, numbers in by_name.items() if set(numbers) != {0})
    if not regions:
        raise EvaluationError(f"dataset.json names no foreground label: its labels are {dataset_json['labels']}")
    return regions


def ignore_label(dataset_json: Mapping[str, Any]) -> int | None:
    """Return the number of the label `ignore`, whose voxels count for nothing; None if the dataset has none.

    Raises:
        EvaluationError: if `labels` is missing, or the label is not one number.
    """
    value = _labels(dataset_json).get("ignore")
    if value is None:
        return None
    numbers = _numbers("ignore", value)
    if len(numbers) != 1:
        raise EvaluationError(f"The label 'ignore' of dataset.json must be one number, not {value!r}")
    return numbers[0]


def _labels(dataset_json: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = dataset_json.get("labels")
    if not isinstance(labels, Mapping) or not labels:
        raise EvaluationError(
            f"dataset.json has no usable labels, but {labels!r}: it must map each name to its number or numbers, "
            'as nnU-Net v2 demands: {"background": 0, "whole_tumor": [1, 2, 3], ...}'
        )
    return labels


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    """Return the numbers of one entry: an integer, or a list of them."""
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values):
        raise EvaluationError(
            f"Label {name!r} of dataset.json is {value!r}: it must be a whole number >= 0, or a list of them "
            '(nnU-Net v2: {"name": number}; version 1 had it the other way round)'
        )
    return tuple(dict.fromkeys(values))
