"""Teacher, student and what the terms between them need, on a small plan."""

import pytest
import torch

from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import distillation_terms, needs_attention
from nnunetv2_mstkd.distillation.step_target import StepTarget
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.distillation.terms import DISTILLATION_TERMS


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

    @staticmethod
    def gradients(network):
        """Return the gradients of a network that are not zero."""
        return [p.grad for p in network.parameters() if p.grad is not None and p.grad.abs().sum() > 0]


@pytest.fixture
def branches(network_plan):
    """Return a function that makes Branches with settings."""
    return lambda regions=True, **settings: Branches(network_plan, DistillationSettings(**settings), regions)


@pytest.fixture
def with_all_terms(branches):
    """Return a function that makes Branches with settings, also those terms on that have weight 0 by default."""
    default = DistillationSettings()
    off = [name for name in (f"weight_{term}" for term in DISTILLATION_TERMS) if getattr(default, name) == 0]
    return lambda regions=True, **settings: branches(regions, **dict.fromkeys(off, 0.005), **settings)
