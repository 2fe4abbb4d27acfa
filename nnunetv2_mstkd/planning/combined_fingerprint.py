"""What nnU-Net finds in single cases, combined into one fingerprint: absent modalities are no data (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


@dataclass(frozen=True)
class Analysis:
    """What nnU-Net finds in a case.

    Args:
        present: what the case has.
        shape: after the crop.
        spacing: in nnU-Net's axis order.
        intensities: of sampled foreground voxels, for each present channel.
        relative_size: of the crop.
    """

    present: ModalitySubset
    shape: tuple[int, ...]
    spacing: Sequence[float]
    intensities: Sequence[NDArray]
    relative_size: float


def combined(analyses: Sequence[Analysis], modalities: Modalities) -> dict[str, Any]:
    """Return the fingerprint of all cases, as dataset_fingerprint.json has it.

    Args:
        analyses: of all cases.
        modalities: of the dataset.

    Raises:
        CaseError: if no case has a modality, or none of these has foreground.
    """
    pooled = [_pooled(analyses, channel, name) for channel, name in enumerate(modalities)]
    dtype = np.result_type(*pooled)  # nnU-Net puts them into one array; a mean depends on its precision
    return {
        "spacings": [analysis.spacing for analysis in analyses],
        "shapes_after_crop": [analysis.shape for analysis in analyses],
        "foreground_intensity_properties_per_channel": {
            channel: _statistics(values.astype(dtype, copy=False)) for channel, values in enumerate(pooled)
        },
        "median_relative_size_after_cropping": np.median([analysis.relative_size for analysis in analyses], 0),
    }


def _pooled(analyses: Sequence[Analysis], channel: int, name: str) -> NDArray[np.floating]:
    """Return the sampled intensities of a channel, of all cases that have it."""
    having = [analysis for analysis in analyses if analysis.present.present[channel]]
    if not having:
        raise CaseError(f"No training case has {name}: take it out of dataset.json, and its volumes out of the images")
    values = np.concatenate([analysis.intensities[analysis.present.channels.index(channel)] for analysis in having])
    if not len(values):
        raise CaseError(f"No training case that has {name} has foreground in its label map")
    return values


def _statistics(values: NDArray[np.floating]) -> dict[str, float]:
    """Return nnU-Net's statistics of a channel."""
    low, median, high = np.percentile(values, np.array((0.5, 50.0, 99.5)))
    return {
        "mean": float(np.mean(values)),
        "median": float(median),
        "std": float(np.std(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "percentile_99_5": float(high),
        "percentile_00_5": float(low),
    }
