"""What a training leaves: its record, its checkpoints, its weights."""

import csv
from pathlib import Path

import torch


def rows(trainer):
    with open(Path(trainer.output_folder) / "mstkd_metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def load(trainer, name):
    return torch.load(Path(trainer.output_folder) / name, weights_only=False)


def assert_equal_weights(one, other):
    assert list(one) == list(other)
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def assert_trained(before, after):
    """Check that no weight is as it was, but for those that a few steps may leave alone."""
    unchanged = [key for key in before if torch.equal(before[key], after[key])]
    # labels at coarser scales than deep supervision weighs (nnU-Net gives the coarsest weight 0) keep their head; the
    # bias before an instance norm has a gradient of rounding errors, yet weight decay moves it once it is not zero
    assert not [key for key in unchanged if "seg_layers" not in key and not key.endswith("bias")]
    assert all(torch.isfinite(value).all() for value in after.values())
