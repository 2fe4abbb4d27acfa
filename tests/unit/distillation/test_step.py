"""One teacher/student step: which terms, and where their gradients go."""

import math

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import (
    STUDENT_SEGMENTATION,
    TEACHER_SEGMENTATION,
    StepTarget,
    discriminator_loss,
    distillation_terms,
    full_resolution,
    judged,
    needs_attention,
    sample_weights,
    segmentation_terms,
    style_triple,
    total_loss,
    valid_voxels,
)
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.distillation.terms import (
    ADVERSARIAL,
    DISCRIMINATORS,
    DISTILLATION_TERMS,
    ENTROPY,
    KNOWLEDGE,
    MUTUAL_INFORMATION,
    active_weights,
)

OF_MSTKD = {"consistency", "logits", "multiscale", "extreme_value", "style_matching", "adversarial"}
OTHERS = {"content", "gram_style", MUTUAL_INFORMATION, ENTROPY, KNOWLEDGE}  # weight 0 by default
WITHOUT_PART = {MUTUAL_INFORMATION, ENTROPY, KNOWLEDGE}  # they need neither transformer nor fusion
WITH_ALL = {f"weight_{term}": 0.005 for term in OTHERS}
BOTH, NONE = torch.tensor([True, True]), torch.tensor([False, False])
ABLATIONS = {
    "default": ({}, OF_MSTKD),
    "all": (WITH_ALL, set(DISTILLATION_TERMS)),
    "noMSTKD": (
        {"use_multiscale_transformer": False, **WITH_ALL},
        set(DISTILLATION_TERMS) - {"multiscale", "extreme_value"},
    ),
    "noGSME": (
        {"use_style_matching": False, **WITH_ALL},
        {"consistency", "logits", "multiscale", "extreme_value"} | WITHOUT_PART,
    ),
    "noSLKD": ({"use_logit_distillation": False, **WITH_ALL}, set(DISTILLATION_TERMS) - {"consistency", "logits"}),
    "one weight 0": ({"weight_logits": 0.0, **WITH_ALL}, set(DISTILLATION_TERMS) - {"logits"}),
}


class Branches:
    """Teacher, student and what the terms need beside them on one plan, with a batch of two."""

    def __init__(self, network_plan, settings, regions=True):
        self.settings, self.regions = settings, regions
        self.plan = network_plan(axes=2, num_stages=4)
        options = {
            "use_transformer": settings.use_multiscale_transformer,
            "use_style_fusion": settings.use_style_matching,
        }
        self.teacher, self.student = (
            MSTKDNetwork(self.plan.build(True), self.plan.patch_size, **options) for _ in range(2)
        )
        self.discriminators = build_discriminators(settings, self.student.encoder, self.plan.classes)
        self.regressor = build_regressor(settings, self.student.encoder)
        self.image = self.plan.image()
        self.teacher_is_complete = torch.tensor([True, True])
        self.masked = self.image.clone()
        self.masked[0, :2] = 0

    def forward(self, valid=None):
        attention = needs_attention(self.settings)
        teacher, student = self.teacher(self.image, True, attention), self.student(self.masked, True, attention)
        is_complete = torch.tensor([False, True])[: len(self.image)]
        target = StepTarget(None, self.regions, valid, is_complete, self.teacher_is_complete)
        return teacher, student, target

    def terms(self, valid=None):
        teacher, student, target = self.forward(valid)
        return distillation_terms(teacher, student, self.discriminators, target, self.settings, self.regressor)


@pytest.fixture
def branches(network_plan):
    return lambda regions=True, **settings: Branches(network_plan, DistillationSettings(**settings), regions)


def gradients(network):
    return [p.grad for p in network.parameters() if p.grad is not None and p.grad.abs().sum() > 0]


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("regions", [True, False])
def test_each_ablation_has_its_terms(branches, ablation, regions):
    settings, expected = ABLATIONS[ablation]
    terms = branches(regions, **settings).terms()
    assert set(terms) == expected
    assert all(torch.isfinite(term) and term.ndim == 0 for term in terms.values())
    assert all(term > 0 for term in terms.values())


def test_weights_are_those_of_the_settings():
    settings = DistillationSettings(weight_content=0.0, weight_logits=3.0)
    weights = active_weights(settings)
    assert "content" not in weights
    assert weights["logits"] == 3.0
    assert weights["multiscale"] == settings.weight_multiscale


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, True), ({"weight_extreme_value": 0.0}, False), ({"use_multiscale_transformer": False}, False)],
)
def test_attention_is_computed_only_where_a_term_needs_it(settings, expected):
    assert needs_attention(DistillationSettings(**settings)) is expected


