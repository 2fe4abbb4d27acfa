"""Patients and their scans: what is drawn for each, and the way from the draw to images and labels."""

from dataclasses import dataclass

import numpy as np

from nnunetv2_mstkd.datasets.demonstration.anatomy import GREY, Anatomy, draw_anatomy, tissue_fractions
from nnunetv2_mstkd.datasets.demonstration.contrasts import MODALITIES, Protocol, draw_protocol, signals
from nnunetv2_mstkd.datasets.demonstration.grid import (
    Field,
    Grid,
    block_mean,
    head_grid,
    head_slices,
    smooth_noise,
    volume_grid,
)
from nnunetv2_mstkd.datasets.demonstration.scanner import Scanner, acquire, draw_scanner
from nnunetv2_mstkd.datasets.demonstration.tumour import Tumour, draw_tumour
from nnunetv2_mstkd.datasets.demonstration.tumour_fractions import (
    ENHANCING,
    NECROSIS,
    NON_ENHANCING,
    OEDEMA,
    tumour_fractions,
)

TUMOUR = slice(4, 8)  # where tumour_fractions' four stand among the TISSUES
SIMULATION_SPACING_MM = 1.5  # larger voxels are averages of voxels of about this size
LABELS = {"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}  # those of BraTS 2023


@dataclass(frozen=True)
class Scan:
    """One time point of one patient: all that an image depends on besides its voxel size.

    Args:
        anatomy: the same at all time points.
        tumour: as it is at this one.
        protocol: the sequences' timing.
        scanner: the session.
        texture_seed: of the tissues' inner texture.
    """

    anatomy: Anatomy
    tumour: Tumour
    protocol: Protocol
    scanner: Scanner
    texture_seed: tuple[int, ...]


def draw_scans(seed: int, patient: int, num_scans: int) -> list[Scan]:
    """Draw a patient's scans, in the order of time; the tumour grows between them.

    Args:
        seed: of the cohort.
        patient: number of the patient; equal seeds and numbers give equal patients, whatever else is in the cohort.
        num_scans: time points.
    """
    rng = np.random.default_rng((seed, patient))
    anatomy = draw_anatomy(rng, (seed, patient, 1))
    tumour = draw_tumour(rng, (seed, patient, 2), anatomy)
    scans = []
    growth = 1.0
    for time in range(num_scans):
        session = np.random.default_rng((seed, patient, 3, time))
        growth *= float(session.uniform(1.05, 1.3)) if time else 1.0
        scans.append(
            Scan(
                anatomy=anatomy,
                tumour=tumour.grown(growth),
                protocol=draw_protocol(session),
                scanner=draw_scanner(session, (seed, patient, 4, time)),
                texture_seed=(seed, patient, 5),
            )
        )
    return scans


def simulate(scan: Scan, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan's images and labels.

    Args:
        scan: what to simulate.
        spacing_mm: edge of a voxel.

    Returns:
        (images, labels) on `volume_grid(spacing_mm)`: int16 (M, z, y, x) and uint8 (z, y, x) with the values of LABELS.
    """
    volume = volume_grid(spacing_mm)
    head, inside = head_grid(volume), head_slices(volume)
    factor = max(1, round(spacing_mm / SIMULATION_SPACING_MM))
    fine = head.refined(factor)
    fractions, brain_fraction = _fractions(scan, fine)
    brain = block_mean(brain_fraction, factor) > 0.5
    signal = _signal(scan, fine, fractions)
    images = np.zeros((len(MODALITIES), *volume.shape), np.int16)
    images[(slice(None), *inside)] = acquire(scan.scanner, signal, fine, factor, brain)
    labels = np.zeros(volume.shape, np.uint8)
    labels[inside] = np.where(brain, _labels(block_mean(fractions[TUMOUR], factor)), 0)
    return images, labels


def _fractions(scan: Scan, grid: Grid) -> tuple[Field, Field]:
    """Return the fractions (tissue, z, y, x), in the order of TISSUES, and the brain's fraction (z, y, x)."""
    tissues, brain = tissue_fractions(scan.anatomy, grid, scan.tumour.mass_effects)
    tumour = tumour_fractions(scan.tumour, scan.anatomy, grid, tissues, brain)
    rng = np.random.default_rng(scan.texture_seed)
    ridge = np.abs(smooth_noise(rng, grid, 9.0)) + np.abs(smooth_noise(rng, grid, 11.0))
    healthy = 1 - tumour.sum(axis=0)
    # vessels run along the cortex: thin lines where two smooth fields are both near zero
    vessel = np.clip(1 - ridge / np.float32(0.22), 0, 1) * np.clip(2 * tissues[GREY], 0, 1) * healthy
    tissues *= healthy - vessel
    return np.concatenate([tissues, tumour, vessel[None]]), brain


def _signal(scan: Scan, grid: Grid, fractions: Field) -> Field:
    """Mix the tissues' signals and give them texture: array (M, z, y, x)."""
    rng = np.random.default_rng((*scan.texture_seed, 1))
    texture = 1 + np.float32(0.04) * smooth_noise(rng, grid, 6.0) + np.float32(0.03) * smooth_noise(rng, grid, 20.0)
    table = signals(scan.protocol)
    mixed = np.zeros((len(table), *grid.shape), np.float32)
    for tissue, fraction in enumerate(fractions):  # in a fixed order: no matrix product, see smooth_noise
        for channel in range(len(table)):
            mixed[channel] += table[channel, tissue] * fraction
    return mixed * texture


def _labels(tumour: Field) -> np.ndarray:
    """Return the label of the largest fraction in each voxel."""
    core = tumour[NECROSIS] + tumour[NON_ENHANCING]
    background = 1 - tumour.sum(axis=0)
    order = np.stack([background, core, tumour[OEDEMA], tumour[ENHANCING]])  # the order of LABELS' values
    return order.argmax(axis=0).astype(np.uint8)
