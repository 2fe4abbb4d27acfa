"""nnU-Net's plan of BraTS at any size: what the benchmarks measure on unless they are given another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

PATCH = (128, 160, 112)
CONFIGURATION, PLANS_NAME = "3d_fullres", "nnUNetPlans"
MODALITIES = ("T1", "T1ce", "T2", "FLAIR", "ADC", "SWI")  # BraTS has the first four
REGIONS = {"whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": 3}
FEATURES = (32, 64, 128, 256, 320, 320)
STRIDES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 1))
_NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
_IMPORTED = ("conv_op", "norm_op", "dropout_op", "nonlin")


@dataclass(frozen=True)
class BratsPlan:
    """What nnU-Net's default planner gives BraTS, unless told otherwise.

    Args:
        patch: voxels, divisible by the strides of the stages.
        batch_size: samples.
        channels: how many of MODALITIES are the input.
        stages: of the six, from the finest.
        spacing_mm: edge of a voxel.
    """

    patch: tuple[int, ...] = PATCH
    batch_size: int = 2
    channels: int = 4
    stages: int = len(FEATURES)
    spacing_mm: float = 1.0

    def network(self) -> nn.Module:
        """Return the plan's network without deep supervision, initialised as torch does it."""
        kwargs = self._architecture()
        return get_network_from_plans(
            _NETWORK, kwargs, _IMPORTED, self.channels, len(REGIONS), allow_init=False, deep_supervision=False
        )

    def dataset_json(self) -> dict[str, Any]:
        """Return what nnU-Net has to know of the dataset."""
        return {
            "channel_names": {str(i): name for i, name in enumerate(MODALITIES[: self.channels])},
            "labels": {"background": 0, **REGIONS},
            "regions_class_order": [1, 2, 3],
            "numTraining": 1,
            "file_ending": ".nii.gz",
        }

    def plans(self, dataset_name: str) -> dict[str, Any]:
        """Return nnU-Net's plans, as far as training and prediction read them."""
        return {
            "dataset_name": dataset_name,
            "plans_name": PLANS_NAME,
            "original_median_spacing_after_transp": [self.spacing_mm] * 3,
            "original_median_shape_after_transp": [140, 171, 137],
            "image_reader_writer": "SimpleITKIO",
            "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2],
            "configurations": {CONFIGURATION: self._configuration()},
            "experiment_planner_used": "ExperimentPlanner",
            "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {str(channel): {} for channel in range(self.channels)},
        }

    def _configuration(self) -> dict[str, Any]:
        resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
        return {
            "data_identifier": f"{PLANS_NAME}_{CONFIGURATION}",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": self.batch_size,
            "patch_size": list(self.patch),
            "median_image_size_in_voxels": [140.0, 171.0, 137.0],
            "spacing": [self.spacing_mm] * 3,
            "normalization_schemes": ["ZScoreNormalization"] * self.channels,
            "use_mask_for_norm": [True] * self.channels,
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": resampling,
            "resampling_fn_seg_kwargs": {**resampling, "is_seg": True, "order": 1},
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
            "architecture": {
                "network_class_name": _NETWORK,
                "arch_kwargs": self._architecture(),
                "_kw_requires_import": list(_IMPORTED),
            },
            "batch_dice": False,
        }

    def _architecture(self) -> dict[str, Any]:
        return {
            "n_stages": self.stages,
            "features_per_stage": list(FEATURES[: self.stages]),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * self.stages,
            "strides": [list(stride) for stride in STRIDES[: self.stages]],
            "n_conv_per_stage": [2] * self.stages,
            "n_conv_per_stage_decoder": [2] * (self.stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        }


def patch_of(text: str) -> tuple[int, ...]:
    """Return the voxels of a text such as 64x96x64."""
    return tuple(int(n) for n in text.split("x"))


def patch_text(patch: Sequence[int]) -> str:
    """Return the text of voxels."""
    return "x".join(map(str, patch))
