"""Checksums of files (L0: standard library only)."""

import hashlib
from pathlib import Path

_BLOCK = 1 << 20


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:  # hashlib.file_digest came with Python 3.11
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
