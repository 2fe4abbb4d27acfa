"""The reference of a case."""

import tracemalloc

import numpy as np
import pytest

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.benchmark.case_preparation import require_known_labels


def test_known_labels_pass():
    require_known_labels(np.array([[[0, 3], [2, 0]]], np.int32), {0, 1, 2, 3}, "case.nii.gz")


def test_a_stray_label_is_told_and_takes_no_memory():
    labels = np.zeros((2, 3, 4), np.int32)
    labels[0, 0, :2] = 1_000_000_000, -5
    tracemalloc.start()
    with pytest.raises(CaseError, match=r"the labels \[-5, 1000000000\], but dataset.json has only \[0, 1\]"):
        require_known_labels(labels, {0, 1}, "case.nii.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_an_image_in_place_of_labels_has_a_short_message():
    with pytest.raises(CaseError, match=r"\[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, \.\.\.\]"):
        require_known_labels(np.arange(1000, dtype=np.int32).reshape(10, 10, 10), {0, 1}, "case.nii.gz")
