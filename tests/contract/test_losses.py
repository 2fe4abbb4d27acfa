"""What every loss promises, whichever it is: one row of the table per loss and variant."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from nnunetv2_mstkd import losses
from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses import (
    adversarial_discriminator,
    adversarial_student,
    content_distillation,
    extreme_value_distillation,
    gaussian_kl,
    global_style_matching,
    least_squares_adversarial,
    masked_reconstruction,
    multiscale_feature_distillation,
    mutual_information_transfer,
    probability_consistency,
    region_logit_distillation,
    standardized_logit_distillation,
    style_kl,
)

GRIDS = {2: (3, 4), 3: (2, 3, 2)}  # by number of spatial axes
TEMPERATURE = 3.0


# --- Inputs: for one of the two networks, a list of random float64 tensors -------------------------------------------


def _logits(channels):
    return lambda batch, axes: [2 * torch.randn(batch, channels, *GRIDS[axes], dtype=torch.float64)]


def _scores(batch, axes):
    return [torch.randn(batch, dtype=torch.float64)]


def _features(batch, axes):
    return [torch.randn(batch, 2 + i, *(n + i for n in GRIDS[axes]), dtype=torch.float64) for i in range(3)]


def _styles(batch, axes):
    return [torch.randn(batch, 2 + i, *GRIDS[axes], dtype=torch.float64) for i in range(3)]


def _attention(batch, axes):
    tokens = int(np.prod(GRIDS[axes])) // 2
    return [torch.randn(batch, 2, tokens, tokens, dtype=torch.float64).softmax(-1) for _ in range(3)]


def _gaussians(batch, axes):
    return [torch.randn(batch, 2, *GRIDS[axes], dtype=torch.float64) for _ in range(2)]  # means, log variances


def _images(batch, axes):
    return [torch.randn(batch, 2, *GRIDS[axes], dtype=torch.float64)]


def _style_parameters(batch, axes):
    return [torch.randn(batch, 2, 3, dtype=torch.float64) for _ in range(2)]  # means, log variances


@functools.wraps(masked_reconstruction)
def _reconstruction_of_all(image, reconstruction, **options):
    return masked_reconstruction(reconstruction, image, torch.ones(image.shape[:2], dtype=torch.bool), **options)


@functools.wraps(style_kl)
def _style_kl_of_all(means, log_variances, **options):
    return style_kl(means, log_variances, torch.ones(means.shape[:2], dtype=torch.bool), **options)


# --- References: the value of ONE sample, in NumPy, by loops where the losses vectorise -----------------------------


def _softmax(z):
    return np.exp(z) / np.exp(z).sum(0)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _reference_mse(teacher, student):
    return sum(np.mean((t - s) ** 2) for t, s in zip(teacher, student, strict=True))


def _reference_attention(normalization):
    def value(teacher, student):
        total = 0.0
        for extreme in (np.max, np.min, np.mean):
            for t, s in zip(teacher, student, strict=True):
                total += compare(t * extreme(teacher, axis=0), s * extreme(student, axis=0))
        return total / 3 if normalization == "rows" else total

    def compare(t, s):
        heads, queries, keys = t.shape
        if normalization == "tokens":
            return np.mean((t - s) ** 2) * keys**4
        rows = [
            (t[h, q] / (t[h, q].sum() + 1e-6), s[h, q] / (s[h, q].sum() + 1e-6)) for h, q in np.ndindex(t.shape[:2])
        ]
        return sum(np.sum((a - b) ** 2) for a, b in rows) / (heads * queries)

    return value


def _reference_styles(teacher, student):
    def gram(features, i, c, d):
        return np.mean(features[i][c] * features[i - 1][d])

    total = 0.0
    for i in range(len(teacher)):
        entries = list(np.ndindex(len(teacher[i]), len(teacher[i - 1])))
        total += np.mean([(gram(teacher, i, c, d) - gram(student, i, c, d)) ** 2 for c, d in entries])
    return total


def _reference_softmax_divergence(axis, reverse=False):
    def value(teacher, student):
        p, q = (_softmax(standardize(logits) / TEMPERATURE) for logits in (teacher[0], student[0]))
        p, q = (q, p) if reverse else (p, q)
        return TEMPERATURE**2 * np.mean(p * np.log(p / q))  # over classes and voxels

    def standardize(logits):
        mean, std = logits.mean(axis, keepdims=True), logits.std(axis, ddof=1, keepdims=True)
        return (logits - mean) / (1e-7 + std)

    return value


def _reference_region_divergence(teacher, student):
    total = 0.0
    for t, s in zip(teacher[0], student[0], strict=True):
        p, q = (_sigmoid((z - z.mean()) / max(z.std(ddof=1), 1.0) / TEMPERATURE) for z in (t, s))
        total += np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    return TEMPERATURE**2 * total / len(teacher[0])


def _reference_two_classes(teacher, student):
    return _reference_region_divergence([teacher[0][1:] - teacher[0][:1]], [student[0][1:] - student[0][:1]])


def _reference_consistency(activation):
    def value(teacher, student):
        difference = activation(teacher[0]) - activation(student[0])
        return sum(np.mean(channel**2) for channel in difference)

    return value


def _reference_adversarial(teacher, student):
    return -np.log(_sigmoid(student[0]))


def _reference_discriminator(teacher, student):
    return -np.log(_sigmoid(teacher[0])) - np.log(1 - _sigmoid(student[0]))


def _reference_gaussian(teacher, student):
    mean, log_variance = student
    return np.mean((mean**2 + np.exp(log_variance) - 1 - log_variance) / 2)


def _reference_styles_divergence(teacher, student):
    return student[0].shape[1] * _reference_gaussian(teacher, student)


def _reference_least_squares(teacher, student):
    return np.mean((student[0] - 1) ** 2)


def _reference_absolute(teacher, student):
    return np.mean(abs(student[0] - teacher[0]))


def _reference_information(teacher, student):
    return np.mean((teacher[0] - student[0]) ** 2) / 2  # the variances are 1


# --- The table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    loss: Callable[..., torch.Tensor]
    inputs: Callable[[int, int], list[torch.Tensor]]
    reference: Callable[[list[np.ndarray], list[np.ndarray]], Any]
    options: dict[str, Any] = field(default_factory=dict)
    sequence: bool = False  # takes sequences of tensors
    voxelwise: bool = False  # takes logits and `valid`
    distils: bool = True  # compares a student with a teacher
    student_alone: bool = False  # takes no teacher

    def __call__(self, teacher, student, **kwargs):
        if self.sequence:
            return self.loss(teacher, student, **self.options, **kwargs)
        arguments = student if self.student_alone else (*teacher, *student)
        return self.loss(*arguments, **self.options, **kwargs)

    def pair(self, batch=3, axes=2, dtype=torch.float64, requires_grad=False):
        torch.manual_seed(7)
        pair = tuple([t.to(dtype) for t in self.inputs(batch, axes)] for _ in range(2))
        return tuple([t.requires_grad_(requires_grad) for t in network] for network in pair)


def _logit_case(name, loss, channels, reference, **options):
    return Case(name, loss, _logits(channels), reference, options, voxelwise=True)


def _softened(name, channels, reference, **options):
    return _logit_case(name, standardized_logit_distillation, channels, reference, temperature=TEMPERATURE, **options)


CASES = [
    Case("evd-rows", extreme_value_distillation, _attention, _reference_attention("rows"), sequence=True),
    Case(
        "evd-tokens",
        extreme_value_distillation,
        _attention,
        _reference_attention("tokens"),
        {"normalization": "tokens"},
        sequence=True,
    ),
    Case("multiscale", multiscale_feature_distillation, _features, _reference_mse, sequence=True),
    Case("content", content_distillation, lambda batch, axes: _features(batch, axes)[:1], _reference_mse),
    Case("style", global_style_matching, _styles, _reference_styles, sequence=True),
    _softened("classes", 4, _reference_softmax_divergence(axis=0)),
    _softened("classes-reverse", 3, _reference_softmax_divergence(axis=0, reverse=True), reverse=True),
    _softened("classes-spatial", 4, _reference_softmax_divergence(axis=-1), standardize_dim=-1),
    _softened("two-classes", 2, _reference_two_classes),
    _logit_case("regions", region_logit_distillation, 3, _reference_region_divergence, temperature=TEMPERATURE),
    _logit_case("one-region", region_logit_distillation, 1, _reference_region_divergence, temperature=TEMPERATURE),
    _logit_case("consistency", probability_consistency, 4, _reference_consistency(_softmax), regions=False),
    _logit_case("consistency-regions", probability_consistency, 3, _reference_consistency(_sigmoid), regions=True),
    Case("information", mutual_information_transfer, _images, _reference_information, {"variance": torch.ones(2)}),
    Case("adversarial", adversarial_student, _scores, _reference_adversarial, distils=False, student_alone=True),
    Case("discriminator", adversarial_discriminator, _scores, _reference_discriminator, distils=False),
    Case(
        "least-squares", least_squares_adversarial, _images, _reference_least_squares, distils=False, student_alone=True
    ),
    Case("gaussian", gaussian_kl, _gaussians, _reference_gaussian, distils=False, student_alone=True),
    Case(
        "styles", _style_kl_of_all, _style_parameters, _reference_styles_divergence, distils=False, student_alone=True
    ),
    Case("reconstruction", _reconstruction_of_all, _images, _reference_mse, {"power": 2}, distils=False),
    Case("reconstruction-absolute", _reconstruction_of_all, _images, _reference_absolute, {"power": 1}, distils=False),
]
DISTILLING = [case for case in CASES if case.distils]
VOXELWISE = [case for case in CASES if case.voxelwise]


def _each(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def _take(network, samples):
    return [tensor[samples] for tensor in network]


def _gradients(value, network):
    return torch.autograd.grad(value, network, allow_unused=True, materialize_grads=True)


# --- The promises of all ----------------------------------------------------------------------------------------------


def test_every_exported_loss_is_in_the_table():
    functions = {case.loss.__name__ for case in CASES} | {"sigmoid_ramp_up"}  # a factor, no loss
    assert functions == set(losses.__all__)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("batch", [1, 3])
@_each(CASES)
def test_agrees_with_the_numpy_reference(case, batch, axes):
    teacher, student = case.pair(batch, axes)
    per_sample = [
        case.reference([t[b].numpy() for t in teacher], [s[b].numpy() for s in student]) for b in range(batch)
    ]
    value = case(teacher, student)
    assert value.shape == ()
    assert value.item() == pytest.approx(np.mean(per_sample), rel=1e-10)


@_each(CASES)
def test_gradient_is_right_to_finite_differences(case):
    teacher, student = case.pair(batch=2, requires_grad=True)
    count = len(teacher)
    options = {"detach_teacher": False} if case.distils else {}
    weights = torch.tensor([0.5, 2.0], dtype=torch.float64)

    def value(*tensors):
        return case(list(tensors[:count]), list(tensors[count:]), sample_weights=weights, **options)

    # fast_mode compares random projections of the Jacobian: as strict, in a fraction of the time
    assert torch.autograd.gradcheck(value, (*teacher, *student), fast_mode=True)


@pytest.mark.parametrize("half_inputs", [False, True], ids=["autocast", "autocast-half-inputs"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@_each(CASES)
def test_autocast_changes_no_value(case, dtype, half_inputs):
    teacher, student = case.pair(dtype=dtype if half_inputs else torch.float32, requires_grad=True)
    in_float32 = case([t.float() for t in teacher], [s.float() for s in student])
    with torch.autocast("cpu", dtype):
        value = case(teacher, student)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, in_float32, rtol=1e-6, atol=0)
    assert all(gradient.isfinite().all() for gradient in _gradients(value, student))


# exp(1024) is beyond float32 itself
@_each([case for case in CASES if case.inputs not in (_attention, _gaussians, _style_parameters)])
def test_large_half_precision_inputs_do_not_overflow(case):
    # 2^10 squared is beyond float16.
    teacher, student = case.pair(dtype=torch.float16)
    value = case([1024 * t for t in teacher], [-1024 * s for s in student])
    assert value.isfinite()


@_each(CASES)
def test_order_of_the_batch_does_not_matter(case):
    teacher, student = case.pair()
    order, weights = torch.tensor([2, 0, 1]), torch.tensor([1.0, 0.5, 3.0])
    permuted = case(_take(teacher, order), _take(student, order), sample_weights=weights[order])
    torch.testing.assert_close(permuted, case(teacher, student, sample_weights=weights))


@_each(CASES)
def test_mean_over_equal_shares_is_the_value_of_the_batch(case):
    teacher, student = case.pair(batch=4)
    weights = torch.tensor([1.0, 0.0, 0.0, 2.0])
    shares = [
        case(_take(teacher, share), _take(student, share), sample_weights=weights[share])
        for share in (slice(0, 2), slice(2, 4))
    ]
    whole = case(teacher, student, sample_weights=weights)
    torch.testing.assert_close(torch.stack(shares).mean(), whole)


@_each(CASES)
def test_weights_of_one_change_nothing(case):
    teacher, student = case.pair()
    weighted = case(teacher, student, sample_weights=torch.ones(3))
    assert weighted == case(teacher, student)


@_each(CASES)
def test_is_linear_in_the_weights(case):
    teacher, student = case.pair()
    first, second = torch.tensor([1.0, 0.0, 0.5]), torch.tensor([0.25, 2.0, 4.0])
    value = [case(teacher, student, sample_weights=w) for w in (torch.zeros(3), first, second, first + 3 * second)]
    # The discriminator's part for "full" has no weight: linear but for a constant.
    torch.testing.assert_close(value[3] - value[0], (value[1] - value[0]) + 3 * (value[2] - value[0]))


@_each(CASES)
def test_zero_weight_removes_the_samples_gradient(case):
    teacher, student = case.pair(requires_grad=True)
    value = case(teacher, student, sample_weights=torch.tensor([1, 0, 1]))
    for gradient in _gradients(value, student):
        assert not gradient[1].any()
        assert gradient[0].any()
        assert gradient[2].any()


@_each(CASES)
def test_weights_that_are_not_one_per_sample_are_refused(case):
    teacher, student = case.pair()
    with pytest.raises(ShapeError, match=r"\(2,\).*3 samples"):
        case(teacher, student, sample_weights=torch.ones(2))


# --- The promises of what compares a student with a teacher -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@_each(DISTILLING)
def test_is_zero_with_zero_gradient_at_equality(case, dtype):
    _, student = case.pair(dtype=dtype, requires_grad=True)
    value = case([s.detach().clone() for s in student], student)
    assert value.item() == 0.0
    tolerance = 100 * torch.finfo(dtype).eps
    assert all(gradient.abs().max() <= tolerance for gradient in _gradients(value, student))


@_each(DISTILLING)
def test_is_positive_with_a_gradient_at_every_student_tensor(case):
    teacher, student = case.pair(requires_grad=True)
    value = case(teacher, student)
    assert value > 0
    assert all(gradient.any() for gradient in _gradients(value, student))


@_each(DISTILLING)
def test_gradient_reaches_the_teacher_only_if_asked_for(case):
    teacher, student = case.pair(requires_grad=True)
    by_default = _gradients(case(teacher, student), teacher)
    assert not any(gradient.any() for gradient in by_default)
    co_trained = _gradients(case(teacher, student, detach_teacher=False), teacher)
    assert all(gradient.any() for gradient in co_trained)
    assert case(teacher, student) == case(teacher, student, detach_teacher=False)


@_each(DISTILLING)
def test_different_shapes_are_refused_and_shown(case):
    teacher, student = case.pair()
    teacher[0] = teacher[0][:2]
    with pytest.raises(ShapeError) as error:
        case(teacher, student)
    assert str(tuple(teacher[0].shape)) in str(error.value)
    assert str(tuple(student[0].shape)) in str(error.value)


# --- The promises of what works on voxels -----------------------------------------------------------------------------


def _some_valid(batch, axes):
    """Return (B, 1, *S) with a third of the voxels invalid, those differing between the samples."""
    count = batch * int(np.prod(GRIDS[axes]))
    return (torch.arange(count) * 7 % 11 % 3 > 0).reshape(batch, 1, *GRIDS[axes])


@pytest.mark.parametrize("axes", [2, 3])
@_each(VOXELWISE)
def test_invalid_voxels_have_no_influence(case, axes):
    teacher, student = case.pair(axes=axes, requires_grad=True)
    valid = _some_valid(3, axes)
    changed = [[torch.where(valid, t, -5 * t + 3) for t in network] for network in (teacher, student)]
    value = case(teacher, student, valid=valid)
    torch.testing.assert_close(case(*changed, valid=valid), value, rtol=1e-12, atol=0)
    assert not (_gradients(value, student)[0] * ~valid).any()


@_each(VOXELWISE)
def test_all_voxels_valid_is_the_same_as_no_mask(case):
    teacher, student = case.pair()
    masked = case(teacher, student, valid=torch.ones(3, 1, *GRIDS[2], dtype=torch.bool))
    torch.testing.assert_close(masked, case(teacher, student), rtol=1e-12, atol=0)


@_each(VOXELWISE)
def test_valid_may_be_bool_or_numbers(case):
    teacher, student = case.pair()
    valid = _some_valid(3, axes=2)
    values = {
        case(teacher, student, valid=valid.to(dtype)).item() for dtype in (torch.bool, torch.float16, torch.uint8)
    }
    assert len(values) == 1


@_each(VOXELWISE)
def test_sample_without_valid_voxels_contributes_exactly_zero(case):
    teacher, student = case.pair(batch=2, requires_grad=True)
    valid = torch.ones(2, 1, *GRIDS[2])
    valid[0] = 0
    value = case(teacher, student, valid=valid)
    torch.testing.assert_close(value, case(_take(teacher, [1]), _take(student, [1])) / 2)
    gradient = _gradients(value, student)[0]
    assert not gradient[0].any()
    assert gradient[1].any()
    alone = case(_take(teacher, [0]), _take(student, [0]), valid=valid[:1])
    assert alone.item() == 0.0


@_each(VOXELWISE)
def test_valid_of_another_shape_is_refused(case):
    teacher, student = case.pair()
    with pytest.raises(ShapeError, match=r"valid has shape \(3, 3, 4\).*need \(3, 1, 3, 4\)"):
        case(teacher, student, valid=torch.ones(3, *GRIDS[2]))


@pytest.mark.parametrize("student_is_constant", [True, False], ids=["student-constant", "student-varies"])
@_each(VOXELWISE)
def test_patch_without_foreground_is_finite(case, student_is_constant):
    # Background wins everywhere by the same margin, as in a patch of air.
    teacher, student = case.pair(dtype=torch.float32)
    background = torch.linspace(9.7, -9.7, teacher[0].shape[1]).reshape(1, -1, 1, 1).expand_as(teacher[0])
    student = [(background if student_is_constant else student[0]).clone().requires_grad_()]
    value = case([background], student)
    assert value.isfinite()
    assert _gradients(value, student)[0].isfinite().all()
    if student_is_constant:
        assert value.item() == pytest.approx(0, abs=1e-12)


@_each([case for case in VOXELWISE if "temperature" in case.options])
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(case, temperature):
    teacher, student = case.pair()
    with pytest.raises(ValueError, match=f"temperature={temperature}"):
        case.loss(*teacher, *student, **(case.options | {"temperature": temperature}))
