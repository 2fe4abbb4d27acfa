"""The distillation terms by name, and which of them the settings leave on (L2)."""

from nnunetv2_mstkd.distillation.settings import DistillationSettings

MUTUAL_INFORMATION = "mutual_information"
ADVERSARIAL, ENTROPY, KNOWLEDGE = "adversarial", "entropy_adversarial", "knowledge_adversarial"
# each with the setting `weight_<term>`
DISTILLATION_TERMS = (
    "consistency",
    "logits",
    "content",
    "multiscale",
    "extreme_value",
    "style_matching",
    "gram_style",
    MUTUAL_INFORMATION,
    ADVERSARIAL,
    ENTROPY,
    KNOWLEDGE,
)
# adversarial term -> its discriminator's loss on record
DISCRIMINATORS = {
    ADVERSARIAL: "discriminator",
    ENTROPY: "entropy_discriminator",
    KNOWLEDGE: "knowledge_discriminator",
}
# what of NetworkFeatures a term compares by its size
COMPARED_FEATURES = {
    "content": ("content",),
    "multiscale": ("multiscale",),
    "style_matching": ("encoded", "style", "content"),
    "gram_style": ("style",),
}
# the setting of the network's part without which there is nothing to compare; other terms need no part
NEEDED_PART = {
    "consistency": "use_logit_distillation",
    "logits": "use_logit_distillation",
    "content": "use_style_matching",
    "multiscale": "use_multiscale_transformer",
    "extreme_value": "use_multiscale_transformer",
    "style_matching": "use_style_matching",
    "gram_style": "use_style_matching",
    ADVERSARIAL: "use_style_matching",
}


def active_weights(settings: DistillationSettings) -> dict[str, float]:
    """Return the weight of each distillation term that the settings leave on."""
    weights = {
        term: float(getattr(settings, f"weight_{term}"))
        for term in DISTILLATION_TERMS
        if term not in NEEDED_PART or getattr(settings, NEEDED_PART[term])
    }
    return {term: weight for term, weight in weights.items() if weight > 0}
