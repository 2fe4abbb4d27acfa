"""Which modalities the preprocessed cases have: by the table, checked against the data, or found from these (L3)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError, ShapeError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

# Zeros stay zeros in all that nnU-Net does but CT normalisation, which makes another constant of them. Resampling may
# leave rounding errors on that: nnU-Net's default none, its resample_torch_fornnunet 2 float32 ulps in 60 random grids.
# The tolerance is a part of the largest value, and small: an image may be noise on a large offset, or have a tiny unit.
CONSTANT_TOLERANCE = 8 * float(np.finfo(np.float32).eps)
_SLAB = 16  # slices of an array that has no chunks
MAX_TOLD = 10  # cases in a message


@dataclass(frozen=True)
class _Claim:
    """What a table says of a case."""

    present: ModalitySubset
    table: Path


def find_availability(
    base: Path, data: Path, modalities: Modalities, cases: Sequence[str], *, raw: Path | None = None
) -> Availability:
    """Return which modalities each preprocessed case has, and keep the table of it in `base`.

    The table in `base` counts, then that in `raw`; a case that neither lists is looked at. A modality is absent if it
    is constant in the whole volume. A case in which all of them are is a blank image (the outermost slice of a 2D
    dataset): it lacks nothing, unless a table says so. What a table claims is compared with the data of every case: a
    present modality costs a block of its voxels, an absent one all of them; cases in .npz files are read whole.
    Trainings that start at once find and write the same.

    Args:
        base: preprocessed dataset.
        data: its folder of cases of one configuration.
        modalities: of the dataset.
        cases: to know.
        raw: raw dataset, if it is there.

    Returns:
        What is known of `cases`, and of no others.

    Raises:
        CaseError: if a case cannot be read, or if a table cannot be read or contradicts the data.
    """
    if not cases:
        return Availability(modalities, {})
    kept = _claims(base, modalities)
    known = kept
    if raw is not None and not set(cases) <= set(kept):
        known = {**_claims(raw, modalities), **kept}
    found = _look_at(data, modalities, sorted(set(cases)), known)
    if not set(known) | set(found) <= set(kept):
        everything = {case: claim.present for case, claim in known.items()} | found
        with suppress(OSError):  # a folder that may only be read: it is found again the next time
            write_availability(base / AVAILABILITY_FILE, Availability(modalities, everything))
    return Availability(modalities, found)


def _claims(folder: Path, modalities: Modalities) -> dict[str, _Claim]:
    file = folder / AVAILABILITY_FILE
    if not file.is_file():
        return {}
    return {case: _Claim(subset, file) for case, subset in read_availability(file, modalities).present.items()}


def _look_at(
    data: Path, modalities: Modalities, cases: Sequence[str], known: Mapping[str, _Claim]
) -> dict[str, ModalitySubset]:
    """Return what each case shows.

    Raises:
        CaseError: if one is not what a table claims; the message lists all that are not.
    """
    dataset = infer_dataset_class(str(data))(str(data), list(cases))
    found: dict[str, ModalitySubset] = {}
    faults: list[str] = []
    for case in cases:
        shown = _shown(dataset, case, modalities)
        claim = known.get(case)
        if not any(shown) and (claim is None or claim.present == modalities.all):
            found[case] = modalities.all  # blank: its zeros are data
        elif claim is not None and (fault := _contradiction(claim, shown, modalities)):
            faults.append(f"{case}: {fault}")
        else:
            found[case] = ModalitySubset(modalities, shown)
    if faults:
        more = f"\nand {len(faults) - MAX_TOLD} more" if len(faults) > MAX_TOLD else ""
        raise CaseError("\n".join(faults[:MAX_TOLD]) + more)
    return found


def _contradiction(claim: _Claim, shown: Sequence[bool], modalities: Modalities) -> str | None:
    """Return in what a table and the data differ."""
    told = [
        f"{name} is {'present' if claimed else 'absent'} according to {claim.table}, but "
        + ("has voxels that differ" if seen else "is constant in the whole volume")
        for name, claimed, seen in zip(modalities, claim.present.present, shown, strict=True)
        if claimed != seen
    ]
    if not told:
        return None
    return f"{'; '.join(told)}. Mend the images and preprocess again, or delete the table to have it found again"


def _shown(dataset: Any, case: str, modalities: Modalities) -> tuple[bool, ...]:
    """Return whether each channel of a case is an image."""
    try:
        voxels = dataset.load_case(case)[0]
        if len(voxels.shape) != 4 or voxels.shape[0] != len(modalities):
            raise ShapeError(f"it has the shape {voxels.shape}, but {len(modalities)} channels are needed")
        return tuple(not _is_constant(voxels, channel) for channel in range(len(modalities)))
    except MemoryError:
        raise  # the case is not at fault
    except Exception as error:  # of whichever file format
        raise CaseError(
            f"{case} in {dataset.source_folder} cannot be read: {type(error).__name__}: {error}. Preprocess it again"
        ) from error


def _is_constant(voxels: Any, channel: int) -> bool:
    """Return whether a channel of an array (C, z, y, x) on disk is constant; as a rule, a block tells that it is not.

    NaN and infinity are no constants: what holds them is no absent modality, but a broken one.
    """
    smallest, largest = np.inf, -np.inf
    for part in _parts(voxels):
        values = voxels[(channel, *part)]
        low, high = float(values.min()), float(values.max())  # NaN goes through both
        smallest, largest = min(smallest, low), max(largest, high)
        is_finite = np.isfinite(low) and np.isfinite(high)
        if not is_finite or largest - smallest > CONSTANT_TOLERANCE * max(abs(smallest), abs(largest)):
            return False
    return True


def _parts(voxels: Any) -> Iterator[tuple[slice, ...]]:
    """Yield the block in the middle, where heads are, then all chunks of a channel."""
    shape = voxels.shape[1:]
    chunk = getattr(voxels, "chunks", (1, _SLAB, *shape[1:]))[1:]
    block = getattr(voxels, "blocks", (1, 1, *shape[1:]))[1:]
    # whole blocks, as a part of one takes as long
    starts = [length // 2 // step * step for length, step in zip(shape, block, strict=True)]
    yield tuple(slice(start, start + step) for start, step in zip(starts, block, strict=True))
    for corner in np.ndindex(*(-(-length // step) for length, step in zip(shape, chunk, strict=True))):
        yield tuple(slice(i * step, (i + 1) * step) for i, step in zip(corner, chunk, strict=True))
