"""Read a case and its reference once, and preprocess it once for all models that want it alike (L3)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.geometry import Geometry, differences, shown
from nnunetv2_mstkd.cases.image_check import check_case
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.around_network import preprocess
from nnunetv2_mstkd.inference.channel_stack import stack_channels
from nnunetv2_mstkd.inference.image import Image
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.modalities import Modalities

# What nnU-Net's preprocessing takes from a configuration.
_OF_CONFIGURATION = (
    "preprocessor_name",
    "spacing",
    "normalization_schemes",
    "use_mask_for_norm",
    "resampling_fn_data",
    "resampling_fn_data_kwargs",
    "resampling_fn_seg",
    "resampling_fn_seg_kwargs",
)


MAX_TOLD = 10  # unknown labels in a message


@dataclass(frozen=True)
class ReadCase:
    """A case as its files have it.

    Args:
        case: without channels that are empty.
        images: by file.
        labels: (z, y, x) of the reference, integers.
        geometry: of all of them.
        warnings: what was noticed: channels that are empty.
    """

    case: Case
    images: Mapping[Path, Image] = field(repr=False)
    labels: NDArray[np.integer] = field(repr=False)
    geometry: Geometry
    warnings: tuple[str, ...]


class Preprocessing:
    """nnU-Net's preprocessing, as plans describe it: no weights are needed.

    Args:
        plans: content of plans.json.
        configuration: name of one of its configurations.
        dataset_json: of the model.
    """

    def __init__(self, plans: dict[str, Any], configuration: str, dataset_json: dict[str, Any]) -> None:
        self._plans = PlansManager(plans)
        self._configuration: ConfigurationManager = self._plans.get_configuration(configuration)
        self._dataset_json = dataset_json
        self.modalities = Modalities.from_dataset_json(dataset_json)
        self.reader = ImageReader(self._plans, str(dataset_json["file_ending"]))
        self.is_2d = len(self._configuration.patch_size) == 2
        self.reader_key = str(plans["image_reader_writer"])
        self.key = self._key()

    def _key(self) -> str:
        """Return what is equal for two models exactly if they can share a preprocessed case."""
        configuration = self._configuration.configuration
        relevant = {
            "reader": self.reader_key,
            "transpose": [self._plans.transpose_forward, self._plans.transpose_backward],
            "intensities": self._plans.foreground_intensity_properties_per_channel,
            "is_2d": self.is_2d,
            **{name: configuration.get(name) for name in _OF_CONFIGURATION},
        }
        return json.dumps(relevant, sort_keys=True)

    def read(self, case: Case, reference: Path) -> ReadCase:
        """Read and check images and reference, each once.

        Raises:
            CaseError: if anything is wrong with them; the message lists all that is.
        """
        images: dict[Path, Image] = {}

        def read(file: Path) -> tuple[NDArray[np.float32], Geometry]:
            images[file] = self.reader.read(file)
            return images[file].volumes, images[file].geometry

        check = check_case(case, self.modalities, read)  # of all models; `prepare` checks what is one's own
        if check.problems:
            raise CaseError("; ".join(problem.message for problem in check.problems))
        geometry = images[check.case.files[0]].geometry
        labels = read_reference(reference, geometry, self.reader)
        return ReadCase(check.case, images, labels, geometry, check.warnings)

    def prepare(self, read: ReadCase) -> tuple[Tensor, dict[str, Any]]:
        """Preprocess all that the case has.

        Crop and statistics are those of the whole case, whatever subset is masked later. With images whose background
        is zero in all channels alike they are the same for each subset.

        Returns:
            (image, properties): image (M, *S), absent channels zero; nnU-Net's properties.

        Raises:
            CaseError: if these are single slices, and the model needs volumes.
        """
        if not self.is_2d and 1 in read.geometry.shape:
            raise CaseError(
                f"its images are single slices, {shown(read.geometry.shape)} voxels (z, y, x); this model needs volumes"
            )
        image, properties = stack_channels(read.case, read.images, self.reader, len(self.modalities))
        data, _, properties = preprocess(
            image, properties, read.case, self._plans, self._configuration, self._dataset_json
        )
        return torch.from_numpy(data), properties


def read_reference(file: Path, grid: Geometry, reader: ImageReader) -> NDArray[np.integer]:
    """Return a label map (z, y, x) that has the grid of its images.

    Raises:
        CaseError: if it cannot be read, is no label map, or has another grid.
    """
    try:
        image = reader.read_label_map(file)
    except Exception as error:  # of whichever reader
        raise CaseError(f"the reference {file} cannot be read: {type(error).__name__}: {error}") from error
    if len(image.volumes) != 1:
        raise CaseError(f"{file.name} holds {len(image.volumes)} volumes, but one label map is expected")
    if different := differences(grid, image.geometry):
        raise CaseError(f"its images and the reference {file.name} differ: {'; '.join(different)}")
    labels = image.volumes[0]
    whole = labels.astype(np.int32)
    if not np.array_equal(whole, labels):
        raise CaseError(f"the reference {file.name} is no label map: it has values that are no whole numbers")
    return whole


def require_known_labels(labels: NDArray[np.integer], known: set[int], name: str) -> None:
    """Check that a reference has no other values than dataset.json.

    Raises:
        CaseError: if it has; the message lists them.
    """
    # not np.bincount: one stray voxel of a huge value would take as many bytes
    unknown = np.unique(labels[~np.isin(labels, sorted(known))]).tolist()
    if unknown:
        told = ", ".join(map(str, unknown[:MAX_TOLD])) + (", ..." if len(unknown) > MAX_TOLD else "")
        raise CaseError(f"the reference {name} has the labels [{told}], but dataset.json has only {sorted(known)}")
