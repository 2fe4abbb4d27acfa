"""Many subsets in one run of nnU-Net's sliding window."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nnunetv2_mstkd.errors import PredictionError
from nnunetv2_mstkd.inference.benchmark.subset_prediction import (
    FULL_SAMPLE,
    MAX_LOGITS_BYTES,
    EverySubset,
    SubsetPredictor,
    automatic_chunk,
    is_out_of_memory,
)
from nnunetv2_mstkd.modalities import Modalities

SUBSETS = Modalities(("T1", "T1ce", "T2", "FLAIR")).subsets()


class Sums(nn.Module):
    """Two channels of logits: the sum of the modalities, and twice that."""

    def forward(self, image):
        total = image.sum(1, keepdim=True)
        return torch.cat((total, 2 * total), 1)


@pytest.mark.parametrize("axes", [2, 3])
def test_each_subset_is_summed_over_its_own_modalities(axes):
    network = EverySubset(Sums())
    network.modality_mask = torch.tensor([subset.present for subset in SUBSETS])
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 4, *(3,) * axes)))
    logits = network(image)
    assert logits.shape == (1, 2 * len(SUBSETS), *(3,) * axes)
    for i, subset in enumerate(SUBSETS):
        expected = image[0, list(subset.channels)].sum(0)
        torch.testing.assert_close(logits[0, 2 * i], expected)
        torch.testing.assert_close(logits[0, 2 * i + 1], 2 * expected)


def test_the_image_is_left_alone():
    network = EverySubset(Sums())
    network.modality_mask = torch.tensor([[True, False, False, False]])
    image = torch.ones(1, 4, 2, 2)
    network(image)
    assert image.eq(1).all()


def test_nan_in_an_absent_modality_has_no_influence():
    network = EverySubset(Sums())
    network.modality_mask = torch.tensor([[True, False]])
    image = torch.stack((torch.ones(2, 2), torch.full((2, 2), torch.nan)))[None]
    assert network(image)[0, 0].eq(1).all()


def test_weights_go_into_the_network_itself():
    inner = nn.Conv2d(1, 1, 1)
    EverySubset(inner).load_state_dict({"weight": torch.full((1, 1, 1, 1), 5.0), "bias": torch.zeros(1)})
    assert inner.weight.item() == 5


@pytest.mark.parametrize(
    ("patch", "logits_bytes", "count"),
    [
        ((128, 128, 128), 1, 1),
        ((160, 192, 160), 1, 1),
        ((64, 64, 64), 1, 8),  # 2^3 of them fill 128^3
        ((32, 32, 32), 1, 64),
        ((32, 32, 32), MAX_LOGITS_BYTES // 3, 3),
        ((32, 32, 32), 2 * MAX_LOGITS_BYTES, 1),  # a huge image: one by one
        ((192, 160), 1, FULL_SAMPLE // (192 * 160)),
    ],
)
def test_small_patches_are_put_together(patch, logits_bytes, count):
    assert automatic_chunk(patch, logits_bytes) == count


class TooLarge(SubsetPredictor):
    """Has memory for two subsets; logits are the subsets' numbers of modalities."""

    def __init__(self):
        self._most_per_forward = 16
        self.tried = []

    def _forward(self, image, subsets):
        self.tried.append(len(subsets))
        if len(subsets) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return torch.tensor([[float(len(subset.channels))] for subset in subsets])


def test_without_memory_fewer_subsets_share_a_forward_pass():
    predictor = TooLarge()
    logits = predictor.predict_logits(torch.zeros(4, 2, 2), SUBSETS[:7])
    assert logits.flatten().tolist() == [1, 1, 1, 1, 2, 2, 2]
    assert predictor.tried == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    predictor.tried.clear()
    predictor.predict_logits(torch.zeros(4, 2, 2), SUBSETS[:2])
    assert predictor.tried == [1, 1]  # it is remembered


def test_one_subset_without_memory_is_an_error(monkeypatch):
    def forward(self, image, subsets):
        raise MemoryError

    monkeypatch.setattr(TooLarge, "_forward", forward)
    with pytest.raises(MemoryError):
        TooLarge().predict_logits(torch.zeros(4, 2, 2), SUBSETS)


class Broken(SubsetPredictor):
    """Its network says NaN of one subset, in one voxel."""

    def __init__(self):
        logits = torch.zeros(4, 2, 3)  # two subsets, two labels
        logits[2, 1, 1] = torch.nan
        self.model = SimpleNamespace(folds=("0",))
        self._predictor = SimpleNamespace(predict_sliding_window_return_logits=lambda image: logits)
        self._network, self._num_heads, self._most_per_forward = EverySubset(Sums()), 2, 2


def test_logits_that_are_no_numbers_are_an_error():
    with pytest.raises(PredictionError, match="NaN or infinite"):
        Broken().predict_logits(torch.zeros(4, 2, 3), SUBSETS[:2])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA out of memory. Tried"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (MemoryError(), True),
        (RuntimeError("shape mismatch"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error, expected):
    assert is_out_of_memory(error) is expected
