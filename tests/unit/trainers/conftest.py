"""What tests of the trainers with an encoder for each modality begin with."""

import pytest


@pytest.fixture
def prepare(make_trainer, first_batch):
    """Return a function that gives an initialised trainer and a batch of it as a step takes it."""

    def make(name, *args, **options):
        trainer = make_trainer(f"{name}_4epochs", *args, **options)
        trainer.initialize()
        trainer.on_train_epoch_start()
        return trainer, trainer._prepare(first_batch(trainer))

    return make
