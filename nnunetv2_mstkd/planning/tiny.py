"""A planner of networks that a CPU trains in minutes (L3)."""

from typing import Any

from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner


class nnUNetPlannerTiny(ExperimentPlanner):
    """nnU-Net's default planner for narrow networks and small patches: for demonstrations and tests.

    Everything is decided by nnU-Net's own rules; what differs is the width (8 to 64 features instead of 32 to 320) and
    the default memory target. At a spacing of 3 mm a head gets a patch of about 32 x 40 x 32 voxels, whose forward
    pass takes about 1 GFLOP.

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
        gpu_memory_target_in_gb: float = 0.035,
        preprocessor_name: str = "DefaultPreprocessor",
        plans_name: str = "nnUNetPlansTiny",
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
        self.UNet_base_num_features = 8
        self.UNet_max_features_2d = self.UNet_max_features_3d = 64
