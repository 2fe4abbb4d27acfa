"""Whether what the planners of nnUNetTrainerMSTKD budget is what its training step keeps in memory. No GPU is needed.

Steps of nnUNetTrainer and of nnUNetTrainerMSTKD run on fake CUDA tensors, under autocast to float16 as on a GPU:
shapes, types and autograd are torch's own, nothing is computed and no memory taken. Counted is what is saved for the
backward pass, each storage once; weights, their gradients and moments are told apart. The planner's ratio is its
estimate over nnU-Net's for the same plan.

    python benchmarks/planned_memory.py [--json FILE]           # the ratios, measured and planned
    python benchmarks/planned_memory.py --plans [--json FILE]   # plans for the BraTS geometry, beside nnU-Net's
"""

import argparse
import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

_FOLDERS = tempfile.TemporaryDirectory()
RAW, PREPROCESSED = Path(_FOLDERS.name, "raw"), Path(_FOLDERS.name, "preprocessed")
os.environ.update(nnUNet_raw=str(RAW), nnUNet_preprocessed=str(PREPROCESSED), nnUNet_results=_FOLDERS.name)

import torch  # noqa: E402 (after the environment is set)
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (  # noqa: E402
    nnUNetPlannerResEncL,
    nnUNetPlannerResEncM,
)
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss  # noqa: E402
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper  # noqa: E402
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss  # noqa: E402
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from nnunetv2_mstkd.architectures import MSTKDNetwork, StyleDiscriminator  # noqa: E402
from nnunetv2_mstkd.distillation.settings import DistillationSettings  # noqa: E402
from nnunetv2_mstkd.distillation.step import (  # noqa: E402
    StepTarget,
    distillation_terms,
    segmentation_terms,
    total_loss,
)
from nnunetv2_mstkd.planning import (  # noqa: E402
    nnUNetPlannerMSTKD,
    nnUNetPlannerMSTKDResEncL,
    nnUNetPlannerMSTKDResEncM,
)
from nnunetv2_mstkd.planning.saved_tensors import SavedTensors  # noqa: E402
from nnunetv2_mstkd.planning.step_memory import STATE_BYTES, StepMemory  # noqa: E402

PLANNERS = {  # nnU-Net's, and ours
    ExperimentPlanner: nnUNetPlannerMSTKD,
    nnUNetPlannerResEncM: nnUNetPlannerMSTKDResEncM,
    nnUNetPlannerResEncL: nnUNetPlannerMSTKDResEncL,
}
TARGETS_GB = (8, 11, 24, 80)
GB = 1e9


@dataclass(frozen=True)
class Geometry:
    """A synthetic dataset, as far as planning depends on it: every case is the median one.

    Args:
        number: nnU-Net's dataset id.
        name: for the tables.
        channels: modalities.
        labels: as in dataset.json.
        spacing_mm: in array order (z, y, x), as `shape`.
        shape: voxels after the crop to what is not zero.
        cases: for training.
        target_gb: memory target of the plans of which the ratio is measured.
    """

    number: int
    name: str
    channels: int
    labels: dict[str, Any]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    cases: int
    target_gb: float

    @property
    def regions(self) -> bool:
        """Whether labels are regions, that may overlap."""
        return any(isinstance(label, list) for label in self.labels.values())

    @property
    def heads(self) -> int:
        """Channels of the logits."""
        return len(self.labels) - self.regions

    def write(self) -> None:
        """Write dataset.json and a fingerprint, which is all that a planner reads."""
        raw, preprocessed = (root / f"Dataset{self.number:03d}_{self.name}" for root in (RAW, PREPROCESSED))
        raw.mkdir(parents=True, exist_ok=True)
        preprocessed.mkdir(parents=True, exist_ok=True)
        dataset = {
            "channel_names": {str(channel): f"MR{channel}" for channel in range(self.channels)},
            "labels": self.labels,
            "numTraining": self.cases,
            "file_ending": ".nii.gz",
            "overwrite_image_reader_writer": "SimpleITKIO",
            "dataset": {"case": {"images": ["case.nii.gz"], "label": "case.nii.gz"}},
        }
        fingerprint = {
            "spacings": [self.spacing_mm] * self.cases,
            "shapes_after_crop": [self.shape] * self.cases,
            "median_relative_size_after_cropping": 0.4,
            "foreground_intensity_properties_per_channel": {},
        }
        (raw / "dataset.json").write_text(json.dumps(dataset))
        (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))


REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
LABELS = {"background": 0, "first": 1, "second": 2}
BRATS = Geometry(1, "BraTS", 4, REGIONS, (1.0, 1.0, 1.0), (140, 171, 136), 1251, 8)
GEOMETRIES = (
    BRATS,
    Geometry(2, "anisotropic", 2, LABELS, (3.6, 0.6, 0.6), (20, 320, 320), 40, 8),
    Geometry(3, "small", 2, LABELS, (1.0, 1.0, 1.0), (40, 56, 40), 200, 2),
)


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


# --- plans -----------------------------------------------------------------------------------------------------------


