import math

import pytest
import torch

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import adversarial_discriminator


def test_teacher_is_full_and_student_is_missing():
    # sigmoid(log 3) = 3/4. Teacher against full: -log 3/4; student against missing: -log(1 - 3/4).
    score = torch.tensor([math.log(3)], dtype=torch.float64)
    expected = -math.log(3 / 4) - math.log(1 / 4)
    assert adversarial_discriminator(score, score[:, None]).item() == pytest.approx(expected)


def test_weights_act_on_the_missing_part_only():
    teacher, student = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    value = adversarial_discriminator(teacher, student, sample_weights=torch.tensor([1.0, 0.0, 1.0]))
    teacher_gradient, student_gradient = torch.autograd.grad(value, (teacher, student))
    assert (teacher_gradient != 0).all()
    assert (student_gradient != 0).tolist() == [True, False, True]


def test_teachers_weights_act_on_the_full_part_only():
    teacher, student = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    value = adversarial_discriminator(teacher, student, teacher_weights=torch.tensor([1.0, 0.0, 1.0]))
    teacher_gradient, student_gradient = torch.autograd.grad(value, (teacher, student))
    assert (teacher_gradient != 0).tolist() == [True, False, True]
    assert (student_gradient != 0).all()


def test_batches_of_different_size_are_refused():
    with pytest.raises(ShapeError, match=r"teacher_scores \(2,\), student_scores \(3, 1\)"):
        adversarial_discriminator(torch.zeros(2), torch.zeros(3, 1))
