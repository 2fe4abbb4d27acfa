"""Derive plans for a tiny network from a dataset's own, under a plans name of their own.

nnU-Net's planner never goes below 32 features, which is much for a CPU and a tiny cohort. The preprocessed data is
shared with the original plans.

    python examples/tiny_plans.py "$nnUNet_preprocessed"/Dataset901_Blobs
    nnUNetv2_train 901 3d_fullres 0 -tr nnUNetTrainerMSTKD_5epochs -p nnUNetPlansTiny -device cpu
"""

import argparse
import json
from pathlib import Path

PLANS_NAME = "nnUNetPlansTiny"


def write_tiny_plans(preprocessed: Path, base_features: int = 8, settings: dict | None = None) -> Path:
    """Write nnUNetPlansTiny.json beside nnUNetPlans.json and return its path.

    Args:
        preprocessed: the dataset's folder in nnUNet_preprocessed.
        base_features: width of the first stage; doubles from stage to stage, up to 8 times.
        settings: the section "mstkd", as a user would write it into plans of their own.
    """
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    plans["plans_name"] = PLANS_NAME
    for configuration in plans["configurations"].values():
        if "architecture" in configuration:
            kwargs = configuration["architecture"]["arch_kwargs"]
            kwargs["features_per_stage"] = [base_features * min(8, 2**s) for s in range(kwargs["n_stages"])]
    if settings is not None:
        plans["mstkd"] = settings
    file = preprocessed / f"{PLANS_NAME}.json"
    file.write_text(json.dumps(plans, indent=2))
    return file


def main() -> None:
    """Write the plans beside those of the dataset given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preprocessed", type=Path, help="the dataset's folder in nnUNet_preprocessed")
    print(write_tiny_plans(parser.parse_args().preprocessed))


if __name__ == "__main__":
    main()
