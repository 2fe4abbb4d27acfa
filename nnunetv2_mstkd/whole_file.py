"""Files that are written whole or not at all (L0: standard library only)."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# two hosts, or two containers, that share a folder have processes of the same number
_ORIGIN = secrets.token_hex(4)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes the place of `path` when the block ends.

    So `path` holds either all of it or what it held before, also after an error, a kill or a power cut. Processes that
    write the same path do not disturb each other, on whatever host: the last one to end wins.
    """
    # The process stays a part of it: forked ones share the origin. All files of a process begin alike, as some writers
    # make two files of one name. The suffix stays the last part: writers of images choose the format by it.
    temporary = path.with_name(f".partial_{_ORIGIN}{os.getpid()}_{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
