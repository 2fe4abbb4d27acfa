"""What tests of the trainers with an encoder for each modality begin with."""

import dataclasses

import pytest
import torch


@pytest.fixture
def prepare(make_trainer, first_batch):
    """Return a function that gives an initialised trainer and a batch of it as a step takes it."""

    def make(name, *args, **options):
        trainer = make_trainer(f"{name}_4epochs", *args, **options)
        trainer.initialize()
        trainer.on_train_epoch_start()
        return trainer, trainer._prepare(first_batch(trainer))

    return make


@pytest.fixture(scope="session")
def terms_of():
    """Return a function that gives the loss terms of a trainer's step on a batch with changes."""

    def run(trainer, batch, **changes):
        batch = dataclasses.replace(batch, **changes)
        with trainer.step_rng():
            return trainer.loss_terms(batch, trainer.network(batch.image, trainer.seen(batch), True))

    return run


@pytest.fixture(scope="session")
def only():
    """Return a function that gives the mask (B, M) of some channels of a batch."""

    def mask(batch, *channels):
        chosen = torch.zeros_like(batch.available)
        chosen[:, list(channels)] = True
        return chosen

    return mask
