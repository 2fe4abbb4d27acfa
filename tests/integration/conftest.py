"""Model folders that need no training."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager


@pytest.fixture(autouse=True)
def _plain_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `--engine auto` be torch in float32 on one core, as nnU-Net's predictor is in these tests.

    Compiling takes longer than most of them; unit/inference/engines has the tests of the others.
    """
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.choice.fastest_engine", lambda: "torch-float32")
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.engine_predictor.available_cores", lambda: 1)


@pytest.fixture(scope="session")
def quick_trainers(checkout: Path) -> Path:
    """The folder of trainers with epochs of two iterations, for the variable nnUNet_extTrainer of a command."""
    return checkout / "tests" / "quick_trainers"


@pytest.fixture
def random_model(make_dataset: Callable, find_trainer: Callable, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model folder of the four modalities, with random weights.

    Args of the function:
        trainer: who is to have trained it.
        folds: each with weights of its own.
        plans: entries to add to the plans or to change.
        dataset_json: likewise.
        cascade: whether it is the second stage of a cascade.
    """

    def make(
        trainer: str = "nnUNetTrainer",
        folds: tuple[int, ...] = (0,),
        plans: dict[str, Any] | None = None,
        dataset_json: dict[str, Any] | None = None,
        cascade: bool = False,
    ) -> Path:
        dataset = make_dataset("regions")
        configuration = "3d_cascade_fullres" if cascade else "3d_fullres"
        folder = tmp_path / "models" / f"{trainer}__{dataset.plans_name}__{configuration}"
        all_plans = {**copy.deepcopy(dataset.plans), **(plans or {})}
        if cascade:
            stages = {"inherits_from": "3d_fullres", "previous_stage": "3d_fullres"}
            all_plans["configurations"]["3d_cascade_fullres"] = stages
        for fold in folds:
            (folder / f"fold_{fold}").mkdir(parents=True)
            network = find_trainer("nnUNetTrainer").build_network_architecture(
                PlansManager(copy.deepcopy(all_plans)),
                PlansManager(copy.deepcopy(all_plans)).get_configuration(configuration),
                7 if cascade else 4,  # and three labels of the previous stage
                3,
                False,
            )
            checkpoint = {"trainer_name": trainer, "init_args": {"configuration": configuration}}
            checkpoint["network_weights"] = network.state_dict()
            torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
        (folder / "plans.json").write_text(json.dumps(all_plans))
        (folder / "dataset.json").write_text(json.dumps({**dataset.dataset_json, **(dataset_json or {})}))
        return folder

    return make


@pytest.fixture
def files(make_dataset: Callable) -> dict[str, str]:
    """The channel files of a test case, by modality."""
    dataset = make_dataset("regions")
    return dict(zip(("T1", "T1ce", "T2", "FLAIR"), dataset.test_files(dataset.test_cases[0]), strict=True))
