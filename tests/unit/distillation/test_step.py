"""One teacher/student step: which terms, and where their gradients go."""

import pytest
import torch

from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import (
    TEACHER_SEGMENTATION,
    distillation_terms,
    needs_attention,
    sample_weights,
    segmentation_terms,
    style_triple,
    total_loss,
)
from nnunetv2_mstkd.distillation.step_target import StepTarget
from nnunetv2_mstkd.distillation.terms import (
    DISCRIMINATORS,
    DISTILLATION_TERMS,
    ENTROPY,
    KNOWLEDGE,
    MUTUAL_INFORMATION,
    active_weights,
)

OF_MSTKD = {"consistency", "logits", "multiscale", "extreme_value", "style_matching", "adversarial"}
WITHOUT_PART = {MUTUAL_INFORMATION, ENTROPY, KNOWLEDGE}  # they need neither transformer nor fusion
BOTH, NONE = torch.tensor([True, True]), torch.tensor([False, False])
ABLATIONS = {  # of all terms
    "none": ({}, set(DISTILLATION_TERMS)),
    "noMSTKD": ({"use_multiscale_transformer": False}, set(DISTILLATION_TERMS) - {"multiscale", "extreme_value"}),
    "noGSME": (
        {"use_style_matching": False},
        {"consistency", "logits", "multiscale", "extreme_value"} | WITHOUT_PART,
    ),
    "noSLKD": ({"use_logit_distillation": False}, set(DISTILLATION_TERMS) - {"consistency", "logits"}),
    "one weight 0": ({"weight_logits": 0.0}, set(DISTILLATION_TERMS) - {"logits"}),
}


@pytest.mark.parametrize("regions", [True, False])
def test_the_defaults_terms_are_those_of_mst_kd(branches, regions):
    assert set(branches(regions).terms()) == OF_MSTKD


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("regions", [True, False])
def test_each_ablation_has_its_terms(with_all_terms, ablation, regions):
    settings, expected = ABLATIONS[ablation]
    terms = with_all_terms(regions, **settings).terms()
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
    terms = {SEGMENTATION: 1.0, TEACHER_SEGMENTATION: 10.0, "consistency": 100.0, "logits": 1000.0}
    total = total_loss({name: torch.tensor(value) for name, value in terms.items()}, settings, ramp=0.5)
    assert total.item() == 1 + 2 * 10 + 0.5 * (5 * 100 + 3 * 1000)


def test_segmentation_terms_take_the_loss_of_each_branch(branches):
    branches = branches()
    teacher, student, _ = branches.forward()
    target = StepTarget([torch.tensor(1.0)], True, None, BOTH, BOTH)
    terms = segmentation_terms(teacher, student, target, lambda logits, y: logits[0].sum() * y[0], branches.settings)
    assert terms[TEACHER_SEGMENTATION] == teacher.logits[0].sum()
    assert terms[SEGMENTATION] == student.logits[0].sum()


def test_a_teacher_that_is_not_trained_has_no_segmentation_term(branches):
    branches = branches(teacher="ema")
    teacher, student, _ = branches.forward()
    target = StepTarget([torch.tensor(1.0)], True, None, BOTH, BOTH)
    terms = segmentation_terms(teacher, student, target, lambda logits, y: logits[0].sum(), branches.settings)
    assert set(terms) == {SEGMENTATION}
    others = dict.fromkeys(active_weights(branches.settings), torch.tensor(0.0))
    assert total_loss({**terms, **others}, branches.settings, ramp=1.0) == terms[SEGMENTATION]


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


def test_distillation_pulls_the_student_only(with_all_terms):
    branches = with_all_terms()
    sum(branches.terms().values()).backward()
    assert branches.gradients(branches.student)
    assert not branches.gradients(branches.teacher)


@pytest.mark.parametrize("term", [t for t in DISTILLATION_TERMS if t not in DISCRIMINATORS])
def test_co_training_pulls_the_teacher_too(with_all_terms, term):
    branches = with_all_terms(co_training=True)
    branches.terms()[term].backward()
    assert branches.gradients(branches.student)
    assert branches.gradients(branches.teacher)


