"""A step in the precision of the settings."""

import copy
import math

import pytest
from every_trainer import every_multi_encoder
from one_training_step import validate


@pytest.mark.slow
@every_multi_encoder
def test_a_step_in_bfloat16_is_near_that_in_float32(make_trainer, first_batch, trainer_class):
    losses, batch = [], None
    for precision in ("float32", "bfloat16"):
        trainer = make_trainer(trainer_class, settings={"cpu_precision": precision})
        trainer.initialize()
        trainer.on_train_epoch_start()
        batch = batch or first_batch(trainer)
        result = trainer.train_step(copy.deepcopy(batch))
        assert all(math.isfinite(value) for value in result.values()), result
        losses.append(result["loss_segmentation"])
        validate(trainer)
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[0] != losses[1], "bfloat16 was not used"
