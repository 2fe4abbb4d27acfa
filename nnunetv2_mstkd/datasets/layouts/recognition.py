"""Which layout a dataset has, by the names of its files (L1')."""

import difflib
import re
from collections.abc import Mapping, Sequence

from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.datasets.layouts.source_files import SourceFile, SourceListing
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS
from nnunetv2_mstkd.errors import ConversionError

_NNUNET = re.compile(r"(?:.+/)?images(?:Tr|Ts)/.+_\d{4}")
_SHOWN = 3


def recognise(listing: SourceListing) -> tuple[Layout, ...]:
    """Return the layout of a dataset, or all that it may have where they differ in nothing but the meaning of labels.

    Raises:
        ConversionError: if there is no image, the names are of no known layout, or of several.
    """
    if not listing.files:
        raise ConversionError(f"{listing.root} has no image: looked for .nii.gz and .nii in it and in all its folders")
    hits = {layout.name: {file.path for file in images_of(listing, layout)} for layout in LAYOUTS}
    found = set().union(*hits.values())
    if not found:
        raise ConversionError(_unknown(listing))
    fitting = [layout for layout in LAYOUTS if hits[layout.name] == found]
    if not fitting:
        raise ConversionError(_mixed(listing, hits))
    is_same = all(layout.label_set == fitting[0].label_set for layout in fitting)
    return (fitting[0],) if is_same else tuple(fitting)


def layout_called(name: str) -> Layout:
    """Return the layout of a name.

    Raises:
        ConversionError: if there is none; the message has the nearest name and the list.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    begun = [known for known in BY_NAME if known.startswith(name.lower())]
    close = begun if len(begun) == 1 else difflib.get_close_matches(name.lower(), list(BY_NAME), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConversionError(f"There is no layout {name!r}.{hint} {_known()}")


def images_of(listing: SourceListing, layout: Layout) -> list[SourceFile]:
    """Return the files that are images of a layout."""
    return [
        file
        for file in listing.files
        if layout.image_pattern.match(file.path) and not is_excluded(file.path, layout.excluded)
    ]


def is_excluded(path: str, expression: str) -> bool:
    """Return whether a path is one that an expression of a layout names; none is, if that is empty."""
    return bool(expression) and re.search(expression, path, re.IGNORECASE) is not None


def no_image_of(listing: SourceListing, layout: Layout) -> ConversionError:
    """Return the error that a folder has nothing of the layout that was asked for."""
    others = [other.name for other in LAYOUTS if images_of(listing, other)]
    hint = f" It looks like {' or '.join(others)}." if others else ""
    return ConversionError(
        f"{listing.root} has no image of the layout {layout.name!r}, {_pattern(layout)}.{hint} {_examples(listing)}"
    )


def _unknown(listing: SourceListing) -> str:
    is_nnunet = any(_NNUNET.fullmatch(file.path) for file in listing.files)
    hint = " It looks like an nnU-Net dataset: `mstkd convert --check` examines those." if is_nnunet else ""
    return (
        f"{listing.root} has names of no known layout.{hint or _other_folder(listing)} {_examples(listing)} {_known()} "
        "Others are described with --images, --label, --modality and --labels, or in a JSON file: "
        "docs/reference/layouts.md"
    )


def _other_folder(listing: SourceListing) -> str:
    """Return a hint where the folder below or above has a layout, as BIDS and the Decathlon demand their own root."""
    for file in listing.files:
        above = f"{listing.root.resolve().name}/{file.path}"
        below = file.path.partition("/")[2]
        for layout in LAYOUTS:
            if layout.image_pattern.match(above):
                return f" It looks like a part of {layout.name}: give the folder above it."
            if below and layout.image_pattern.match(below):
                return f" {file.path.partition('/')[0]} in it looks like {layout.name}: give that folder."
    return ""


def _mixed(listing: SourceListing, hits: Mapping[str, set[str]]) -> str:
    told = "; ".join(f"{name}: {len(paths)}, as {min(paths)}" for name, paths in hits.items() if paths)
    return (
        f"{listing.root} has images of several layouts ({told}). Give the folder of one of them, or take one with "
        "--layout: the others are then passed over"
    )


def _examples(listing: SourceListing) -> str:
    shown = ", ".join(file.path for file in _spread(listing.files))
    return f"Found {len(listing.files)} images, as {shown}." if listing.files else "It has no image at all."


def _spread(files: Sequence[SourceFile]) -> Sequence[SourceFile]:
    return files[:: max(1, len(files) // _SHOWN)][:_SHOWN]


def _known() -> str:
    return f"The layouts are {', '.join(BY_NAME)}."


def _pattern(layout: Layout) -> str:
    return f"whose images are {layout.images} with {layout.case} for {{case}}"
