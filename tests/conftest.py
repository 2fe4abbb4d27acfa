"""Tiny data sets, made once by the real nnU-Net, trainers found by its real lookup, and how tests share the cores."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nnunetv2_mstkd.cores import available_cores

# nnUNet_def_n_proc is read when nnunetv2 is imported. No loader processes: starting one takes longer than any test.
os.environ.update(nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1", nnUNet_compile="f", MPLBACKEND="Agg")
# Threads that spin while they wait make a training forty times slower where another process needs the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Commands that tests start share the cores with the other workers of pytest-xdist.
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // _workers)))
for _variable in ("MSTKD_MODALITIES", "nnUNet_wandb_enabled", "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.pop(_variable, None)

import numpy as np  # noqa: E402 (after the environment is set)
import pytest  # noqa: E402
import torch  # noqa: E402
from network_plan import NetworkPlan  # noqa: E402
from recorded_batches import RecordedBatches  # noqa: E402
from tiny_dataset import TinyDataset, plan_and_preprocess, pools_as_threads  # noqa: E402
from trainer_building import build_trainer, has_overlay, lookup_variables  # noqa: E402

CHECKOUT = Path(__file__).parents[1]


@pytest.hookimpl(optionalhook=True)  # there without pytest-xdist, too
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return a worker for each core that may be used.

    None where there is one core or a single file: workers take time to start, and hide what is printed.
    """
    files = {Path(argument.partition("::")[0]) for argument in config.args}
    is_one_file = len(files) == 1 and files.pop().is_file()
    return 0 if is_one_file or available_cores() == 1 else available_cores()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


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
            made[variant] = plan_and_preprocess(variant, nnunet_folders)
        return made[variant]

    return make


@pytest.fixture
def threads_for_processes() -> Iterator[None]:
    """Run nnU-Net's worker pools as threads during a test."""
    with pools_as_threads():
        yield


# --- Trainers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def find_trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
    """Return nnU-Net's own lookup; where the overlay is not installed it gets the folder of an editable install."""
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    for name, value in lookup_variables().items():
        monkeypatch.setenv(name, value)
    return recursive_find_trainer_class_by_name


@pytest.fixture(scope="session")
def external_trainers() -> dict[str, str]:
    """The variable that an editable install needs, for the environment of a command."""
    return lookup_variables()


@pytest.fixture(scope="session")
def overlay_installed() -> bool:
    """Whether nnU-Net finds our trainers and our preprocessor with no variable set."""
    return has_overlay()


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
                for variable, value in lookup_variables().items():
                    patch.setenv(variable, value)
                for fold in folds:
                    trainer_class = recursive_find_trainer_class_by_name(name)
                    trainer = build_trainer(trainer_class, make_dataset(variant), fold=fold, **options)
                    trainer.run_training()
            models[key] = Path(trainer.output_folder_base)
        return models[key]

    return train


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


@pytest.fixture(scope="session")
def network_plan() -> type[NetworkPlan]:
    """The class NetworkPlan, for tests."""
    return NetworkPlan
