"""The parts of a description of a layout (L1')."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nnunetv2_mstkd.datasets.layouts.path_pattern import names_in
from nnunetv2_mstkd.datasets.layouts.source_files import split_ending
from nnunetv2_mstkd.errors import ConversionError, ModalityError
from nnunetv2_mstkd.modalities import Modalities

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".gipl")
_PLACEHOLDERS = ("case", "modality", "patient")


def text_of(key: str, value: Any) -> str:
    """Return a value that must be text.

    Raises:
        ConversionError: if it is none, or cannot be printed.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConversionError(f"{key!r} must be text; it is {value!r}")
    return value.strip()


def texts_of(key: str, value: Any) -> list[str]:
    """Return a value that must be text, or a list of texts.

    Raises:
        ConversionError: if it is neither.
    """
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise ConversionError(f"{key!r} is an empty list")
    return [text_of(key, one) for one in values]


def template_of(key: str, value: Any, needed: Iterable[str]) -> tuple[str, str]:
    """Return a template without its ending, and the ending.

    Args:
        key: what it is called in messages.
        value: the template.
        needed: placeholders that must be in it.

    Raises:
        ConversionError: if it can be no path, or its placeholders are not those.
    """
    text = text_of(key, value)
    split = split_ending(text, ENDINGS)
    if split is None:
        raise ConversionError(f"{key!r} is {text!r}: it must end in one of {', '.join(ENDINGS)}")
    path, ending = split
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise ConversionError(f"{key!r} is {text!r}: it must be relative to the dataset's folder, with / between names")
    names = names_in(path)
    unknown = [name for name in names if name not in _PLACEHOLDERS]
    if unknown or re.search(r"[{}]", re.sub(r"\{\w+\}", "", path)):
        choices = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
        raise ConversionError(f"{key!r} is {text!r}: what stands in braces must be one of {choices}")
    for name in needed:
        if name not in names:
            raise ConversionError(f"{key!r} is {text!r}: it must have {{{name}}} where the {name}'s name stands")
    return path.removeprefix("./"), ending.lower()


def channels_of(value: Any) -> dict[str, tuple[str, ...]]:
    """Return modality -> regular expressions, of which {modality} fits one.

    Args:
        value: name -> text or texts, or a list of "NAME=TEXT".

    Raises:
        ConversionError: if modalities are too few or doubled, or two have the same text.
    """
    pairs = (
        list(value.items()) if isinstance(value, Mapping) else [_pair(text) for text in texts_of("modalities", value)]
    )
    texts = [(text_of("modalities", name), texts_of("modalities", spellings)) for name, spellings in pairs]
    owner: dict[str, str] = {}
    for name, spellings in texts:
        for spelling in spellings:
            if spelling in owner:
                raise ConversionError(f"'modalities': {spelling!r} is given for {owner[spelling]!r} and for {name!r}")
            if "/" in spelling:
                raise ConversionError(f"'modalities': {spelling!r} of {name!r} has a /; folders belong into 'images'")
            owner[spelling] = name
    try:
        Modalities(tuple(name for name, _ in texts))
    except ModalityError as error:
        raise ConversionError(f"'modalities': {error}") from error
    return {name: tuple(map(re.escape, spellings)) for name, spellings in texts}


def _pair(text: str) -> tuple[str, str]:
    name, equals, spelling = text.partition("=")
    if not (name.strip() and equals and spelling.strip()):
        raise ConversionError(
            f"The modality {text!r} is not NAME=TEXT, as in T1ce=t1gd: TEXT is what files have for it"
        )
    return name.strip(), spelling.strip()
