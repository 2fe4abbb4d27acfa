"""Logits that nnU-Net would take for background."""

import pytest
import torch

from nnunetv2_mstkd.errors import PredictionError
from nnunetv2_mstkd.inference.around_network import require_finite


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_logit_that_is_no_number_is_an_error_that_says_what_to_do(dtype, value):
    logits = torch.zeros(2, 3, 4, 5, dtype=dtype)
    logits[1, 2, 3, 4] = value
    with pytest.raises(PredictionError, match=r"NaN or infinite.*--engine torch-float32.*-device cpu"):
        require_finite(logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_largest_numbers_pass(dtype):
    require_finite(torch.full((2, 30, 40, 50), torch.finfo(dtype).max, dtype=dtype))
