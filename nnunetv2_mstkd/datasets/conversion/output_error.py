"""What is told of files that cannot be written (L1')."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunetv2_mstkd.errors import OutputError


@contextmanager
def output_errors(file: Path) -> Iterator[None]:
    """Turn what can go wrong while a file or a folder is written into an error that says what to do.

    Raises:
        OutputError: naming the file.
    """
    try:
        yield
    except OutputError:
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: of SimpleITK
        raise OutputError(
            f"{file} could not be written: {error}. Make room or mend the permissions, and repeat the command: it goes "
            "on; or choose another folder"
        ) from error