def test_total_is_the_weighted_sum_by_hand():
    settings = DistillationSettings(
        weight_teacher_segmentation=2.0, weight_logits=3.0, weight_consistency=5.0, use_style_matching=False,
        use_multiscale_transformer=False,
    )  # fmt: skip
    terms = {STUDENT_SEGMENTATION: 1.0, TEACHER_SEGMENTATION: 10.0, "consistency": 100.0, "logits": 1000.0}
    total = total_loss({name: torch.tensor(value) for name, value in terms.items()}, settings, ramp=0.5)
    assert total.item() == 1 + 2 * 10 + 0.5 * (5 * 100 + 3 * 1000)


def test_segmentation_terms_take_the_loss_of_each_branch(branches):
    branches = branches()
    teacher, student, _ = branches.forward()
    target = StepTarget([torch.tensor(1.0)], True, None, BOTH, BOTH)
    terms = segmentation_terms(teacher, student, target, lambda logits, y: logits[0].sum() * y[0], branches.settings)
    assert terms[TEACHER_SEGMENTATION] == teacher.logits[0].sum()
    assert terms[STUDENT_SEGMENTATION] == student.logits[0].sum()


def test_a_teacher_that_is_not_trained_has_no_segmentation_term(branches):
    branches = branches(teacher="ema")
    teacher, student, _ = branches.forward()
    target = StepTarget([torch.tensor(1.0)], True, None, BOTH, BOTH)
    terms = segmentation_terms(teacher, student, target, lambda logits, y: logits[0].sum(), branches.settings)
    assert set(terms) == {STUDENT_SEGMENTATION}
    others = dict.fromkeys(active_weights(branches.settings), torch.tensor(0.0))
    assert total_loss({**terms, **others}, branches.settings, ramp=1.0) == terms[STUDENT_SEGMENTATION]


def test_the_segmentation_loss_gets_full_precision(branches):
    branches = branches()
    with torch.autocast("cpu", torch.bfloat16):
        teacher, student, _ = branches.forward()
        assert teacher.logits[0].dtype is student.logits[0].dtype is torch.bfloat16
        seen = []

        def loss(logits, target):
            seen.extend((*[scale.dtype for scale in logits], (logits[0].flatten(2) @ logits[0].flatten(2).mT).dtype))
            return logits[0].sum()

        segmentation_terms(teacher, student, StepTarget([], True, None, BOTH, BOTH), loss, branches.settings)
    assert set(seen) == {torch.float32}


def test_distillation_pulls_the_student_only(branches):
    branches = branches(**WITH_ALL)
    sum(branches.terms().values()).backward()
    assert gradients(branches.student)
    assert not gradients(branches.teacher)


@pytest.mark.parametrize("term", [t for t in DISTILLATION_TERMS if t not in DISCRIMINATORS])
def test_co_training_pulls_the_teacher_too(branches, term):
    branches = branches(co_training=True, **WITH_ALL)
    branches.terms()[term].backward()
    assert gradients(branches.student)
    assert gradients(branches.teacher)


@pytest.mark.parametrize("term", DISTILLATION_TERMS)
def test_each_term_reaches_the_students_encoder(branches, term):
    branches = branches(**WITH_ALL)
    branches.terms()[term].backward()
    assert gradients(branches.student.encoder)


@pytest.mark.parametrize("term", DISCRIMINATORS)
def test_the_students_adversarial_term_leaves_the_discriminator_alone(branches, term):
    branches = branches(**WITH_ALL)
    branches.terms()[term].backward()
    assert not gradients(branches.discriminators[term])
    assert all(weight.requires_grad for weight in branches.discriminators[term].parameters())
    assert gradients(branches.student)


@pytest.mark.parametrize("term", DISCRIMINATORS)
def test_the_discriminators_loss_leaves_the_networks_alone(branches, term):
    branches = branches(**WITH_ALL)
    teacher, student, target = branches.forward()
    maps = [judged(term, features, target.regions, target.valid) for features in (teacher, student)]
    discriminator_loss(branches.discriminators[term], *maps, target).backward()
    assert gradients(branches.discriminators[term])
    assert not gradients(branches.teacher)
    assert not gradients(branches.student)


