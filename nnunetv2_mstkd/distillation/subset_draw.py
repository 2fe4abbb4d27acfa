"""Which modalities a sample has in a training or validation step: pure functions of where the run is (L2).

Nothing is drawn from a running generator, so there is no state to save, ranks share nothing, and a continued run draws
what an uninterrupted one would have drawn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from nnunetv2_mstkd.modalities import Modalities


def draw_subset_codes(
    num_modalities: int, batch_size: int, *, seed: int, epoch: int, iteration: int, rank: int = 0
) -> np.ndarray:
    """Draw one non-empty subset for each sample, uniform over all 2^M - 1.

    Returns:
        int64 (B,): codes as `Modalities.subset_from_code` reads them, bit c for channel c.
    """
    draws = [
        np.random.default_rng((seed, epoch, iteration, rank, sample)).integers(1, 2**num_modalities)
        for sample in range(batch_size)
    ]
    return np.array(draws, dtype=np.int64)


def cycle_subset_codes(
    modalities: Modalities, batch_size: int, *, iteration: int, rank: int = 0, world_size: int = 1
) -> np.ndarray:
    """Return the subsets of one validation step: all of them in turn, in canonical order, the same in every epoch."""
    codes = _canonical_codes(modalities)
    first = (iteration * world_size + rank) * batch_size
    places = np.arange(first, first + batch_size)
    # Each round starts one later: nnU-Net forces foreground into the last places of a batch, and without the shift a
    # batch size that divides the number of subsets would give these places to the same subsets always.
    return codes[(places + places // len(codes)) % len(codes)]


@lru_cache(maxsize=8)
def _canonical_codes(modalities: Modalities) -> np.ndarray:
    return np.array([sum(1 << channel for channel in s.channels) for s in modalities.subsets()], dtype=np.int64)


def modality_mask_from_codes(codes: np.ndarray, num_modalities: int) -> Tensor:
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
