"""What a scanner adds to a signal: bias field, resolution, partial volume, Rician noise and a scale of its own."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from nnunetv2_mstkd.datasets.demonstration.contrasts import MODALITIES
from nnunetv2_mstkd.datasets.demonstration.grid import Field, Grid, block_mean, smooth_noise

MAX_INTENSITY = 32767  # of the 16-bit integers that are written


@dataclass(frozen=True)
class Scanner:
    """One session on one scanner.

    Args:
        seed: of bias field and noise.
        bias: amplitude of the coils' smooth sensitivity, relative.
        in_plane_mm: blur in the slice, as the width of a Gaussian (FWHM), per modality.
        slice_mm: blur across slices (FWHM), per modality.
        noise: standard deviation in each of the two receiver channels, relative to white matter in T1, at 1 mm.
        intensity_scale: what a signal of 1 is stored as, per modality.
    """

    seed: tuple[int, ...]
    bias: float
    in_plane_mm: tuple[float, ...]
    slice_mm: tuple[float, ...]
    noise: float
    intensity_scale: tuple[float, ...]


def draw_scanner(rng: np.random.Generator, seed: tuple[int, ...]) -> Scanner:
    """Draw a session."""
    each = range(len(MODALITIES))
    return Scanner(
        seed=seed,
        bias=float(rng.uniform(0.05, 0.15)),
        in_plane_mm=tuple(float(rng.uniform(0.8, 1.5)) for _ in each),
        slice_mm=tuple(float(rng.choice([1.0, 1.0, 3.0, 4.0, 5.0])) for _ in each),  # thick slices are still common
        noise=float(rng.uniform(0.02, 0.05)),
        intensity_scale=tuple(float(np.exp(rng.uniform(np.log(600), np.log(4000)))) for _ in each),
    )


def acquire(scanner: Scanner, signal: Field, fine: Grid, factor: int, brain: np.ndarray) -> np.ndarray:
    """Return the images of one session.

    Args:
        scanner: the session.
        signal: (M, z, y, x), noise-free, on the fine grid; is overwritten.
        fine: the grid of `signal`.
        factor: fine voxels along the edge of an image's voxel.
        brain: (z, y, x), bool, at the image's resolution.

    Returns:
        int16 array (M, z, y, x): exactly 0 outside the brain, at least 1 inside it, in every modality.
    """
    rng = np.random.default_rng(scanner.seed)
    images = []
    for channel in range(len(MODALITIES)):
        bias = 1 + np.float32(scanner.bias) * smooth_noise(rng, fine, 60.0)
        image = _blurred(signal[channel] * bias, scanner, channel, fine.spacing_mm)
        image = _rician(block_mean(image, factor), scanner, fine.spacing_mm * factor, rng)
        stored = np.rint(image * np.float32(scanner.intensity_scale[channel]))
        images.append(np.where(brain, np.clip(stored, 1, MAX_INTENSITY), 0).astype(np.int16))
    return np.stack(images)


def _blurred(image: Field, scanner: Scanner, channel: int, spacing_mm: float) -> Field:
    fwhm = (scanner.slice_mm[channel], scanner.in_plane_mm[channel], scanner.in_plane_mm[channel])
    sigma = [width / 2.355 / spacing_mm for width in fwhm]
    return gaussian_filter(image, sigma, mode="nearest", truncate=3.0)


def _rician(image: Field, scanner: Scanner, spacing_mm: float, rng: np.random.Generator) -> Field:
    """Add complex noise and take the magnitude; larger voxels collect more signal, up to what scanners make of it."""
    white_matter_signal = 0.28
    sigma = np.float32(scanner.noise * white_matter_signal / min(spacing_mm, 2.0) ** 0.5)
    real = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    return np.hypot(real, sigma * rng.standard_normal(image.shape, dtype=np.float32))
