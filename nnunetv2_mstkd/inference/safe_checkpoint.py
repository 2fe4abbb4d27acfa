"""Checkpoints of strangers: loaded without executing code (L3).

A checkpoint is a pickle, and unpickling calls whatever the file names. PyTorch's restricted loader (`weights_only`)
knows tensors and plain containers; nnU-Net's checkpoints also hold numpy numbers, in the record of the training. They
are read by stand-ins here: no function of numpy is ever called with arguments from a file.
"""

import os
import pickle
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from nnunetv2_mstkd.checksum import sha256_of_stream
from nnunetv2_mstkd.errors import CheckpointError, UntrustedCheckpointError

WEIGHTS, TRAINER_NAME, INIT_ARGS = "network_weights", "trainer_name", "init_args"
CONFIGURATION = "configuration"  # in INIT_ARGS
MIRRORING_AXES = "inference_allowed_mirroring_axes"  # absent in early checkpoints of nnU-Net v2

_NUMBER = re.compile(r"b1|[iu][1248]|f[248]")  # kind and bytes, as numpy writes them
# what numpy pickles of such a dtype: version, byte order, and that there is no subarray, no field, no flag
_NUMBER_STATES = [(3, order, None, None, None, -1, -1, 0) for order in "<|"]
_WANTED = re.compile(r"GLOBAL (\S+)")
_CAUSE = re.compile(r"WeightsUnpickler error: (.*)")
_LOCK = threading.Lock()


def load_checkpoint(file: Path, *, trust: bool = False) -> dict[str, Any]:
    """Load what prediction needs of a checkpoint, of nnU-Net or of ours, onto the CPU.

    The file is read whole (nnU-Net may rewrite it any time, which a mapped file would not survive), and all else in
    it, such as the optimiser's state, is let go of at once.

    Args:
        file: written by torch.save.
        trust: whether the file may execute code.

    Returns:
        `network_weights` (tensors by name), `trainer_name`, `init_args` with at least `configuration`, and
        `inference_allowed_mirroring_axes` if there is one.

    Raises:
        UntrustedCheckpointError: if the file holds more than tensors, numbers, texts and containers; not with `trust`.
        CheckpointError: if it is missing, damaged or no checkpoint of nnU-Net.
    """
    return load_hashed_checkpoint(file, trust=trust)[0]


def load_hashed_checkpoint(file: Path, *, trust: bool = False) -> tuple[dict[str, Any], str]:
    """Load a checkpoint as `load_checkpoint` does, and return it with the SHA-256 of the very file that was loaded.

    The file is opened once: one that is put in its place meanwhile, by a training that goes on, changes neither.

    Raises:
        UntrustedCheckpointError, CheckpointError: as `load_checkpoint`, and if the file is written to meanwhile.
    """
    content, sha256 = _read(file, trust)
    if problem := _what_is_wrong(content):
        raise CheckpointError(f"{file} is not a checkpoint of nnU-Net: {problem}")
    kept = (WEIGHTS, TRAINER_NAME, INIT_ARGS, MIRRORING_AXES)
    return {key: content[key] for key in kept if key in content}, sha256


def _what_is_wrong(content: Any) -> str | None:
    kinds = {WEIGHTS: dict, TRAINER_NAME: str, INIT_ARGS: dict}
    if not isinstance(content, dict):
        return f"it holds one {type(content).__name__}"
    if missing := [key for key in kinds if key not in content]:
        return f"it has no {', '.join(missing)}"
    if wrong := [key for key, kind in kinds.items() if not isinstance(content[key], kind)]:
        return f"its {wrong[0]} is a {type(content[wrong[0]]).__name__}"
    if not all(isinstance(tensor, Tensor) for tensor in content[WEIGHTS].values()):
        return f"its {WEIGHTS} are not all tensors"
    if not isinstance(content[INIT_ARGS].get(CONFIGURATION), str):
        return f"its {INIT_ARGS} name no {CONFIGURATION}"
    return None