def plan(planner_class: type, geometry: Geometry, target_gb: float) -> tuple[Any, dict[str, dict]]:
    """Return a planner and the configurations that it plans."""
    geometry.write()
    with warnings.catch_warnings(), open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        warnings.simplefilter("ignore")  # the presets' about another memory target than theirs
        planner = planner_class(geometry.number, target_gb)
        return planner, planner.plan_experiment()["configurations"]


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
    weights = _step_memory(planned, geometry).additional_state_bytes() if two_branches else 0
    return float(activations + weights / GB)


def estimate(planned: dict, geometry: Geometry, two_branches: bool, settings: Any = None) -> int:
    """Return how many numbers are kept of a sample by our planner's estimate, or by nnU-Net's."""
    if two_branches:
        return _step_memory(planned, geometry, settings).num_activations(geometry.channels)
    with torch.device("meta"):
        return int(plan_network(planned, geometry).compute_conv_feature_map_size(planned["patch_size"]))


def _step_memory(planned: dict, geometry: Geometry, settings: DistillationSettings | None = None) -> StepMemory:
    with torch.device("meta"):
        return StepMemory(plan_network(planned, geometry), planned["patch_size"], settings)


def plan_network(planned: dict, geometry: Geometry, deep_supervision: bool | None = None) -> Any:
    """Build the network of a plan on the current device."""
    architecture = planned["architecture"]
    return get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        geometry.channels,
        len(geometry.labels) if deep_supervision is None else geometry.heads,  # as planned, or as trained
        allow_init=False,
        deep_supervision=deep_supervision,
    )


# --- measurement -----------------------------------------------------------------------------------------------------


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


def measure_plain(planned: dict, geometry: Geometry) -> tuple[int, int]:
    """Return bytes saved in a step of nnUNetTrainer, and its parameters."""
    with _on_fake_gpu():
        network = plan_network(planned, geometry, deep_supervision=True)
        image = _image(planned, geometry)
        with SavedTensors(network) as saved:
            logits = network(image)
            segmentation_loss(geometry, len(logits))(logits, _targets(logits, geometry))
        return saved.num_bytes, _num_parameters(network)


def measure(planned: dict, geometry: Geometry, settings: DistillationSettings) -> tuple[int, int]:
    """Return bytes saved in a step of nnUNetTrainerMSTKD up to its backward pass, and its parameters."""
    with _on_fake_gpu():
        branches = [
            MSTKDNetwork(plan_network(planned, geometry, True), planned["patch_size"], preset=settings.preset)
            for _ in range(2)
        ]
        encoder = branches[0].encoder
        discriminator = StyleDiscriminator(encoder.conv_op, encoder.output_channels[-1])
        images = [_image(planned, geometry) for _ in branches]  # the student's is a masked copy
        with SavedTensors(*branches, discriminator) as saved:
            teacher, student = (branch(image, True, True) for branch, image in zip(branches, images, strict=True))
            target = _step_target(student.logits, geometry)
            loss = segmentation_loss(geometry, len(student.logits))
            terms = {
                **segmentation_terms(teacher, student, target, loss, settings),
                **distillation_terms(teacher, student, {"adversarial": discriminator}, target, settings),
            }
            total_loss(terms, settings, ramp=1.0)
        return saved.num_bytes, sum(map(_num_parameters, [*branches, discriminator]))


@contextlib.contextmanager
def _on_fake_gpu() -> Iterator[None]:
    """Create tensors on a fake GPU, and let autocast choose their types as on a real one."""
    before = torch.is_autocast_enabled("cuda")
    # this initialisation alone looks at what it drew
    with (
        FakeTensorMode(),
        torch.device("cuda"),
        mock.patch.object(nn.init, "trunc_normal_", lambda tensor, **_: tensor),
    ):
        torch.set_autocast_enabled("cuda", True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there is no GPU
                yield
        finally:
            torch.set_autocast_enabled("cuda", before)
            torch.clear_autocast_cache()


def segmentation_loss(geometry: Geometry, num_scales: int) -> nn.Module:
    """Return nnU-Net's segmentation loss."""
    dice = {"batch_dice": False, "smooth": 1e-5, "ddp": False}
    loss: Any
    if geometry.regions:
        loss = DC_and_BCE_loss({}, {**dice, "do_bg": True}, dice_class=MemoryEfficientSoftDiceLoss)
    else:
        loss = DC_and_CE_loss({**dice, "do_bg": False}, {}, dice_class=MemoryEfficientSoftDiceLoss)
    return DeepSupervisionWrapper(loss, [*(1 / 2**scale for scale in range(num_scales - 1)), 0])


def _image(planned: dict, geometry: Geometry) -> Tensor:
    return torch.empty(int(planned["batch_size"]), geometry.channels, *planned["patch_size"])


def _targets(logits: Sequence[Tensor], geometry: Geometry) -> list[Tensor]:
    channels = geometry.heads if geometry.regions else 1
    return [torch.zeros(len(scale), channels, *scale.shape[2:]) for scale in logits]


def _step_target(logits: Sequence[Tensor], geometry: Geometry) -> StepTarget:
    ones = torch.ones(len(logits[0]), dtype=torch.bool)
    return StepTarget(_targets(logits, geometry), geometry.regions, None, is_complete=~ones, teacher_is_complete=ones)


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


if __name__ == "__main__":
    main()
