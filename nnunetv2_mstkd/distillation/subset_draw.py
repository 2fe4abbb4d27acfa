"""Which modalities a sample has in a training or validation step: pure functions of where the run is (L2).

Nothing is drawn from a running generator, so there is no state to save, ranks share nothing, and a continued run draws
what an uninterrupted one would have drawn.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

Codes = NDArray[np.int64]  # (B,): a subset for each sample, bit c for channel c


def draw_subset_codes(
    available: Codes,
    num_modalities: int,
    *,
    seed: int,
    epoch: int,
    iteration: int,
    rank: int = 0,
    drop_probabilities: Sequence[float] | None = None,
) -> Codes:
    """Draw one non-empty subset of what each sample has.

    Args:
        available: int64 (B,), what there is of each sample: not 0.
        num_modalities: of the dataset.
        seed: of the training.
        epoch: from 0.
        iteration: within the epoch.
        rank: of the process.
        drop_probabilities: of each modality, below 1, by itself; where all that a sample has would go, the draw does
            not count. None draws uniformly over the non-empty subsets, which is the same as 0.5 for each.

    Returns:
        int64 (B,): codes as `Modalities.subset_from_code` reads them, bit c for channel c.
    """
    draws = []
    for sample, code in enumerate(available):
        rng = np.random.default_rng((seed, epoch, iteration, rank, sample))
        channels = [channel for channel in range(num_modalities) if code >> channel & 1]
        drop = None if drop_probabilities is None else [drop_probabilities[channel] for channel in channels]
        places = _draw(rng, len(channels), drop)
        draws.append(sum(1 << channel for place, channel in enumerate(channels) if places >> place & 1))
    return np.array(draws, dtype=np.int64)


def _draw(rng: np.random.Generator, count: int, drop_probabilities: Sequence[float] | None) -> int:
    """Draw a non-empty subset of `count` things, bit i for the i-th."""
    if count == 1:
        return 1
    if drop_probabilities is None:
        return int(rng.integers(1, 2**count))
    while True:
        kept = rng.random(count) >= drop_probabilities
        if kept.any():
            return int(kept @ (1 << np.arange(count)))


def cycle_subset_codes(
    modalities: Modalities, available: Codes, *, iteration: int, rank: int = 0, world_size: int = 1
) -> Codes:
    """Return the subsets of one validation step: all of them in turn, in canonical order, the same in every epoch.

    A sample that lacks modalities is seen without them; one that has nothing of its subset is seen with all it has.

    Args:
        modalities: of the dataset.
        available: int64 (B,), what there is of each sample.
        iteration: within the epoch.
        rank: of the process.
        world_size: number of processes.

    Returns:
        int64 (B,).
    """
    codes, batch_size = _canonical_codes(modalities), len(available)
    first = (iteration * world_size + rank) * batch_size
    places = np.arange(first, first + batch_size)
    # Each round starts one later: nnU-Net forces foreground into the last places of a batch, and without the shift a
    # batch size that divides the number of subsets would give these places to the same subsets always.
    turn = codes[(places + places // len(codes)) % len(codes)] & available
    return np.where(turn == 0, available, turn)


def subset_code(subset: ModalitySubset) -> int:
    """Return the code of a subset: bit c for channel c."""
    return sum(1 << channel for channel in subset.channels)


@lru_cache(maxsize=8)
def _canonical_codes(modalities: Modalities) -> Codes:
    return np.array([subset_code(subset) for subset in modalities.subsets()], dtype=np.int64)


def modality_mask_from_codes(codes: Codes, num_modalities: int) -> Tensor:
    """Return bool (B, M), True = present, for subset codes (B,)."""
    return torch.from_numpy((codes[:, None] >> np.arange(num_modalities) & 1).astype(bool))


def mask_modalities(image: Tensor, modality_mask: Tensor) -> Tensor:
    """Return the image (B, M, *S) with the channels that are False in the mask (B, M) set to zero."""
    absent = ~modality_mask.to(image.device, non_blocking=True)
    return image.masked_fill(absent.reshape(*absent.shape, *(1,) * (image.ndim - 2)), 0)


@contextmanager
def seeded_rng(device: torch.device, *entropy: int) -> Iterator[None]:
    """Run torch's random numbers (initial weights, dropout) from a seed, and put the generators back afterwards."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
