"""Features in units of the teacher's root mean square."""

import pytest
import torch

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.feature_scale import in_teacher_units
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import distillation_terms
from nnunetv2_mstkd.distillation.step_target import StepTarget

COMPARED = ("encoded", "multiscale", "style", "content")
FEATURE_TERMS = {
    "weight_logits": 0.0,
    "weight_consistency": 0.0,
    "weight_adversarial": 0.0,
    "weight_extreme_value": 0.0,
    "weight_content": 0.005,
}


def features(seed, scale=1.0, with_style=True, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return (scale * torch.randn(shape, generator=generator)).to(dtype).requires_grad_()

    style = draw(2, 4, 3, 3) if with_style else None
    content = draw(2, 4, 3, 3) if with_style else None
    multiscale = (draw(2, 4, 3, 3), draw(2, 2, 6, 6))
    return NetworkFeatures(draw(2, 3, 12, 12), draw(2, 4, 3, 3), multiscale, (), style, content)


def terms(teacher, student, **settings):
    teacher_is_complete = torch.ones(len(teacher.encoded), dtype=torch.bool)
    target = StepTarget(None, True, None, ~teacher_is_complete, teacher_is_complete)
    return distillation_terms(teacher, student, {}, target, DistillationSettings(**FEATURE_TERMS, **settings))


def test_the_teacher_s_features_have_unit_mean_square_in_each_sample():
    teacher, _ = in_teacher_units(features(0, 7.0), features(1), COMPARED)
    for feature in (teacher.encoded, teacher.style, teacher.content, *teacher.multiscale):
        torch.testing.assert_close(feature.square().flatten(1).mean(1), torch.ones(2))


def test_by_hand():
    teacher = features(0)._replace(content=torch.tensor([[[3.0, 3.0]], [[1.0, 1.0]]]))
    student = features(1)._replace(content=torch.tensor([[[6.0, 0.0]], [[2.0, 1.0]]]))
    scaled_teacher, scaled_student = in_teacher_units(teacher, student, COMPARED)
    torch.testing.assert_close(scaled_teacher.content, torch.ones(2, 1, 2))
    torch.testing.assert_close(scaled_student.content, torch.tensor([[[2.0, 0.0]], [[2.0, 1.0]]]))


def test_terms_do_not_depend_on_the_features_scale():
    one = terms(features(0), features(1))
    hundred = terms(features(0, 100.0), features(1, 100.0))
    assert set(one) == {"content", "multiscale", "style_matching"}
    for name in one:
        torch.testing.assert_close(hundred[name], one[name], rtol=1e-4, atol=0)
    released = terms(features(0), features(1), relative_features=False)
    released_hundred = terms(features(0, 100.0), features(1, 100.0), relative_features=False)
    assert released_hundred["content"].item() == pytest.approx(released["content"].item() * 1e4, rel=1e-3)
    assert released_hundred["style_matching"].item() == pytest.approx(released["style_matching"].item() * 1e8, rel=1e-3)


def test_the_units_have_no_gradient():
    teacher, student = features(0), features(1)
    _, scaled = in_teacher_units(teacher, student, COMPARED)
    scaled.content.sum().backward()
    assert teacher.content.grad is None
    assert student.content.grad is not None


def test_what_is_not_compared_is_left_alone():
    teacher, student = features(0, with_style=False), features(1)._replace(multiscale=())
    for before, after in zip((teacher, student), in_teacher_units(teacher, student, {"encoded"}), strict=True):
        assert all(getattr(after, name) is getattr(before, name) for name in ("logits", "multiscale", "style"))
        assert after.encoded is not before.encoded


def test_a_feature_of_zeros_stays_finite():
    zeros = features(0, 0.0)
    _, scaled = in_teacher_units(zeros, features(1), COMPARED)
    assert scaled.content.isfinite().all()


def test_half_precision_does_not_overflow():
    teacher, student = (features(seed, 300.0, dtype=torch.float16) for seed in (0, 1))
    for scaled in in_teacher_units(teacher, student, COMPARED):
        assert scaled.content.dtype == torch.float32
        assert scaled.content.isfinite().all()


def test_a_sample_s_term_does_not_depend_on_the_others_in_the_batch():
    """So that DDP, which splits the batch, computes the same."""
    teacher, student = features(0), features(1)
    alone = [
        terms(*(f._replace(**{n: getattr(f, n)[i : i + 1] for n in ("logits", "encoded", "style", "content")},
                           multiscale=tuple(m[i : i + 1] for m in f.multiscale)) for f in (teacher, student)))
        for i in range(2)
    ]  # fmt: skip
    together = terms(teacher, student)
    for name in together:
        mean = torch.stack([term[name] for term in alone]).mean()
        torch.testing.assert_close(together[name], mean)
