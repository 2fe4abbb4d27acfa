"""A step of training and one of validation, checked."""

import math

import torch


def step(trainer, batch):
    """Train one step, check it, and return what it returned."""
    trainer.on_train_epoch_start()
    result = trainer.train_step(batch)
    assert all(math.isfinite(value) for value in result.values()), result
    for network in trainer.trained_networks():
        # the coarsest scale of deep supervision has the weight 0; under DDP nnU-Net gives it a little
        missing = [name for name, p in network.named_parameters() if p.grad is None and "seg_layers.0" not in name]
        assert not missing, missing
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    return result


def validate(trainer):
    """Validate one step, and check it."""
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        result = trainer.validation_step(next(trainer.get_dataloaders()[1]))
    assert math.isfinite(result["loss"])
