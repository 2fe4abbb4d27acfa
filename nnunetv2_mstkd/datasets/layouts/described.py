"""A layout that a user describes, on the command line or in a JSON file (L1')."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.layouts.description_parts import ENDINGS, channels_of, template_of, text_of, texts_of
from nnunetv2_mstkd.datasets.layouts.label_names import label_set_from_names, parse_labels
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import LabelPattern, Layout
from nnunetv2_mstkd.datasets.layouts.path_pattern import names_in
from nnunetv2_mstkd.datasets.layouts.source_files import split_ending
from nnunetv2_mstkd.errors import ConversionError

REQUIRED_KEYS = ("images", "label", "modalities")
OPTIONAL_KEYS = ("labels", "patient", "name", "title", "prediction")
_UNNAMED = "described"


def read_description(file: Path) -> Layout:
    """Return the layout that a JSON file describes.

    Raises:
        ConversionError: if it cannot be read, or is wrong; the message begins with the file.
    """
    try:
        pairs = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_doubles)
        return layout_from_description(pairs)
    except (OSError, ValueError) as error:  # ConversionError is a ValueError, and so are those of JSON and UTF-8
        raise ConversionError(f"{file}: {error}") from error


def layout_from_description(description: Mapping[str, Any]) -> Layout:
    """Return the layout that a mapping describes.

    Args:
        description: `images`, the path of an image with {case} and {modality}; `label`, that of a label map with
            {case}, or several in order of preference; `modalities`, name -> what {modality} stands for, or several of
            it, or a list of "T1=t1". Besides, as one likes: `labels`, as "1=NCR,2=ED,4=ET" or value -> name; `patient`,
            a regular expression with one group, which is the patient, for a case's whole name; `name`, `title`;
            `prediction`, the file name of a prediction with {case}.

    Raises:
        ConversionError: that says which part is wrong, and what it should be.

    Example:
        >>> layout = layout_from_description({
        ...     "images": "{case}/{modality}.nii.gz", "label": "{case}/mask.nii.gz", "modalities": ["CT=ct", "PET=pet"],
        ... })
        >>> layout.modalities.names, layout.label_set
        (('CT', 'PET'), None)
    """
    _require_keys(description)
    images, image_ending = template_of("images", description["images"], ("case", "modality"))
    labels = [template_of("label", text, ("case",)) for text in texts_of("label", description["label"])]
    if any("modality" in names_in(path) for path, _ in labels):
        raise ConversionError("'label' has {modality}, but a label map belongs to all modalities of a case")
    patient = _patient(description.get("patient"), images)
    name = text_of("name", description.get("name", _UNNAMED))
    title = "a layout of your own" if name == _UNNAMED else name
    return Layout(
        name=name,
        title=text_of("title", description.get("title", title)),
        images=images,
        case="[^/]+?",
        channels=channels_of(description["modalities"]),
        labels=tuple(LabelPattern(path) for path, _ in labels),
        label_set=_label_set(description.get("labels")),
        patient=patient,
        endings=tuple(dict.fromkeys((image_ending, *(ending for _, ending in labels)))),
        prediction_name=_prediction_name(description.get("prediction", f"{{case}}{labels[0][1]}")),
        ignore_case=False,
    )


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise ConversionError(f"{doubled[0]!r} is there twice")
    return dict(pairs)


def _require_keys(description: Any) -> None:
    known = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
    if not isinstance(description, Mapping):
        raise ConversionError(f"A layout is described by an object with {', '.join(REQUIRED_KEYS)}")
    for key in description:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConversionError(f"The description of a layout has no {key!r}.{hint} It has {', '.join(known)}")
    missing = [key for key in REQUIRED_KEYS if key not in description]
    if missing:
        raise ConversionError(f"The description of the layout lacks {' and '.join(map(repr, missing))}")


def _label_set(value: Any) -> LabelSet | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_labels(value)
    is_table = isinstance(value, Mapping) and all(
        str(key).isdecimal() and isinstance(name, str) for key, name in value.items()
    )
    if not is_table:
        raise ConversionError(f"'labels' must be as \"1=NCR,2=ED,4=ET\", or map values to names; it is {value!r}")
    return label_set_from_names({int(key): name.strip() for key, name in value.items()}, "'labels'")


def _patient(value: Any, images: str) -> str:
    if value is None:
        return ""
    text = text_of("patient", value)
    if "patient" in names_in(images):
        raise ConversionError("The patient is told by {patient} in 'images' and by 'patient': give one of the two")
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ConversionError(f"'patient' is {text!r}, which is no regular expression: {error}") from error
    if groups != 1:
        raise ConversionError(
            f"'patient' is {text!r}: it must have one group in (), which is the patient, and has {groups}"
        )
    return text


def _prediction_name(value: Any) -> str:
    text = text_of("prediction", value)
    if names_in(text) != ["case"] or "/" in text or split_ending(text, ENDINGS) is None:
        raise ConversionError(f"'prediction' is {text!r}: it must be a file's name with {{case}}, as {{case}}.nii.gz")
    return text
