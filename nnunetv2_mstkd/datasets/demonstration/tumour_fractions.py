"""A glioma on a grid: irregular core with a necrotic centre and an enhancing rim, oedema along white matter."""

import numpy as np

from nnunetv2_mstkd.datasets.demonstration.anatomy import CSF, WHITE, Anatomy, tissue_fractions
from nnunetv2_mstkd.datasets.demonstration.grid import Field, Grid, head_grid, smooth_noise, volume_grid
from nnunetv2_mstkd.datasets.demonstration.tumour import COARSE_MM, Tumour

NECROSIS, NON_ENHANCING, ENHANCING, OEDEMA = range(4)  # tumour fractions, in this order

WHITE_DIFFUSION, GREY_DIFFUSION = 1.0, 0.1  # voxels^2 a unit of time; models of glioma growth use a ratio of 5 to 10
GROWTH_RATE = 1.0  # with it the front is about one coarse voxel wide and moves two a unit of time in white matter
GROWTH_STEP = 0.15  # explicit Euler is stable below 1/6


def tumour_fractions(tumour: Tumour, anatomy: Anatomy, grid: Grid, tissues: Field, brain: Field) -> Field:
    """Evaluate a tumour on a grid.

    Args:
        tumour: at the time of the scan.
        anatomy: of the patient; the oedema follows its white matter.
        grid: where.
        tissues: (4, z, y, x), the healthy fractions there; oedema spares CSF.
        brain: (z, y, x) in [0, 1].

    Returns:
        Fractions (4, z, y, x) of NECROSIS, NON_ENHANCING, ENHANCING and OEDEMA; what remains to 1 is healthy.
    """
    rng = np.random.default_rng(tumour.seed)
    depth = _depth_mm(tumour, grid, rng)
    core = _inside(depth) * brain
    thickness = np.float32(tumour.rim_mm) * (1 + np.float32(0.35) * smooth_noise(rng, grid, 11.0))
    gap = smooth_noise(rng, grid, 9.0)
    if tumour.enhancing:
        necrosis = _inside(depth - np.maximum(thickness, np.float32(2.5))) * brain
        threshold = np.float32(2.6 - 4.2 * tumour.gaps)  # of a field of standard deviation 1
        solid = np.clip(core - necrosis, 0, 1)
        non_enhancing = solid * np.clip(3 * (gap - threshold), 0, 1)
        enhancing = solid - non_enhancing
    else:
        necrosis, enhancing, non_enhancing = np.zeros_like(core), np.zeros_like(core), core
    oedema = _oedema(tumour, anatomy, grid) * (1 - core) * (1 - tissues[CSF]) * brain
    return np.stack([necrosis, non_enhancing, enhancing, oedema])


def _depth_mm(tumour: Tumour, grid: Grid, rng: np.random.Generator) -> Field:
    """Return how deep a place lies in the core; negative outside."""
    rough, fine = smooth_noise(rng, grid, 16.0), smooth_noise(rng, grid, 7.0)
    wobble = 1 + np.float32(tumour.irregularity) * (rough + np.float32(0.4) * fine)
    depths = []
    for focus in tumour.foci:
        squares = [(a - np.float32(c)) ** 2 for a, c in zip(grid.axes_mm, focus.centre_mm, strict=True)]
        depths.append(np.float32(focus.radius_mm) * np.maximum(wobble, np.float32(0.4)) - np.sqrt(sum(squares)))
    return np.max(depths, axis=0)


def _inside(depth_mm: Field, width_mm: float = 2.0) -> Field:
    """Turn a depth into a fraction: 0 outside, 1 inside, with a border of finite width."""
    return np.clip(depth_mm / np.float32(width_mm) + np.float32(0.5), 0, 1)


def _oedema(tumour: Tumour, anatomy: Anatomy, grid: Grid) -> Field:
    """Spread fluid from the core by diffusion that is fast in white matter, slow in grey, and stopped by CSF.

    The front of a Fisher-KPP equation, du/dt = div(D grad u) + r u (1 - u), the usual model of glioma growth, moves at
    2 sqrt(D r): it is followed for as long as it takes to go `oedema_mm` where white matter conducts best.
    """
    coarse = head_grid(volume_grid(COARSE_MM))
    tissues, brain = tissue_fractions(anatomy, coarse, tumour.mass_effects)
    diffusion = (WHITE_DIFFUSION * tissues[WHITE] + GREY_DIFFUSION * (1 - tissues[WHITE])) * (1 - tissues[CSF])
    rng = np.random.default_rng(tumour.seed)
    u = _inside(_depth_mm(tumour, coarse, rng))
    tracts = np.exp(
        np.float32(1.6) * smooth_noise(rng, coarse, 8.0) - np.float32(0.4)
    )  # fibre bundles lead better than what crosses them
    diffusion = np.where(brain > 0.5, np.minimum(diffusion * tracts, WHITE_DIFFUSION), 0).astype(np.float32)
    box = _box_around(u, reach=int(np.ceil((tumour.oedema_mm + 12) / COARSE_MM)))
    u[box] = _react_and_diffuse(u[box], diffusion[box], tumour.oedema_mm / COARSE_MM)
    return np.clip(4 * (_resampled(u, coarse, grid) - np.float32(0.4)) + np.float32(0.5), 0, 1)


def _box_around(u: Field, reach: int) -> tuple[slice, slice, slice]:
    """Return the slices that hold all of u > 0 and `reach` voxels around it."""
    found = np.argwhere(u > 0)
    lower, upper = np.maximum(found.min(axis=0) - reach, 0), found.max(axis=0) + reach + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))  # type: ignore[return-value]


def _react_and_diffuse(u: Field, diffusion: Field, reach: float) -> Field:
    """Follow the front for the time in which it goes `reach` voxels where the diffusion is WHITE_DIFFUSION."""
    speed = 2 * (WHITE_DIFFUSION * GROWTH_RATE) ** 0.5 * GROWTH_STEP
    step = np.float32(GROWTH_STEP)
    u = u.copy()
    for _ in range(round(reach / speed)):
        change = np.float32(GROWTH_RATE) * u * (1 - u)
        for axis in range(3):
            ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            flow = np.minimum(diffusion[ahead], diffusion[behind]) * (u[ahead] - u[behind])
            change[behind] += flow
            change[ahead] -= flow
        u += step * change
    return u


def _resampled(field: Field, source: Grid, target: Grid) -> Field:
    """Interpolate linearly from one grid to another, axis by axis."""
    for axis in range(3):
        centres = source.axes_mm[axis].ravel()
        position = np.clip((target.axes_mm[axis].ravel() - centres[0]) / source.spacing_mm, 0, len(centres) - 1)
        first = np.minimum(position.astype(np.int64), len(centres) - 2)
        along = [1, 1, 1]
        along[axis] = -1
        t = (position - first).astype(np.float32).reshape(along)
        field = (1 - t) * np.take(field, first, axis=axis) + t * np.take(field, first + 1, axis=axis)
    return field