def _read(file: Path, trust: bool) -> tuple[Any, str]:
    """Return what a file holds, and its SHA-256."""
    if not trust:
        _require_safe_loader(torch.__version__)
    try:
        with open(file, "rb") as stream:
            before = os.fstat(stream.fileno())
            sha256 = sha256_of_stream(stream)
            _require_whole(stream)
            stream.seek(0)
            content = _unpickled(stream, trust)
            after = os.fstat(stream.fileno())
    except Exception as error:  # a damaged file, or one that is something else, can make the loader raise anything
        is_refusal = isinstance(error, pickle.UnpicklingError)
        if is_refusal and (wanted := _WANTED.search(str(error))):
            raise UntrustedCheckpointError(_untrusted(file, wanted[1])) from error
        cause = _CAUSE.search(str(error)) if is_refusal else None
        shown = cause[1] if cause else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{file} cannot be read ({shown}): it is missing, damaged or no checkpoint") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise CheckpointError(f"{file} was written to while it was read: give the command again when that is over")
    return content, sha256


def _unpickled(stream: BinaryIO, trust: bool) -> Any:
    if trust:
        return torch.load(stream, map_location="cpu", weights_only=False)
    with _only_numbers_allowed():
        return torch.load(stream, map_location="cpu", weights_only=True)


def _require_safe_loader(version: str) -> None:
    major, minor = (int(number) for number in version.split(".")[:2])
    if (major, minor) < (2, 6):
        raise UntrustedCheckpointError(
            f"PyTorch {version} executes code from a checkpoint even in its restricted loader (CVE-2025-32434): "
            f"update PyTorch, at best to 2.10 or later. For checkpoints of your own: --trust-checkpoint, or "
            f"trust_checkpoint=True in Python"
        )


def _require_whole(file: BinaryIO) -> None:
    """Check what torch.load does not look at in a zip file, which is what torch.save writes: checksums and sizes."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            # torch.save does not compress; what is compressed may unpack to any size
            if packed := [info.filename for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]:
                raise zipfile.BadZipFile(f"{packed[0]} is compressed")
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def _untrusted(file: Path, wanted: str) -> str:
    return (
        f"{file} is refused: it asks for {wanted}, so that loading it would execute code of the file's choice. If you "
        f"trust who made it, --trust-checkpoint (trust_checkpoint=True in Python) loads it all the same"
    )


# --- numpy's numbers -------------------------------------------------------------------------------------------------


class _NumberType:
    """Stands in for numpy.dtype, for numbers alone.

    It is as strict as this because the real one is not: with the flags of a pickled state a dtype of numbers can be
    told to hold pointers. What passes here is harmless to nnU-Net's unrestricted loader, too.
    """

    def __init__(self, code: Any, *_align_and_copy: Any) -> None:
        if not (isinstance(code, str) and _NUMBER.fullmatch(code)):
            raise pickle.UnpicklingError(f"GLOBAL numpy.dtype of {code!r}")
        self.dtype = np.dtype(f"<{code}")

    def __setstate__(self, state: Any) -> None:
        """Refuse any state but that of a number."""
        if state not in _NUMBER_STATES:
            raise pickle.UnpicklingError(f"GLOBAL numpy.dtype with the state {state!r}")


def _number(number_type: _NumberType, data: bytes) -> bool | int | float:
    """Stands in for numpy's `scalar`: a number of Python's from the bytes of one of numpy's."""
    return np.frombuffer(data, number_type.dtype)[0].item()


# numpy 1 and numpy 2 have different names for one function
_ALLOWED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_NumberType, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
]


@contextmanager
def _only_numbers_allowed() -> Iterator[None]:
    """Let PyTorch's restricted loader know the stand-ins, and nothing that others in this process have allowed it."""
    with _LOCK:  # the list is one for the whole process
        others = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(_ALLOWED)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)
