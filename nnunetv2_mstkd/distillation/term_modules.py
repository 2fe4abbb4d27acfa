"""The modules that distillation terms have beside the networks (L2)."""

from collections.abc import Callable
from typing import Any

from torch import nn

from nnunetv2_mstkd.architectures import (
    EntropyDiscriminator,
    InformationRegressor,
    KnowledgeDiscriminator,
    StyleDiscriminator,
)
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, ENTROPY, KNOWLEDGE, MUTUAL_INFORMATION, active_weights


def build_discriminators(settings: DistillationSettings, encoder: Any, num_outputs: int) -> dict[str, nn.Module]:
    """Return the discriminator of each adversarial term that the settings leave on, by term.

    Args:
        settings: which terms.
        encoder: of the plan's network.
        num_outputs: channels of the logits.
    """
    conv_op, deepest = encoder.conv_op, encoder.output_channels[-1]
    kinds: dict[str, Callable[[], nn.Module]] = {
        ADVERSARIAL: lambda: StyleDiscriminator(conv_op, deepest),
        ENTROPY: lambda: EntropyDiscriminator(conv_op, num_outputs),
        KNOWLEDGE: lambda: KnowledgeDiscriminator(conv_op, deepest),
    }
    active = active_weights(settings)
    return {term: build() for term, build in kinds.items() if term in active}


def build_regressor(settings: DistillationSettings, encoder: Any) -> InformationRegressor | None:
    """Return what predicts the teacher's deepest feature from the student's; None if no term needs it."""
    if MUTUAL_INFORMATION not in active_weights(settings):
        return None
    return InformationRegressor(encoder.conv_op, encoder.output_channels[-1])