def test_each_discriminator_sees_what_is_its_own(branches):
    features, _, _ = branches(**WITH_ALL).forward()
    assert judged(ADVERSARIAL, features, True, None) is features.style
    assert judged(KNOWLEDGE, features, True, None) is features.encoded
    probs = torch.sigmoid(features.logits[0])
    entropy = -(probs * probs.log2() + (1 - probs) * (1 - probs).log2())
    torch.testing.assert_close(judged(ENTROPY, features, True, None), entropy)


def test_the_teachers_feature_is_what_the_regressor_is_to_predict(branches):
    """The released code of ACN gives the student's own feature as target: the teacher is not in the loss at all."""
    branches = branches(**WITH_ALL)
    teacher, student, target = branches.forward()

    def term(teacher, student):
        pair = branches.discriminators, target, branches.settings, branches.regressor
        return distillation_terms(teacher, student, *pair)[MUTUAL_INFORMATION]

    prediction, variance = branches.regressor(student.encoded)
    per_channel = variance.reshape(-1, 1, 1)
    by_hand = ((teacher.encoded - prediction) ** 2 / per_channel + per_channel.log()).mean() / 2
    torch.testing.assert_close(term(teacher, student), by_hand)
    assert term(teacher._replace(encoded=teacher.encoded + 1), student) != term(teacher, student)


def test_the_regressor_is_trained_by_its_term_alone(branches):
    branches = branches(**WITH_ALL)
    terms = branches.terms()
    terms.pop(MUTUAL_INFORMATION).backward(retain_graph=True)
    assert all(weight.grad is not None and weight.grad.any() for weight in branches.regressor.parameters())
    assert not gradients(branches.teacher)
    branches.regressor.zero_grad()
    sum(terms.values()).backward()
    assert not gradients(branches.regressor)


def test_gram_style_is_that_of_the_style_alone(branches):
    branches = branches(relative_features=False, **WITH_ALL)
    teacher, student, target = branches.forward()
    terms = distillation_terms(teacher, student, branches.discriminators, target, branches.settings, branches.regressor)
    grams = [f.style.flatten(2) @ f.style.flatten(2).mT / f.style[0, 0].numel() for f in (teacher, student)]
    torch.testing.assert_close(terms["gram_style"], (grams[0] - grams[1]).square().mean())
    # the released value: numerically nothing beside a segmentation loss of order 1
    released = [gram * 2 / (2 * teacher.style.shape[1]) for gram in grams]  # / (B C V) with B = 1 a sample
    factor = 1e-4 / (4 * teacher.style.shape[1] ** 2 * teacher.style[0, 0].numel() ** 2)
    assert (released[0] - released[1]).square().sum((1, 2)).max() * factor < 1e-8 * terms["gram_style"]


def test_a_complete_sample_does_not_count_as_lacking(branches):
    discriminator = branches().discriminators[ADVERSARIAL]
    teacher_style, student_style = torch.randn(2, 2, 16, 4, 4).unbind()
    target = StepTarget(None, True, None, torch.tensor([False, True]), BOTH)
    loss = discriminator_loss(discriminator, teacher_style, student_style, target)
    other = student_style.clone()
    other[1] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, teacher_style, other, target) == loss
    other[0] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, teacher_style, other, target) != loss


def test_a_teacher_that_lacks_something_does_not_count_as_full(branches):
    discriminator = branches().discriminators[ADVERSARIAL]
    teacher_style, student_style = torch.randn(2, 2, 16, 4, 4).unbind()
    target = StepTarget(None, True, None, NONE, torch.tensor([True, False]))
    loss = discriminator_loss(discriminator, teacher_style, student_style, target)
    other = teacher_style.clone()
    other[1] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, other, student_style, target) == loss
    other[0] = torch.randn(16, 4, 4)
    assert discriminator_loss(discriminator, other, student_style, target) != loss


@pytest.mark.parametrize("regions", [True, False])
def test_samples_of_an_incomplete_teacher_are_not_distilled(branches, regions):
    branches = branches(regions, **WITH_ALL)
    branches.teacher.eval()
    branches.student.eval()
    branches.teacher_is_complete = torch.tensor([True, False])
    mixed = branches.terms()
    branches.image, branches.masked = branches.image[:1], branches.masked[:1]
    branches.teacher_is_complete = torch.tensor([True])
    alone = branches.terms()
    for name, term in mixed.items():  # the mean is over the batch, of which the second half counts nothing
        torch.testing.assert_close(term, alone[name] / 2, rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize("regions", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_batch_without_a_complete_sample_distils_nothing_and_stays_finite(branches, regions, batch_size):
    branches = branches(regions, **WITH_ALL)
    branches.image, branches.masked = branches.image[:batch_size], branches.masked[:batch_size]
    branches.teacher_is_complete = NONE[:batch_size]
    terms = branches.terms()
    assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(terms, 0.0)
    sum(terms.values()).backward()
    assert not gradients(branches.student)
    assert all(torch.isfinite(p.grad).all() for p in branches.student.parameters() if p.grad is not None)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [1.0, 0.0]), (0.25, [1.0, 0.25]), (1.0, [1.0, 1.0])])
