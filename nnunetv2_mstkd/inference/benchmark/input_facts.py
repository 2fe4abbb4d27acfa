"""Which files a case is made of, and what tells that one of them changed (L3)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.modalities import Modalities

_CHANNEL_SUFFIX = "_0000"  # of this length, whatever the channel


@dataclass(frozen=True)
class InputFiles:
    """The files of a case: with each TIFF the one that has its spacing.

    Args:
        images: by modality.
        reference: of the labels.
    """

    images: dict[str, tuple[Path, ...]]
    reference: tuple[Path, ...]

    @classmethod
    def of(cls, case: BenchmarkCase, modalities: Modalities, reader: ImageReader) -> "InputFiles":
        """Return the files that a reader takes a case from."""
        images = {
            modalities.names[channel]: _with_spacing(source.file, reader, len(_CHANNEL_SUFFIX))
            for channel, source in case.case.sources.items()
        }
        return cls(images, _with_spacing(case.reference, reader, 0))

    def stamps(self) -> dict[str, list[int]]:
        """Return (bytes, time of change in ns) by file: an ordinary change alters one of them.

        Raises:
            OSError: if a file is not there.
        """
        files = [file for group in (*self.images.values(), self.reference) for file in group]
        return {str(file.resolve()): [file.stat().st_size, file.stat().st_mtime_ns] for file in files}

    def checksums(self) -> dict[str, Any]:
        """Return the SHA-256 of `images` by modality and of the `reference`, as in the identity of a record.

        A TIFF has two: of itself, and after a + of the file with its spacing.

        Raises:
            OSError: if a file cannot be read.
        """
        checksum = lru_cache(maxsize=None)(sha256_of)  # several channels may lie in one file
        images = {name: "+".join(map(checksum, files)) for name, files in self.images.items()}
        return {"images": images, "reference": "+".join(map(checksum, self.reference))}


def _with_spacing(file: Path, reader: ImageReader, suffix_length: int) -> tuple[Path, ...]:
    """Return a file, and the one where nnU-Net's reader seeks its spacing, if it does and that is there."""
    case = file.stem[: len(file.stem) - suffix_length]
    beside = reader.spacing_file(file.with_name(case + file.suffix)) if case else None
    return (file, beside) if beside is not None and beside.is_file() else (file,)
