"""Which files an image is read from, and what tells that one of them changed (L3)."""

from collections.abc import Iterable
from pathlib import Path

from nnunetv2_mstkd.inference.image_reader import ImageReader

_CHANNEL_SUFFIX = "_0000"  # of this length, whatever the channel


def files_of_image(file: Path, reader: ImageReader) -> tuple[Path, ...]:
    """Return a channel's file, and the one where nnU-Net's reader seeks its spacing, if it does and that is there."""
    return _with_spacing(file, reader, len(_CHANNEL_SUFFIX))


def files_of_labels(file: Path, reader: ImageReader) -> tuple[Path, ...]:
    """Return a label map's file, and the one with its spacing, likewise."""
    return _with_spacing(file, reader, 0)


def stamps_of(files: Iterable[Path]) -> dict[str, list[int]]:
    """Return (bytes, time of change in ns) by file: an ordinary change alters one of them.

    Raises:
        OSError: if a file is not there.
    """
    return {str(file.resolve()): [file.stat().st_size, file.stat().st_mtime_ns] for file in files}


def _with_spacing(file: Path, reader: ImageReader, suffix_length: int) -> tuple[Path, ...]:
    case = file.stem[: len(file.stem) - suffix_length]
    beside = reader.spacing_file(file.with_name(case + file.suffix)) if case else None
    return (file, beside) if beside is not None and beside.is_file() else (file,)
