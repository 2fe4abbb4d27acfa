import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import global_style_matching


def _released_factor(feature):
    """Return released / ours for B = 1; H and W are the first two spatial axes."""
    channels, (height, width) = feature.shape[1], feature.shape[2:4]
    return 1e-4 / (4 * channels**2 * (height * width) ** 2)


def _styles(arrays, who):
    return [arrays[f"style_{who}_{i}"] for i in range(3)]


def test_reproduces_the_released_value_up_to_its_factor(oracle):
    arrays = oracle("styles")
    value = global_style_matching(_styles(arrays, "teacher"), _styles(arrays, "student"))
    released = value * _released_factor(arrays["style_teacher_0"])
    torch.testing.assert_close(released, arrays["released_gsm"], rtol=1e-10, atol=0)


def test_one_feature_alone_reproduces_the_released_style_gram(oracle):
    arrays = oracle("styles")
    value = global_style_matching(_styles(arrays, "teacher")[1:2], _styles(arrays, "student")[1:2])
    released = value * _released_factor(arrays["style_teacher_1"])
    torch.testing.assert_close(released, arrays["released_style_gram"], rtol=1e-10, atol=0)


def test_pairs_may_differ_in_channels():
    # V = 2. Teacher a = (1, 1), b = rows (1, 1) and (2, 0): G = a b^T / 2 = (1, 1). Student b = 0: G = (0, 0).
    # Pair (a, b): mean of 1, 1 = 1; pair (b, a) is its transpose: 1.
    a = torch.ones(1, 1, 2)
    b = torch.tensor([[[1.0, 1.0], [2.0, 0.0]]])
    assert global_style_matching([a, b], [a, torch.zeros_like(b)]).item() == 2.0


def test_does_not_see_where_a_style_lies():
    torch.manual_seed(0)
    features = [torch.randn(2, 3, 4, 5, dtype=torch.float64) for _ in range(3)]
    moved = [feature.flip(2, 3) for feature in features]
    assert global_style_matching(features, moved).item() == pytest.approx(0, abs=1e-25)


def test_does_not_depend_on_the_number_of_voxels():
    torch.manual_seed(0)
    teacher, student = ([torch.randn(1, 3, 4, 4, dtype=torch.float64) for _ in range(3)] for _ in range(2))
    tiled = ([feature.repeat(1, 1, 2, 3) for feature in features] for features in (teacher, student))
    torch.testing.assert_close(global_style_matching(*tiled), global_style_matching(teacher, student))


def test_features_on_different_grids_are_refused():
    features = [torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2)]
    with pytest.raises(ShapeError, match=r"one spatial grid.*\(1, 2, 4, 4\), \(1, 2, 2, 2\)"):
        global_style_matching(features, features)
