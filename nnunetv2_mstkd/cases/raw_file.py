"""What the bytes of a file show, and its reader does not tell (L1').

SimpleITK reads a NIfTI or GIPL file that breaks off without a word; what is missing is whatever was in memory. In NIfTI
files it also turns NaN and infinite voxels into zeros.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import IO

import numpy as np

from nnunetv2_mstkd.cases.voxels import find_non_finite

Content = IO[bytes] | gzip.GzipFile

_BLOCK = 2**20
_HEADER = 540  # bytes; of NIfTI-2, those of NIfTI-1 and GIPL are shorter
_NIFTI_FLOATS = {16: "f4", 64: "f8"}  # data type -> numpy's
_GIPL_HEADER = 256
_GIPL_BYTES = {7: 1, 8: 1, 15: 2, 16: 2, 31: 4, 32: 4, 64: 4, 65: 8}  # data type -> bytes of a voxel


@dataclass(frozen=True)
class RawFile:
    """What is wrong with a file.

    Args:
        damage: why it is not whole; None if nothing shows that.
        non_finite: for each volume of a NIfTI file of floats, its NaN and infinite voxels; None if there are none, or
            all are NaN.
    """

    damage: str | None = None
    non_finite: tuple[str | None, ...] = ()

    def non_finite_of(self, volume: int) -> str | None:
        """Return the NaN and infinite voxels of a volume, None also where they were not looked for."""
        return self.non_finite[volume] if volume < len(self.non_finite) else None


@dataclass(frozen=True)
class _Layout:
    """Where the voxels are: `volumes` blocks of `length` bytes from `offset` on; `dtype` if they are floats."""

    offset: int
    volumes: int
    length: int
    dtype: np.dtype | None = None


def inspect_raw(file: Path) -> RawFile:
    """Look at the bytes of a file, and for its whole length.

    Compressed data are compared with their checksum, NIfTI and GIPL files with their headers. Other formats are left to
    their readers, which see what is wrong; so is a file that is not there.

    Raises:
        OSError: if the file cannot be read at all.
    """
    if not file.is_file():
        return RawFile()
    try:
        with _decompressed(file) as content:
            header = content.read(_HEADER)
            layout = _gipl_layout(header) if file.suffix.lower() == ".gipl" else _nifti_layout(header)
            found = RawFile() if layout is None else _inspect_volumes(content, layout)
            while content.read(_BLOCK):  # gzip compares the checksum at the end
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return RawFile(f"its compressed data break off or are damaged ({error})")
    return found


@contextmanager
def _decompressed(file: Path) -> Iterator[Content]:
    with open(file, "rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"  # whatever its name says
        raw.seek(0)
        if is_gzip:
            with gzip.open(raw) as content:
                yield content
        else:
            yield raw


def _inspect_volumes(content: Content, layout: _Layout) -> RawFile:
    content.seek(layout.offset)
    non_finite = []
    for number in range(layout.volumes):
        volume = content.read(layout.length)
        if len(volume) < layout.length:
            expected = layout.offset + layout.volumes * layout.length
            there = layout.offset + number * layout.length + len(volume)
            return RawFile(f"it breaks off: its header stands for {expected} bytes, and {there} are there")
        non_finite.append(None if layout.dtype is None else find_non_finite(np.frombuffer(volume, layout.dtype)))
    return RawFile(None, tuple(non_finite))


def _nifti_layout(header: bytes) -> _Layout | None:
    """Return the layout of a NIfTI file with this header; None if it is none."""
    for order in "<>":
        if header[344:347] == b"n+1" and unpack_from(f"{order}i", header)[0] == 348:
            num_dims, *dims = unpack_from(f"{order}8h", header, 40)
            data_type, bits = unpack_from(f"{order}2h", header, 70)
            offset = int(unpack_from(f"{order}f", header, 108)[0])
        elif header[4:7] == b"n+2" and len(header) == unpack_from(f"{order}i", header)[0] == 540:
            data_type, bits, num_dims, *dims = unpack_from(f"{order}2h8q", header, 12)
            offset = unpack_from(f"{order}q", header, 168)[0]
        else:
            continue
        dtype = np.dtype(order + _NIFTI_FLOATS[data_type]) if data_type in _NIFTI_FLOATS else None
        dims = dims[:num_dims]
        return _Layout(offset, math.prod(dims[3:]), math.prod(dims[:3]) * bits // 8, dtype)
    return None


def _gipl_layout(header: bytes) -> _Layout | None:
    """Return the layout of a GIPL file with this header; None if its type is unknown."""
    if len(header) < _GIPL_HEADER:
        return None
    *dims, data_type = unpack_from(">5H", header)
    voxels = math.prod(max(1, length) for length in dims)
    return _Layout(_GIPL_HEADER, 1, voxels * _GIPL_BYTES[data_type]) if data_type in _GIPL_BYTES else None
