"""What is drawn of a glioma: where its cores lie in the white matter, how large they are, how much of them enhances."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from nnunetv2_mstkd.datasets.demonstration.anatomy import WHITE, Anatomy, MassEffect, tissue_fractions
from nnunetv2_mstkd.datasets.demonstration.grid import Field, Grid, head_grid, volume_grid

MIN_DEPTH_MM = 10.0  # of a focus' centre below the brain's surface
CEREBRUM_MM = (62.0, 125.0)  # heights between which foci lie: above the brain stem, below the vertex
COARSE_MM = 3.0  # where foci may lie, and how oedema spreads, is smooth: a coarse grid does, whatever the image's


@dataclass(frozen=True)
class Focus:
    """One core.

    Args:
        centre_mm: z, y, x from the corner of the BraTS extent.
        radius_mm: mean radius of the core.
    """

    centre_mm: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True)
class Tumour:
    """A tumour at its first scan.

    Args:
        seed: of the smooth fields.
        foci: one, or several in a multifocal tumour; the first is the largest.
        enhancing: whether the core takes up contrast agent.
        rim_mm: thickness of the enhancing rim around the necrosis.
        irregularity: how far the core departs from a ball.
        gaps: part of the rim that does not enhance, 0 to 1.
        oedema_mm: how far the oedema reaches beyond the core at most, along fibres through white matter.
    """

    seed: tuple[int, ...]
    foci: tuple[Focus, ...]
    enhancing: bool
    rim_mm: float
    irregularity: float
    gaps: float
    oedema_mm: float

    def grown(self, factor: float) -> "Tumour":
        """Return the same tumour at a later time: `factor` times as wide, its centres where they were."""
        foci = tuple(replace(focus, radius_mm=focus.radius_mm * factor) for focus in self.foci)
        return replace(self, foci=foci, oedema_mm=self.oedema_mm * factor)

    @property
    def mass_effects(self) -> tuple[MassEffect, ...]:
        """How the foci displace the tissue around them."""
        return tuple(MassEffect(f.centre_mm, 1.3 * f.radius_mm, 0.22 * f.radius_mm) for f in self.foci)


def draw_tumour(rng: np.random.Generator, seed: tuple[int, ...], anatomy: Anatomy) -> Tumour:
    """Draw a tumour inside the white matter of a patient's head."""
    grid = head_grid(volume_grid(COARSE_MM))
    fractions, brain = tissue_fractions(anatomy, grid)
    places = _possible_centres(fractions[WHITE], brain, grid)
    enhancing = bool(rng.random() < 0.8)
    radius = float(rng.uniform(11, 23) if enhancing else rng.uniform(10, 20))
    first = Focus(tuple(places[rng.integers(len(places))].tolist()), radius)
    foci = (first, *_draw_further_foci(rng, first, places)) if rng.random() < 0.2 else (first,)
    return Tumour(
        seed=seed,
        foci=foci,
        enhancing=enhancing,
        rim_mm=float(rng.uniform(3.5, 6.5)),
        irregularity=float(rng.uniform(0.2, 0.4)),
        gaps=float(rng.uniform(0.0, 0.35)),
        oedema_mm=float(rng.uniform(12, 34) if enhancing else rng.uniform(4, 12)),
    )


def _possible_centres(white: Field, brain: Field, grid: Grid) -> np.ndarray:
    """Return the centres (n, 3), z, y, x in mm, of voxels of white matter inside the cerebrum."""
    z, y, x = (np.broadcast_to(axis, grid.shape) for axis in grid.axes_mm)
    deep = distance_transform_edt(brain > 0.5, sampling=grid.spacing_mm) > MIN_DEPTH_MM
    inside = (white > 0.7) & deep & (z > CEREBRUM_MM[0]) & (z < CEREBRUM_MM[1])
    return np.stack([z[inside], y[inside], x[inside]], axis=1)


def _draw_further_foci(rng: np.random.Generator, first: Focus, places: np.ndarray) -> tuple[Focus, ...]:
    """Draw one or two smaller cores at some distance from the first."""
    distance = np.linalg.norm(places - np.asarray(first.centre_mm), axis=1)
    fitting = places[(distance > 1.8 * first.radius_mm) & (distance < 60)]
    count = min(int(rng.integers(1, 3)), len(fitting))
    chosen = rng.choice(len(fitting), size=count, replace=False) if count else ()
    return tuple(Focus(tuple(fitting[i].tolist()), float(first.radius_mm * rng.uniform(0.35, 0.65))) for i in chosen)
