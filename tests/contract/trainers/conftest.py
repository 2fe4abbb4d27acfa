"""Trainers as their tests need them: without figures, of cases that lack modalities, as they predict, finished."""

import shutil
from pathlib import Path

import pytest
from told_network import build, shaken
from training_cases import with_availability


@pytest.fixture
def no_figures(monkeypatch):
    """A figure takes longer than an epoch of these tests."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())


@pytest.fixture
def incomplete_trainer(make_trainer):
    """Return a function that makes an initialised trainer whose first two cases lack modalities."""

    def make(name, **settings):
        trainer = make_trainer(name, settings=settings)
        trainer.initialize()
        return with_availability(trainer, blobTr_000="T1,T2", blobTr_001="T1ce")

    return make


@pytest.fixture
def as_predicted(monkeypatch):
    """Return a function that gives a trainer's network as the stock command has it for a subset: see MSTKD_MODALITIES.

    Args of the function:
        trainer: made before, since none is made while the variable is set.
        weights: of the network.
        subset: that the command is told.
    """

    def load(trainer, weights, subset):
        with monkeypatch.context() as patch:
            patch.setenv("MSTKD_MODALITIES", str(subset))
            network = build(trainer)
        network.load_state_dict(weights)
        return network.eval()

    return load


@pytest.fixture
def predicting(make_trainer):
    """Return a function that gives a trainer and a network of it as it predicts."""

    def make(trainer_class, *arguments, **options):
        trainer = make_trainer(trainer_class, *arguments, **options)
        return trainer, shaken(build(trainer)).eval()

    return make


@pytest.fixture
def finished(trained_model, results):
    """The fold's folder of a finished nnUNetTrainerMSTKD_1epoch, where another one of this test would write."""
    model = trained_model("nnUNetTrainerMSTKD_1epoch")
    return shutil.copytree(model, results / model.parent.name / model.name) / "fold_0"
