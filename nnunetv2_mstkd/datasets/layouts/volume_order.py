"""What the dataset.json of a dataset of 4D files says, against what its layout says (L1')."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.datasets.layouts.label_names import label_set_from_names
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.sequence_name import known_sequence


def require_volume_order(layout: Layout, image: Path, files: Iterable[Path]) -> None:
    """Refuse a dataset whose own description contradicts its layout; without a description nothing is refused.

    Args:
        layout: of 4D files; for others nothing is done.
        image: one of the images; the description lies beside its folder.
        files: of the dataset.

    Raises:
        ConversionError: if the description cannot be read, or has another order of the volumes or other labels.
    """
    description = image.parent.parent / "dataset.json"
    if not layout.volumes or description not in set(files):
        return
    try:
        content: Any = json.loads(description.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{description} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise ConversionError(f"{description} must be an object, as the Decathlon has it")
    _require_order(layout, description, content.get("modality"))
    _require_labels(layout, description, content.get("labels"))


def _require_order(layout: Layout, description: Path, modality: Any) -> None:
    if not isinstance(modality, Mapping) or not all(str(key).isdecimal() for key in modality):
        return
    given = [str(modality[key]) for key in sorted(modality, key=int)]
    if [known_sequence(name) for name in given] != list(layout.volumes):
        raise ConversionError(
            f"{description} says that the volumes are {', '.join(given)}; in the layout {layout.name!r} they are "
            f"{', '.join(layout.volumes)}. Is it another dataset?"
        )


def _require_labels(layout: Layout, description: Path, labels: Any) -> None:
    if not isinstance(labels, Mapping) or not all(str(key).isdecimal() for key in labels):
        return
    given = label_set_from_names({int(key): str(name) for key, name in labels.items()}, f"The labels of {description}")
    if layout.label_set is not None and given != layout.label_set:
        raise ConversionError(
            f"{description} says that the labels are {dict(given.meanings)}; in the layout {layout.name!r} they are "
            f"{dict(layout.label_set.meanings)}. Is it another dataset? --labels overrides both"
        )
