"""Checksums of files (L0: standard library only)."""

import hashlib
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 20


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with open(file, "rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: BinaryIO) -> str:
    """Return the SHA-256 of what is left to read of an open file, in hexadecimal."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):  # hashlib.file_digest came with Python 3.11
        digest.update(block)
    return digest.hexdigest()
