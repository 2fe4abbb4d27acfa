"""Whether what the planners of nnUNetTrainerMSTKD budget is what its training step keeps in memory. No GPU is needed.

Measured are steps of nnUNetTrainer and of MST-KD with a second network as teacher (`fake_steps`); weights, their
gradients and moments are told apart. The planner's ratio is its estimate over nnU-Net's for the same plan.

    python benchmarks/planned_memory.py [--json FILE]           # the ratios, measured and planned
    python benchmarks/planned_memory.py --plans [--json FILE]   # plans for the BraTS geometry, beside nnU-Net's
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from planned_geometries import BRATS, GEOMETRIES, Geometry, estimate, plan, step_memory  # sets the environment

import torch  # isort: skip
from fake_steps import measure, measure_plain
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
)

from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.planning import (
    nnUNetPlannerMSTKD,
    nnUNetPlannerMSTKDResEncL,
    nnUNetPlannerMSTKDResEncM,
)
from nnunetv2_mstkd.planning.step_memory import STATE_BYTES

PLANNERS = {  # nnU-Net's, and ours
    ExperimentPlanner: nnUNetPlannerMSTKD,
    nnUNetPlannerResEncM: nnUNetPlannerMSTKDResEncM,
    nnUNetPlannerResEncL: nnUNetPlannerMSTKDResEncL,
}
TARGETS_GB = (8, 11, 24, 80)
GB = 1e9


def main() -> None:
    """Print the tables, and write them as JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", action="store_true", help="show the plans rather than the ratios")
    parser.add_argument("--geometry", choices=[g.name for g in GEOMETRIES], help="measure the ratios of this one alone")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    geometries = [geometry for geometry in GEOMETRIES if arguments.geometry in (None, geometry.name)]
    rows = list(plan_rows() if arguments.plans else ratio_rows(geometries))
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2))


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of equal keys as a Markdown table."""
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()) + " |")


def plan_rows() -> Iterator[dict[str, Any]]:
    """Plan the BraTS geometry with nnU-Net's planners and ours, for several GPUs."""
    planners = [planner for pair in PLANNERS.items() for planner in pair]
    made = [(target_gb, *plan(planner, BRATS, target_gb)) for target_gb in TARGETS_GB for planner in planners]
    for configuration in ("3d_fullres", "2d"):
        for target_gb, planner, plans in made:
            yield _plan_row(planner, configuration, plans[configuration], target_gb)


def _plan_row(planner: Any, configuration: str, planned: dict, target_gb: float) -> dict[str, Any]:
    kwargs = planned["architecture"]["arch_kwargs"]
    return {
        "configuration": configuration,
        "target (GB)": target_gb,
        "planner": type(planner).__name__,
        "patch": "x".join(map(str, planned["patch_size"])),
        "batch": int(planned["batch_size"]),
        "stages": kwargs["n_stages"],
        "features": ", ".join(map(str, kwargs["features_per_stage"])),
        "nnUNetTrainer (GB)": needed_gb(planner, planned, BRATS, two_branches=False),
        "nnUNetTrainerMSTKD (GB)": needed_gb(planner, planned, BRATS, two_branches=True),
    }


def needed_gb(planner: Any, planned: dict, geometry: Geometry, *, two_branches: bool) -> float:
    """Return the memory that a step of the planned batch needs, by nnU-Net's own reference values."""
    dimension = f"{len(planned['patch_size'])}d"
    reference = getattr(planner, f"UNet_reference_val_{dimension}")
    samples = planned["batch_size"] / getattr(planner, f"UNet_reference_val_corresp_bs_{dimension}")
    activations = (
        estimate(planned, geometry, two_branches) * samples / reference * planner.UNet_reference_val_corresp_GB
    )
    weights = step_memory(planned, geometry).additional_state_bytes() if two_branches else 0
    return float(activations + weights / GB)


def ratio_rows(geometries: Sequence[Geometry]) -> Iterator[dict[str, Any]]:
    """Measure and plan the ratio of the two trainers' memory over geometries, architectures and presets."""
    for geometry in geometries:
        for planner_class in (nnUNetPlannerMSTKD, nnUNetPlannerMSTKDResEncM):
            _, plans = plan(planner_class, geometry, geometry.target_gb)
            for configuration in ("3d_fullres", "2d"):
                for preset in ("plan", "paper") if geometry is BRATS else ("plan",):
                    row = _ratio_row(plans[configuration], geometry, preset)
                    yield {"geometry": geometry.name, "planner": planner_class.__name__, "preset": preset, **row}


def _ratio_row(planned: dict, geometry: Geometry, preset: str) -> dict[str, Any]:
    settings = DistillationSettings(preset=preset)
    (stock, stock_parameters), (ours, our_parameters) = (
        measure_plain(planned, geometry),
        measure(planned, geometry, settings),
    )
    by_planner = estimate(planned, geometry, True, settings) / estimate(planned, geometry, False)
    state = STATE_BYTES["Adam" if preset == "paper" else "SGD"]  # the paper's trainer has Adam
    return {
        "patch": "x".join(map(str, planned["patch_size"])),
        "batch": int(planned["batch_size"]),
        "nnUNetTrainer saves (GB)": stock / GB,
        "nnUNetTrainerMSTKD saves (GB)": ours / GB,
        "ratio, measured": ours / stock,
        "ratio, planned": by_planner,
        "difference (%)": 100 * (by_planner / (ours / stock) - 1),
        "nnUNetTrainer weights (GB)": stock_parameters * STATE_BYTES["SGD"] / GB,
        "nnUNetTrainerMSTKD weights (GB)": our_parameters * state / GB,
    }


if __name__ == "__main__":
    main()
