"""dataset.json of the dataset that is made (L1')."""

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset
from nnunetv2_mstkd.datasets.conversion.entry import LABEL, Entry
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.layouts.label_set import Preset, TargetLabels

SECTION = "mstkd_conversion"  # nnU-Net copies dataset.json to models and predictions: it holds the way back


def describe_dataset(
    name: str,
    checked: CheckedDataset,
    labels: TargetLabels,
    preset: Preset,
    ending: str,
    links: Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Return the content of dataset.json; the order of the labels is meaning.

    Args:
        name: of the dataset's folder.
        checked: what goes into it.
        labels: what becomes of the values.
        preset: of the labels.
        ending: of its files.
        links: `dataset` of dataset.json, of `links_of`; None where imagesTr has everything.
    """
    source = checked.source
    order = {} if labels.regions_class_order is None else {"regions_class_order": list(labels.regions_class_order)}
    return {
        "channel_names": {str(channel): modality for channel, modality in enumerate(source.modalities)},
        "labels": dict(labels.labels),
        **order,
        "numTraining": len(checked.reports),
        "file_ending": ending,
        "name": name,
        "description": f"{source.title}, converted by mstkd convert",
        SECTION: {
            "layout": source.layout,
            "title": source.title,
            "preset": preset,
            "native_labels": {str(value): native for value, native in sorted(labels.native_values.items())},
            "prediction_name": source.prediction_name,
        },
        **({} if links is None else {"dataset": dict(links)}),
    }


def links_of(cases: Sequence[Sequence[Entry]], root: LinkRoot) -> dict[str, dict[str, Any]]:
    """Return case -> its files as nnU-Net finds them: images in channel order, and the label map.

    Args:
        cases: the entries of each.
        root: where files that stay in their place are named from; what is written is relative to the dataset.

    Raises:
        ConversionError: if a file cannot be named.
    """

    def told(entry: Entry) -> str:
        return root.name(entry.file) if entry.target is None else str(entry.target)

    return {
        entries[0].case: {
            "images": [told(entry) for entry in entries if entry.part != LABEL],
            "label": next(told(entry) for entry in entries if entry.part == LABEL),
        }
        for entries in cases
    }
