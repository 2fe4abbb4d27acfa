"""What can be refused before any image is read (L1')."""

from collections.abc import Iterator
from pathlib import Path

from nnunetv2_mstkd.datasets.conversion.file_ending import ending_of
from nnunetv2_mstkd.datasets.conversion.link_root import VARIABLE, LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.conversion.splits import require_splits
from nnunetv2_mstkd.datasets.layouts.label_set import target_labels
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.errors import ConversionError


def require_prerequisites(source: SourceDataset, root: LinkRoot, options: ConversionOptions) -> None:
    """Check what names and options tell: to read all images takes long.

    Args:
        source: as it was scanned.
        root: where links are named from.
        options: how it is to be converted.

    Raises:
        ConversionError: if the preset is not for these labels, the splits cannot be had, or nnU-Net would not find a
            file by the name that dataset.json gives it.
    """
    if source.label_set is not None:
        target_labels(source.label_set, options.preset)
    require_splits(source, options)
    if options.storage == "link":
        _require_names(source, root, options)


def _require_names(source: SourceDataset, root: LinkRoot, options: ConversionOptions) -> None:
    for case in source.cases:
        if VARIABLE.search(case.name):
            raise ConversionError(
                f"nnU-Net would replace a variable in the name of the case {case.name!r}, as that of its files is in "
                "dataset.json: rename it, or use --copy or --symlink"
            )
    for file in _linked(source, options):
        root.name(file)


def _linked(source: SourceDataset, options: ConversionOptions) -> Iterator[Path]:
    """Yield the files that stay in their place, as far as that is known yet."""
    keeps_labels = source.label_set is not None and not target_labels(source.label_set, options.preset).changes
    for case in source.cases:
        files = [image.file for image in case.images.values() if image.volume is None]
        files += [case.label] if case.label is not None and keeps_labels else []
        yield from (file for file in files if ending_of(file) is not None)
