import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import multiscale_feature_distillation


def test_reproduces_the_released_value(oracle):
    arrays = oracle("features")
    teacher = [arrays[f"features_teacher_{i}"] for i in range(4)]
    student = [arrays[f"features_student_{i}"] for i in range(4)]
    value = multiscale_feature_distillation(teacher, student)
    torch.testing.assert_close(value, arrays["released_mst"], rtol=1e-10, atol=0)


@pytest.mark.parametrize(("teacher_scales", "student_scales"), [(2, 1), (1, 2), (0, 0)])
def test_sequences_must_be_equally_long_and_not_empty(teacher_scales, student_scales):
    feature = torch.zeros(1, 2, 3, 3)
    with pytest.raises(ShapeError, match=f"{teacher_scales} tensors.* {student_scales}"):
        multiscale_feature_distillation([feature] * teacher_scales, [feature] * student_scales)


def test_shape_mismatch_names_the_scale():
    with pytest.raises(ShapeError, match=r"features\[1\] has shape \(1, 2\)"):
        multiscale_feature_distillation([torch.zeros(1, 3), torch.zeros(1, 2)], [torch.zeros(1, 3), torch.zeros(1, 4)])


def test_scales_must_agree_in_batch_size():
    features = [torch.zeros(2, 3), torch.zeros(1, 3)]
    with pytest.raises(ShapeError, match="batch size"):
        multiscale_feature_distillation(features, features)
