"""Planners that budget memory for the two branches of nnUNetTrainerMSTKD and what distils between them (L3)."""

from collections.abc import Sequence
from typing import Any

import torch
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
)
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.planning.step_memory import StepMemory

GB = 1e9


class _TwoBranches:
    """What these planners know better than nnU-Net's: how much memory the training needs."""

    UNet_vram_target_GB: float
    UNet_min_batch_size: int
    dataset_json: dict[str, Any]

    @staticmethod
    def static_estimate_VRAM_usage(  # noqa: N802 (nnU-Net's name)
        patch_size: Sequence[int],
        input_channels: int,
        output_channels: int,
        arch_class_name: str,
        arch_kwargs: dict,
        arch_kwargs_req_import: Sequence[str],
    ) -> int:
        """Return how many numbers a training step keeps of one sample, where nnU-Net counts those of one network."""
        with torch.device("meta"):
            plan_network = get_network_from_plans(
                arch_class_name, arch_kwargs, arch_kwargs_req_import, input_channels, output_channels, allow_init=False
            )
        return StepMemory(plan_network, patch_size).num_activations(input_channels)

    def get_plans_for_configuration(self, *arguments: Any) -> dict:
        """Plan as nnU-Net does, with what the target leaves beside the weights that nnU-Net does not have.

        Differs in: nnU-Net rounds the batch size up or down; here a batch that the target has no place for is made
        smaller, but not below the least one, to which nnU-Net fits the patch.

        Raises:
            SettingsError: if it leaves nothing.
        """
        planner: Any = super()
        target_gb = self.UNet_vram_target_GB
        weights_gb = _additional_weights_gb(planner.get_plans_for_configuration(*arguments))
        if weights_gb >= target_gb:
            raise SettingsError(
                f"A GPU memory target of {target_gb} GB leaves nothing for the patches: the weights of a second "
                f"network as teacher and of the transformer alone would need {weights_gb:.2f} GB. "
                f"Give more with -gpu_memory_target"
            )
        self.UNet_vram_target_GB = target_gb - weights_gb
        try:
            plan: dict = planner.get_plans_for_configuration(*arguments)
            plan["batch_size"] = max(min(plan["batch_size"], self._largest_batch(plan)), self.UNet_min_batch_size)
        finally:
            self.UNet_vram_target_GB = target_gb
        return plan

    def _largest_batch(self, plan: dict) -> int:
        """Return how many samples the target has a place for, by nnU-Net's reference values."""
        architecture = plan["architecture"]
        kept = self.static_estimate_VRAM_usage(
            plan["patch_size"],
            len(self.dataset_json.get("channel_names") or self.dataset_json["modality"]),
            len(self.dataset_json["labels"]),
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
        )
        axes = f"{len(plan['patch_size'])}d"
        reference, samples, gb = (
            getattr(self, f"UNet_reference_val_{name}") for name in (axes, f"corresp_bs_{axes}", "corresp_GB")
        )
        return int(reference * samples / kept * self.UNet_vram_target_GB / gb)


def _additional_weights_gb(plan: dict) -> float:
    architecture = plan["architecture"]
    with torch.device("meta"):
        # the channels at both ends are a handful of weights
        plan_network = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            1,
            1,
            allow_init=False,
        )
    return StepMemory(plan_network, plan["patch_size"]).additional_state_bytes() / GB


class nnUNetPlannerMSTKD(_TwoBranches, ExperimentPlanner):
    """nnU-Net's default planner, for nnUNetTrainerMSTKD with default settings.

    Everything is decided by nnU-Net's own rules and numbers. What has to fit the memory target is what both branches,
    with transformer and style fusion, discriminator and distillation terms keep for the backward pass, and the weights
    of two networks: the teacher counts as a second one whatever its kind is, so that each kind fits.

    Args:
        dataset_name_or_id: as for nnU-Net's planner, like the arguments below.
        gpu_memory_target_in_gb: what nnU-Net reduces the patch size to.
        preprocessor_name: name of the preprocessor's class.
        plans_name: name of the plans file, without its suffix.
        overwrite_target_spacing: of the 3D configuration at full resolution, instead of the median.
        suppress_transpose: keep the order of the axes.
    """

    def __init__(
        self,
        dataset_name_or_id: str | int,
        gpu_memory_target_in_gb: float = 8,
        preprocessor_name: str = "DefaultPreprocessor",
        plans_name: str = "nnUNetPlansMSTKD",
        overwrite_target_spacing: Any = None,
        suppress_transpose: bool = False,
    ) -> None:
        super().__init__(
            dataset_name_or_id,
            gpu_memory_target_in_gb,
            preprocessor_name,
            plans_name,
            overwrite_target_spacing,
            suppress_transpose,
        )


class nnUNetPlannerMSTKDResEncM(_TwoBranches, nnUNetPlannerResEncM):
    """nnU-Net's residual-encoder preset M, for nnUNetTrainerMSTKD; otherwise as nnUNetPlannerMSTKD."""

    def __init__(
        self,
        dataset_name_or_id: str | int,
        gpu_memory_target_in_gb: float = 8,
        preprocessor_name: str = "DefaultPreprocessor",
        plans_name: str = "nnUNetResEncUNetMPlansMSTKD",
        overwrite_target_spacing: Any = None,
        suppress_transpose: bool = False,
    ) -> None:
        super().__init__(
            dataset_name_or_id,
            gpu_memory_target_in_gb,
            preprocessor_name,
            plans_name,
            overwrite_target_spacing,
            suppress_transpose,
        )


class nnUNetPlannerMSTKDResEncL(_TwoBranches, nnUNetPlannerResEncL):
    """nnU-Net's residual-encoder preset L, for nnUNetTrainerMSTKD; otherwise as nnUNetPlannerMSTKD."""

    def __init__(
        self,
        dataset_name_or_id: str | int,
        gpu_memory_target_in_gb: float = 24,
        preprocessor_name: str = "DefaultPreprocessor",
        plans_name: str = "nnUNetResEncUNetLPlansMSTKD",
        overwrite_target_spacing: Any = None,
        suppress_transpose: bool = False,
    ) -> None:
        super().__init__(
            dataset_name_or_id,
            gpu_memory_target_in_gb,
            preprocessor_name,
            plans_name,
            overwrite_target_spacing,
            suppress_transpose,
        )
