"""A patient's healthy anatomy: the template, moved, scaled and deformed, in fractions of four tissues."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from nnunetv2_mstkd.datasets.demonstration import template
from nnunetv2_mstkd.datasets.demonstration.grid import BRATS_EXTENT_MM, Field, Grid, smooth_noise

GREY, WHITE, CSF, LESION = range(4)  # tissue fractions, in this order; LESION: age-related white-matter lesions


@dataclass(frozen=True)
class Anatomy:
    """What distinguishes one patient's head from another's.

    Args:
        seed: of the smooth fields.
        scale: of the template along z, y, x.
        rotation_rad: about z, y, x.
        shift_mm: along z, y, x.
        warp_mm: amplitude of the smooth deformation.
        folding: how much the patient's gyri differ from the template's average.
        atrophy: 0 (young) to 1; widens ventricles and sulci and brings white-matter lesions.
    """

    seed: tuple[int, ...]
    scale: tuple[float, float, float]
    rotation_rad: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    warp_mm: float
    folding: float
    atrophy: float


@dataclass(frozen=True)
class MassEffect:
    """Tissue pushed outwards by a growing tumour.

    Args:
        centre_mm: z, y, x from the corner of the BraTS extent.
        radius_mm: where the push is strongest.
        push_mm: how far tissue is displaced there.
    """

    centre_mm: tuple[float, float, float]
    radius_mm: float
    push_mm: float


def draw_anatomy(rng: np.random.Generator, seed: tuple[int, ...]) -> Anatomy:
    """Draw a patient's head."""
    size = rng.normal(0.95, 0.025)  # the template is larger than an average brain
    return Anatomy(
        seed=seed,
        scale=tuple(float(np.clip(size * rng.normal(1, 0.02), 0.88, 1.0)) for _ in range(3)),  # type: ignore[arg-type]
        rotation_rad=tuple(rng.normal(0, 0.05, size=3).tolist()),
        shift_mm=tuple(rng.normal(0, 2, size=3).tolist()),
        warp_mm=float(rng.uniform(1.5, 3.5)),
        folding=float(rng.uniform(0.6, 1.1)),
        atrophy=float(rng.beta(1.5, 2.5)),
    )


def tissue_fractions(anatomy: Anatomy, grid: Grid, mass_effects: tuple[MassEffect, ...] = ()) -> tuple[Field, Field]:
    """Evaluate a patient's anatomy on a grid.

    Args:
        anatomy: the patient's head.
        grid: where.
        mass_effects: of the tumour's foci.

    Returns:
        (fractions, brain): fractions (4, z, y, x) of GREY, WHITE, CSF and LESION, which sum to 1 everywhere; brain
        (z, y, x), the fraction of a voxel that lies inside the skull-stripped brain.
    """
    rng = np.random.default_rng(anatomy.seed)
    coordinates = _template_coordinates(anatomy, grid, mass_effects, rng)
    grey, white, brain = (
        map_coordinates(m, coordinates, order=1, mode="constant", prefilter=False) for m in template.tissue_maps()
    )
    return _sharpened(anatomy, grid, grey, white, rng), brain


def _template_coordinates(
    anatomy: Anatomy, grid: Grid, mass_effects: tuple[MassEffect, ...], rng: np.random.Generator
) -> Field:
    """Return where each voxel of the grid lies in the template's array: (3, z, y, x)."""
    warp = [anatomy.warp_mm * smooth_noise(rng, grid, 36.0) for _ in range(3)]
    centre = [extent / 2 + shift for extent, shift in zip(BRATS_EXTENT_MM, anatomy.shift_mm, strict=True)]
    offset = [
        np.broadcast_to(axis - np.float32(c), grid.shape) + w
        for axis, c, w in zip(grid.axes_mm, centre, warp, strict=True)
    ]
    for effect in mass_effects:
        away = [axis - np.float32(c) for axis, c in zip(grid.axes_mm, effect.centre_mm, strict=True)]
        distance = np.sqrt(sum(a**2 for a in away)) / np.float32(effect.radius_mm)
        # what is seen at a place came from nearer to the centre
        pull = np.float32(effect.push_mm / effect.radius_mm) * np.exp((1 - distance**2) / 2)
        offset = [o - pull * a for o, a in zip(offset, away, strict=True)]
    rotation = _rotation(anatomy.rotation_rad) / np.asarray(anatomy.scale)[:, None]
    return np.stack(
        [
            sum(np.float32(rotation[i, k]) * offset[k] for k in range(3)) + np.float32(template.CENTRE_VOXEL[i])
            for i in range(3)
        ]
    )


def _rotation(angles: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, k = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[i, i] = turn[k, k] = np.cos(angle)
        turn[i, k], turn[k, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _sharpened(anatomy: Anatomy, grid: Grid, grey: Field, white: Field, rng: np.random.Generator) -> Field:
    """Turn the template's probabilities, an average of 152 heads, into one head with gyri of its own.

    The competition of the tissues is decided by the probabilities raised to a power, shifted by small smooth fields.
    """
    fold = np.float32(anatomy.folding)
    csf = np.maximum(1 - grey - white, 0)
    sharpness = 4.0
    scores = np.stack([grey, white, csf])
    np.log(scores + np.float32(0.02), out=scores)
    scores *= np.float32(sharpness)
    scores[0] += fold * smooth_noise(rng, grid, 7.0)
    scores[1] += fold * smooth_noise(rng, grid, 9.0)
    scores[2] += fold * smooth_noise(rng, grid, 5.0) + np.float32(2.2 * anatomy.atrophy - 1.2)
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return _with_white_matter_lesions(anatomy, grid, scores, rng)


def _with_white_matter_lesions(anatomy: Anatomy, grid: Grid, tissues: Field, rng: np.random.Generator) -> Field:
    """Replace spots of white matter by lesions that are no tumour: bright in FLAIR and T2, as oedema is."""
    threshold = np.float32(2.9 - 1.2 * anatomy.atrophy)
    spots = np.clip(4 * (smooth_noise(rng, grid, 5.0) - threshold), 0, 1)
    lesion = np.float32(0.8) * spots * tissues[WHITE] * (tissues[WHITE] > 0.6)
    tissues[WHITE] -= lesion
    return np.concatenate([tissues, lesion[None]])