def test_the_weight_of_an_incomplete_teacher(weight, expected):
    settings = DistillationSettings(incomplete_teacher_weight=weight)
    assert sample_weights(torch.tensor([True, False]), settings).tolist() == expected


def test_discriminator_learns_full_from_missing(branches):
    """Binary cross-entropy by hand: full styles are 1, missing ones 0."""

    class Score(nn.Module):
        def forward(self, style):
            return style.flatten(1).mean(1)

    teacher, student = torch.full((2, 1, 2, 2), 1.5), torch.full((2, 1, 2, 2), -0.5)
    value = discriminator_loss(Score(), teacher, student, StepTarget(None, True, None, NONE, BOTH))
    # BCE(1.5, full) + BCE(-0.5, missing) = log(1 + e^-1.5) + log(1 + e^-0.5)
    assert value.item() == pytest.approx(math.log1p(math.exp(-1.5)) + math.log1p(math.exp(-0.5)))


@pytest.mark.parametrize("regions", [True, False])
@pytest.mark.parametrize("term", ["consistency", "logits", ENTROPY])
def test_the_ignore_label_is_ignored(branches, regions, term):
    branches = branches(regions, weight_entropy_adversarial=1.0)
    teacher, student, _ = branches.forward()
    valid = torch.ones(2, 1, *branches.plan.patch_size, dtype=torch.bool)
    valid[:, :, :3] = False
    target = StepTarget(None, regions, valid, NONE, BOTH)

    def compute(student, target):
        return distillation_terms(teacher, student, branches.discriminators, target, branches.settings)[term]

    value = compute(student, target)
    changed = [scale.clone() for scale in student.logits]
    changed[0][:, :, :3] += 5 * torch.randn_like(changed[0][:, :, :3])
    torch.testing.assert_close(compute(student._replace(logits=changed), target), value)
    everything = StepTarget(None, regions, None, target.is_complete, BOTH)
    assert not torch.isclose(compute(student._replace(logits=changed), everything), value)


def test_reverse_and_axis_of_the_kl_are_passed_on(branches):
    values = []
    for settings in ({}, {"reverse_kl": True}, {"standardize_dim": -1}, {"temperature": 2.0}):
        torch.manual_seed(5)
        values.append(branches(False, **settings).terms()["logits"].item())
    assert len(set(values)) == 4


def test_style_triple_is_encoder_style_content(branches):
    features, _, _ = branches().forward()
    assert style_triple(features) == (features.encoded, features.style, features.content)


def test_full_resolution_is_the_first_scale():
    finest, coarse = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)
    assert full_resolution([finest, coarse]) is finest
    assert full_resolution(finest) is finest


def test_valid_voxels_of_labels():
    target = torch.tensor([[[[0, 1, 4], [4, 2, 3]]]])
    assert valid_voxels(target, False, 4).tolist() == [[[[True, True, False], [False, True, True]]]]
    assert torch.equal(valid_voxels([target], False, 4), valid_voxels(target, False, 4))
    assert valid_voxels(target, False, None) is None


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_valid_voxels_of_regions_are_outside_the_last(dtype):
    target = torch.zeros(1, 4, 2, 2)
    target[0, -1, 0, 1] = 1  # three regions, and nnU-Net's channel of the ignore label
    valid = valid_voxels(target.to(dtype), True, 4)
    assert valid.dtype is torch.bool
    assert valid.tolist() == [[[[True, False], [True, True]]]]


@pytest.mark.parametrize("regions", [True, False])
def test_bfloat16_autocast_is_finite_and_close(branches, regions):
    branches = branches(regions, **WITH_ALL)
    branches.teacher.eval()  # no dropout: the same step twice
    branches.student.eval()
    full = branches.terms()
    branches.student.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        reduced = branches.terms()
    assert set(reduced) == set(full)
    for name, term in full.items():
        # bfloat16 has 8 significant bits, 0.4 %, and a dozen layers add up
        assert torch.isclose(reduced[name].float(), term, rtol=0.1, atol=2e-3), name
    sum(reduced.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in branches.student.parameters() if p.grad is not None)