@pytest.mark.parametrize("term", DISTILLATION_TERMS)
def test_each_term_reaches_the_students_encoder(with_all_terms, term):
    branches = with_all_terms()
    branches.terms()[term].backward()
    assert branches.gradients(branches.student.encoder)


def test_the_teachers_feature_is_what_the_regressor_is_to_predict(with_all_terms):
    """The released code of ACN gives the student's own feature as target: the teacher is not in the loss at all."""
    branches = with_all_terms()
    teacher, student, target = branches.forward()

    def term(teacher, student):
        pair = branches.discriminators, target, branches.settings, branches.regressor
        return distillation_terms(teacher, student, *pair)[MUTUAL_INFORMATION]

    prediction, variance = branches.regressor(student.encoded)
    per_channel = variance.reshape(-1, 1, 1)
    by_hand = ((teacher.encoded - prediction) ** 2 / per_channel + per_channel.log()).mean() / 2
    torch.testing.assert_close(term(teacher, student), by_hand)
    assert term(teacher._replace(encoded=teacher.encoded + 1), student) != term(teacher, student)


def test_the_regressor_is_trained_by_its_term_alone(with_all_terms):
    branches = with_all_terms()
    terms = branches.terms()
    terms.pop(MUTUAL_INFORMATION).backward(retain_graph=True)
    assert all(weight.grad is not None and weight.grad.any() for weight in branches.regressor.parameters())
    assert not branches.gradients(branches.teacher)
    branches.regressor.zero_grad()
    sum(terms.values()).backward()
    assert not branches.gradients(branches.regressor)


def test_gram_style_is_that_of_the_style_alone(with_all_terms):
    branches = with_all_terms(relative_features=False)
    teacher, student, target = branches.forward()
    terms = distillation_terms(teacher, student, branches.discriminators, target, branches.settings, branches.regressor)
    grams = [f.style.flatten(2) @ f.style.flatten(2).mT / f.style[0, 0].numel() for f in (teacher, student)]
    torch.testing.assert_close(terms["gram_style"], (grams[0] - grams[1]).square().mean())
    # the released value: numerically nothing beside a segmentation loss of order 1
    released = [gram * 2 / (2 * teacher.style.shape[1]) for gram in grams]  # / (B C V) with B = 1 a sample
    factor = 1e-4 / (4 * teacher.style.shape[1] ** 2 * teacher.style[0, 0].numel() ** 2)
    assert (released[0] - released[1]).square().sum((1, 2)).max() * factor < 1e-8 * terms["gram_style"]


@pytest.mark.parametrize("regions", [True, False])
def test_samples_of_an_incomplete_teacher_are_not_distilled(with_all_terms, regions):
    branches = with_all_terms(regions)
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
def test_a_batch_without_a_complete_sample_distils_nothing_and_stays_finite(with_all_terms, regions, batch_size):
    branches = with_all_terms(regions)
    branches.image, branches.masked = branches.image[:batch_size], branches.masked[:batch_size]
    branches.teacher_is_complete = NONE[:batch_size]
    terms = branches.terms()
    assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(terms, 0.0)
    sum(terms.values()).backward()
    assert not branches.gradients(branches.student)
    assert all(torch.isfinite(p.grad).all() for p in branches.student.parameters() if p.grad is not None)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [1.0, 0.0]), (0.25, [1.0, 0.25]), (1.0, [1.0, 1.0])])
def test_the_weight_of_an_incomplete_teacher(weight, expected):
    settings = DistillationSettings(incomplete_teacher_weight=weight)
    assert sample_weights(torch.tensor([True, False]), settings).tolist() == expected


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


@pytest.mark.parametrize("regions", [True, False])
def test_bfloat16_autocast_is_finite_and_close(with_all_terms, regions):
    branches = with_all_terms(regions)
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
