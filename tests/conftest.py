"""Tiny data sets, planned and preprocessed once by the real nnU-Net, and trainers found by its real lookup."""

import copy
import importlib.util
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# nnUNet_def_n_proc is read when nnunetv2 is imported. No loader processes: starting one takes longer than any test.
os.environ.update(nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1", nnUNet_compile="f", MPLBACKEND="Agg")
# Threads that spin while they wait make a training forty times slower where another process needs the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
for _variable in ("MSTKD_MODALITIES", "nnUNet_wandb_enabled", "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.pop(_variable, None)

import numpy as np  # noqa: E402 (after the environment is set)
import pytest  # noqa: E402
import torch  # noqa: E402
from tiny_cohort import TinyCohort, write_cohort  # noqa: E402

CHECKOUT = Path(__file__).parents[1]
OVERLAY = "nnunetv2.training.nnUNetTrainer.variants.mstkd"
ITERATIONS = 2  # of training, and of validation, in an epoch of a test


@pytest.fixture(autouse=True)
def _reproducible():
    torch.set_num_threads(1)  # tensors are tiny: waiting for a second thread takes longer than the work
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree."""
    return CHECKOUT


# --- Data sets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A data set to make.

    Args:
        number: nnU-Net's dataset id.
        configurations: to preprocess.
        cohort: arguments of tiny_cohort.TinyCohort.
    """

    number: int
    configurations: tuple[str, ...] = ("3d_fullres",)
    cohort: dict[str, Any] = field(default_factory=dict)


VARIANTS = {
    "regions": Variant(901, ("2d", "3d_fullres")),
    "labels": Variant(902, cohort={"regions": False}),
    "labels_ignore": Variant(903, cohort={"regions": False, "ignore_label": True}),
    "regions_ignore": Variant(904, cohort={"ignore_label": True}),
    # CT normalisation does not map zero to zero
    "two_modalities": Variant(905, cohort={"channel_names": ("CT", "T2"), "regions": False}),
    "five_modalities": Variant(906, cohort={"channel_names": ("T1", "T1ce", "T2", "FLAIR", "ADC")}),
    "anisotropic": Variant(907, cohort={"shape": (10, 32, 32), "spacing_mm": (6.0, 1.5, 1.5)}),
}


@dataclass(frozen=True)
class TinyDataset:
    """A raw data set with the plans of a tiny network and preprocessed cases."""

    name: str
    number: int
    raw: Path
    preprocessed: Path
    plans_name: str = "nnUNetPlansTiny"

    @cached_property
    def plans(self) -> dict:
        """The tiny plans."""
        return json.loads((self.preprocessed / f"{self.plans_name}.json").read_text())

    @cached_property
    def dataset_json(self) -> dict:
        """The dataset.json."""
        return json.loads((self.preprocessed / "dataset.json").read_text())

    @property
    def test_cases(self) -> list[str]:
        """Identifiers of the cases in imagesTs."""
        return sorted({file.name[: -len("_0000.nii.gz")] for file in (self.raw / "imagesTs").iterdir()})

    def test_files(self, case: str) -> list[str]:
        """The channel files of a test case, in channel order."""
        return sorted(str(file) for file in (self.raw / "imagesTs").glob(f"{case}_*.nii.gz"))


@pytest.fixture(scope="session", autouse=True)
def nnunet_folders(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """nnU-Net's three folders, empty at first and set in the environment for the whole session."""
    root = tmp_path_factory.mktemp("nnunet")
    folders = {name: root / name for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    for name, folder in folders.items():
        folder.mkdir()
        os.environ[name] = str(folder)
    return SimpleNamespace(**folders)


@pytest.fixture(scope="session")
def make_dataset(nnunet_folders: SimpleNamespace) -> Callable[[str], TinyDataset]:
    """Return a function that gives one of VARIANTS, made on first use."""
    made: dict[str, TinyDataset] = {}

    def make(variant: str) -> TinyDataset:
        if variant not in made:
            made[variant] = _make(variant, VARIANTS[variant], nnunet_folders)
        return made[variant]

    return make


def _make(name: str, variant: Variant, folders: SimpleNamespace) -> TinyDataset:
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    from nnunetv2_mstkd.planning import nnUNetPlannerTiny

    folder = f"Dataset{variant.number}_{name.title().replace('_', '')}"
    dataset = TinyDataset(name, variant.number, folders.nnUNet_raw / folder, folders.nnUNet_preprocessed / folder)
    write_cohort(dataset.raw, TinyCohort(**variant.cohort))
    with _threads_for_processes(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_n_proc_DA", "1")  # the planner sets torch's threads to it
        api.extract_fingerprint_dataset(
            variant.number, _small_fingerprint(), num_processes=1, verbose=False, show_progress_bar=False
        )
        api.plan_experiment_dataset(variant.number, nnUNetPlannerTiny)
        available = [c for c in variant.configurations if c in dataset.plans["configurations"]]
        assert available == list(variant.configurations), f"nnU-Net planned {list(dataset.plans['configurations'])}"
        api.preprocess([variant.number], dataset.plans_name, available, num_processes=[1], show_progress_bar=False)
    return dataset


def _small_fingerprint() -> type:
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    class SmallFingerprint(DatasetFingerprintExtractor):
        """Samples thousands of voxels for the intensity statistics, not a hundred million."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.num_foreground_voxels_for_intensitystats = 10_000

    return SmallFingerprint


@contextmanager
def _threads_for_processes() -> Iterator[None]:
    """Let nnU-Net's worker pools be threads.

    A spawned process first imports torch, for seconds; one forked while torch's threads run may never come back.
    """

    def get_context(method: str | None = None) -> Any:
        return SimpleNamespace(Pool=ThreadPool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", get_context)
        patch.setattr("nnunetv2.utilities.utils.Pool", lambda *args, **kwargs: ThreadPool(1))
        yield


@pytest.fixture
def threads_for_processes() -> Iterator[None]:
    """Run nnU-Net's worker pools as threads during a test."""
    with _threads_for_processes():
        yield


# --- Trainers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def find_trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
    """Return nnU-Net's own lookup; where the overlay is not installed it gets the folder of an editable install."""
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    for name, value in _external_trainers().items():
        monkeypatch.setenv(name, value)
    return recursive_find_trainer_class_by_name


def _external_trainers() -> dict[str, str]:
    if _overlay_installed():
        return {}
    import nnunetv2_mstkd.overlay

    return {"nnUNet_extTrainer": str(Path(nnunetv2_mstkd.overlay.__file__).parent / "trainers")}


@pytest.fixture(scope="session")
def external_trainers() -> dict[str, str]:
    """The variable that an editable install needs, for the environment of a command."""
    return _external_trainers()


def _overlay_installed() -> bool:
    return importlib.util.find_spec(OVERLAY) is not None


@pytest.fixture(scope="session")
def overlay_installed() -> bool:
    """Whether nnU-Net finds our trainers and our preprocessor with no variable set."""
    return _overlay_installed()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder of the test's own."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv("nnUNet_results", str(folder))
    return folder


@pytest.fixture
def make_trainer(find_trainer: Callable[[str], type], results: Path, make_dataset: Callable) -> Callable[..., Any]:
    """Return a function that builds a trainer as `nnUNetv2_train` does, with epochs of ITERATIONS iterations."""

    def make(
        name: str | type = "nnUNetTrainerMSTKD_1epoch", dataset: str | TinyDataset = "regions", **options: Any
    ) -> Any:
        trainer_class = find_trainer(name) if isinstance(name, str) else name
        return build_trainer(trainer_class, make_dataset(dataset) if isinstance(dataset, str) else dataset, **options)

    return make


def build_trainer(
    trainer_class: type,
    dataset: TinyDataset,
    *,
    configuration: str = "3d_fullres",
    fold: int | str = 0,
    settings: dict | None = None,
    plans: dict | None = None,
    dataset_json: dict | None = None,
    continue_training: bool = False,
) -> Any:
    """Build a trainer as `nnUNetv2_train` does, with epochs of ITERATIONS iterations."""
    plans = copy.deepcopy(dataset.plans if plans is None else plans)
    if settings is not None:
        plans["mstkd"] = settings
    plans["continue_training"] = continue_training
    description = copy.deepcopy(dataset.dataset_json if dataset_json is None else dataset_json)
    trainer = trainer_class(plans, configuration, fold, description, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = ITERATIONS
    return trainer


@pytest.fixture(scope="session")
def trained_model(make_dataset: Callable, nnunet_folders: SimpleNamespace) -> Callable[..., Path]:
    """Return a function that gives the model folder of a trainer, trained for an epoch on first use."""
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    models: dict[tuple, Path] = {}

    def train(name: str = "nnUNetTrainerMSTKD_1epoch", variant: str = "regions", **options: Any) -> Path:
        key = (name, variant, repr(options))
        if key not in models:
            folds = options.pop("folds", (0,))
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("nnUNet_results", str(nnunet_folders.nnUNet_results / f"model{len(models)}"))
                patch.delenv("MSTKD_MODALITIES", raising=False)
                patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())
                for variable, value in _external_trainers().items():
                    patch.setenv(variable, value)
                for fold in folds:
                    trainer_class = recursive_find_trainer_class_by_name(name)
                    trainer = build_trainer(trainer_class, make_dataset(variant), fold=fold, **options)
                    trainer.run_training()
            models[key] = Path(trainer.output_folder_base)
        return models[key]

    return train


class RecordedBatches:
    """Lists of batches in place of nnU-Net's loaders, which draw from entropy.

    Args:
        training: num_epochs * ITERATIONS batches.
        validation: ITERATIONS batches, used in every epoch.
    """

    def __init__(self, training: list[dict], validation: list[dict]) -> None:
        self.training, self.validation = training, validation

    @classmethod
    def record(cls, trainer: Any, num_epochs: int) -> "RecordedBatches":
        """Draw from the trainer's own loaders; the trainer must be initialised."""
        training, validation = trainer.get_dataloaders()
        return cls(
            [copy.deepcopy(next(training)) for _ in range(num_epochs * ITERATIONS)],
            [copy.deepcopy(next(validation)) for _ in range(ITERATIONS)],
        )

    def feed(self, trainer: Any, stop_at: tuple[int, int] | None = None) -> None:
        """Give these batches to a trainer; raise InterruptedError at (epoch, iteration) `stop_at`."""

        def training() -> Iterator[dict]:
            while True:
                if (trainer.current_epoch, trainer.iteration) == stop_at:
                    raise InterruptedError
                yield copy.deepcopy(self.training[trainer.current_epoch * ITERATIONS + trainer.iteration])

        def validation() -> Iterator[dict]:
            while True:
                yield copy.deepcopy(self.validation[trainer.iteration])

        trainer.get_dataloaders = lambda: (training(), validation())


@pytest.fixture(scope="session")
def recorded_batches() -> type[RecordedBatches]:
    """The class RecordedBatches, for tests."""
    return RecordedBatches


@pytest.fixture
def first_batch(make_trainer: Callable[..., Any]) -> Callable[[Any], dict]:
    """Return a function that gives an initialised trainer's first training batch."""

    def draw(trainer: Any) -> dict:
        return next(trainer.get_dataloaders()[0])

    return draw


# --- Networks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkPlan:
    """Arguments of a small U-Net of dynamic-network-architectures, and a patch that fits it."""

    axes: int = 3
    residual: bool = False
    num_stages: int = 4
    features: tuple[int, ...] | None = None
    last_stride: tuple[int, ...] | None = None
    patch: tuple[int, ...] | None = None
    channels: int = 4
    classes: int = 3

    @property
    def strides(self) -> list[tuple[int, ...]]:
        """Of each stage."""
        strides = [(1,) * self.axes, *[(2,) * self.axes] * (self.num_stages - 1)]
        return [*strides[:-1], self.last_stride] if self.last_stride else strides

    @property
    def patch_size(self) -> tuple[int, ...]:
        """`patch`, or the smallest whose deepest grid has two voxels an axis."""
        if self.patch:
            return self.patch
        return tuple(2 * int(np.prod([stride[axis] for stride in self.strides])) for axis in range(self.axes))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return self.features or tuple(min(16, 4 * 2**s) for s in range(self.num_stages))

    def builder(self, deep_supervision: bool = False) -> Callable[[int, int, Callable[[int], int]], torch.nn.Module]:
        """Return what makes U-Nets of the plan with other channels and widths, as a trainer does."""

        def build(num_inputs: int, num_outputs: int, width: Callable[[int], int]) -> torch.nn.Module:
            widths = tuple(width(features) for features in self.widths)
            return self.but(channels=num_inputs, classes=num_outputs, features=widths).build(deep_supervision)

        return build

    def build(self, deep_supervision: bool = False) -> torch.nn.Module:
        """Build the plain network."""
        from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet

        conv = torch.nn.Conv3d if self.axes == 3 else torch.nn.Conv2d
        norm = torch.nn.InstanceNorm3d if self.axes == 3 else torch.nn.InstanceNorm2d
        blocks = "n_blocks_per_stage" if self.residual else "n_conv_per_stage"
        network = (ResidualEncoderUNet if self.residual else PlainConvUNet)(
            input_channels=self.channels,
            n_stages=self.num_stages,
            features_per_stage=self.widths,
            conv_op=conv,
            kernel_sizes=[(3,) * self.axes] * self.num_stages,
            strides=self.strides,
            num_classes=self.classes,
            n_conv_per_stage_decoder=[2] * (self.num_stages - 1),
            conv_bias=True,
            norm_op=norm,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=torch.nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=deep_supervision,
            **{blocks: [2] * self.num_stages},
        )
        network.apply(network.initialize)
        return network

    def image(self, batch: int = 2, device: str = "cpu") -> torch.Tensor:
        """A random image (B, M, *patch)."""
        return torch.randn(batch, self.channels, *self.patch_size, device=device)

    def but(self, **changes: Any) -> "NetworkPlan":
        """This plan with changes."""
        return replace(self, **changes)


@pytest.fixture(scope="session")
def network_plan() -> type[NetworkPlan]:
    """The class NetworkPlan, for tests."""
    return NetworkPlan
