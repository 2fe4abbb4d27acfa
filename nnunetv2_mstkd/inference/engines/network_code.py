"""The code of the package's networks, as one word for a key (L3)."""

import hashlib
from functools import cache
from pathlib import Path

from nnunetv2_mstkd import architectures
from nnunetv2_mstkd.checksum import sha256_of


@cache
def architectures_sha256() -> str:
    """Return the SHA-256 of the package's networks, read once: in a checkout its version stays as they change."""
    return sources_sha256(Path(architectures.__file__).parent)


def sources_sha256(folder: Path) -> str:
    """Return the SHA-256 of the names and the content of all Python files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()} {sha256_of(file)}\n".encode())
    return digest.hexdigest()
