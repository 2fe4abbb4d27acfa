"""The one file ending that an nnU-Net dataset has (L1')."""

from collections import Counter
from pathlib import Path

from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset
from nnunetv2_mstkd.datasets.layouts.description_parts import ENDINGS


def ending_of(file: Path) -> str | None:
    """Return which of the endings a file has, in lower case; None if it has none of them."""
    return next((ending for ending in ENDINGS if file.name.lower().endswith(ending)), None)


def dataset_ending(checked: CheckedDataset) -> str:
    """Return the ending that most images have, so that few of them must be written anew.

    4D files do not count: their volumes are written in any case. Where nothing else is there, it is the first one.
    """
    files = {
        source.file
        for report in checked.reports
        for source in report.case.images.values()
        if source.volume is None and report.files[source.file].dimension == 3
    }
    count = Counter(ending for ending in map(ending_of, files) if ending is not None)
    return max(ENDINGS, key=lambda ending: (count[ending], -ENDINGS.index(ending)))
