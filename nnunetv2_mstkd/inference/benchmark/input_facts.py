"""Which files a case of a benchmark is made of, and what tells that one of them changed (L3)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.input_files import files_of_image, files_of_labels, stamps_of
from nnunetv2_mstkd.modalities import Modalities


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
            modalities.names[channel]: files_of_image(source.file, reader)
            for channel, source in case.case.sources.items()
        }
        return cls(images, files_of_labels(case.reference, reader))

    def stamps(self) -> dict[str, list[int]]:
        """Return (bytes, time of change in ns) by file: an ordinary change alters one of them.

        Raises:
            OSError: if a file is not there.
        """
        return stamps_of(file for group in (*self.images.values(), self.reference) for file in group)

    def checksums(self) -> dict[str, Any]:
        """Return the SHA-256 of `images` by modality and of the `reference`, as in the identity of a record.

        A TIFF has two: of itself, and after a + of the file with its spacing.

        Raises:
            OSError: if a file cannot be read.
        """
        checksum = lru_cache(maxsize=None)(sha256_of)  # several channels may lie in one file
        images = {name: "+".join(map(checksum, files)) for name, files in self.images.items()}
        return {"images": images, "reference": "+".join(map(checksum, self.reference))}
