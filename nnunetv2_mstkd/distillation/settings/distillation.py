"""Settings of the trainers with a teacher and a student (L2)."""

from dataclasses import dataclass
from typing import Literal

from nnunetv2_mstkd.architectures.transformer_size import TRANSFORMER_PRESETS
from nnunetv2_mstkd.distillation.settings.dedicated import DedicatedSettings
from nnunetv2_mstkd.distillation.settings.subset import require_choice
from nnunetv2_mstkd.errors import SettingsError

# The paper weighs its terms against 0.6 times a sum of four soft Dice terms; nnU-Net's Dice is their mean, and here the
# student's segmentation loss has weight 1. Hence ours = paper / (0.6 * 4), where the gradient norms of real trainings
# leave room for it; docs/explanation/method.md has the figures of those that are calibrated instead.
PAPER_SCALE = 0.6 * 4

# kinds of teacher; those of TRAINED_TEACHERS have a segmentation loss of their own, the others no backward pass at all
NETWORK, SHARED, EMA, FROZEN = TEACHERS = ("network", "shared", "ema", "frozen")
TRAINED_TEACHERS = (NETWORK, SHARED)


@dataclass(frozen=True)
class DistillationSettings(DedicatedSettings):
    """Settings of nnUNetTrainerMSTKD. Weights are relative to the student's segmentation loss, which has weight 1.

    Args:
        teacher: "shared", the student's own weights, which see the whole and the masked image and learn from both
            segmentation losses; "network", a second one that is trained beside the student; "ema", the running mean of
            the student's weights, without a backward pass; "frozen", a model that was trained before.
        teacher_ema_decay: in [0, 1); how much of the running mean an iteration keeps; less in the first iterations.
        teacher_checkpoint: file of the frozen teacher. `~`, environment variables and `{fold}` are filled in.
        preset: size of the transformer, "plan" or "paper".
        use_multiscale_transformer: False is the ablation noMSTKD.
        use_style_matching: False is the ablation noGSME.
        use_logit_distillation: False is the ablation noSLKD.
        weight_teacher_segmentation: of the teacher's segmentation loss.
        weight_consistency: of L_mse, the squared difference of the probabilities.
        weight_logits: of L_KL, between standardised logits.
        weight_content: of the content features' squared difference: in the released code, not in the paper.
        weight_multiscale: of L_MST, the multi-scale features' squared difference.
        weight_extreme_value: of L_EVD, between re-weighted attention maps.
        weight_style_matching: of L_M1..3, between cross-Gram matrices.
        weight_gram_style: of the style features' Gram matrices' squared difference (SMU-Net).
        weight_mutual_information: of L_MI, the student's prediction of the teacher's deepest feature (ACN).
        weight_adversarial: of L_adv for the student.
        weight_entropy_adversarial: likewise, of a discriminator of the predictions' entropy (ACN).
        weight_knowledge_adversarial: likewise, of a discriminator of the deepest feature (ACN).
        relative_features: True measures the features of the content, multiscale, style matching and Gram style terms
            in units of the teacher's root mean square, so that their weights do not depend on how large features happen
            to be; False compares them as they are, as released.
        extreme_value_normalization: "rows" or "tokens" (the published form, scaled by the token count).
        shared_initialization: of "network": True lets it start from the student's initial weights, so that channels of
            the same number mean the same when their features are compared; False draws its own, as released.
        temperature: > 0, of L_KL.
        standardize_dim: axis along which L_KL standardises logits of labels: 1 is the class axis; -1, the last spatial
            axis, is the released form. Regions are standardised over voxels, whatever it is.
        reverse_kl: True swaps the arguments of L_KL, as released.
        co_training: True lets the distillation terms pull the teacher too, as released.
        incomplete_teacher_weight: in [0, 1]; factor of all distillation terms for samples of which the teacher itself
            lacks modalities. Samples that are complete have 1.
        ramp_fraction: in [0, 1]; part of all iterations over which the distillation weights rise from 0.7 % to 100 %.
        discriminator_lr: initial learning rate of the discriminators' Adam; decays as the branches' does.
    """

    teacher: str = SHARED
    teacher_ema_decay: float = 0.999
    teacher_checkpoint: str | None = None
    preset: str = "plan"
    use_multiscale_transformer: bool = True
    use_style_matching: bool = True
    use_logit_distillation: bool = True
    weight_teacher_segmentation: float = 1.0
    weight_consistency: float = 2.0
    weight_logits: float = 1 / PAPER_SCALE
    weight_content: float = 0.0
    weight_multiscale: float = 0.02
    weight_extreme_value: float = 1.0
    weight_style_matching: float = 0.03
    weight_gram_style: float = 0.0
    weight_mutual_information: float = 0.0
    weight_adversarial: float = 2e-4 / PAPER_SCALE
    weight_entropy_adversarial: float = 0.0
    weight_knowledge_adversarial: float = 0.0
    relative_features: bool = True
    extreme_value_normalization: Literal["rows", "tokens"] = "rows"
    shared_initialization: bool = True
    temperature: float = 7.0
    standardize_dim: int = 1
    reverse_kl: bool = False
    co_training: bool = False
    incomplete_teacher_weight: float = 0.0
    ramp_fraction: float = 0.2
    discriminator_lr: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("preset", self.preset, tuple(TRANSFORMER_PRESETS))
        require_choice("extreme_value_normalization", self.extreme_value_normalization, ("rows", "tokens"))
        if self.standardize_dim not in (1, -1, -2, -3):
            raise SettingsError(
                f"Setting 'standardize_dim' must be 1 (classes) or a spatial axis counted from the end, -1 to -3; "
                f"given: {self.standardize_dim}"
            )
        if self.temperature == 0:
            raise SettingsError("Setting 'temperature' must be above 0; given: 0.0")
        for name in ("ramp_fraction", "incomplete_teacher_weight"):
            if getattr(self, name) > 1:
                raise SettingsError(f"Setting {name!r} must be in [0, 1]; given: {getattr(self, name)}")
        self._check_teacher()

    @property
    def trains_teacher(self) -> bool:
        """Whether the teacher has a segmentation loss and a backward pass."""
        return self.teacher in TRAINED_TEACHERS

    def _check_teacher(self) -> None:
        require_choice("teacher", self.teacher, TEACHERS)
        if self.teacher_ema_decay >= 1:
            raise SettingsError(f"Setting 'teacher_ema_decay' must be in [0, 1); given: {self.teacher_ema_decay}")
        if self.teacher_checkpoint is not None and not isinstance(self.teacher_checkpoint, str):
            raise SettingsError(
                f"Setting 'teacher_checkpoint' must be a text or null; given: {self.teacher_checkpoint!r}"
            )
        if self.teacher == FROZEN and not self.teacher_checkpoint:
            raise SettingsError("Setting 'teacher' is 'frozen': give the file of its weights as 'teacher_checkpoint'")
        if self.teacher in (SHARED, EMA) and self.fixed_subset is not None:
            raise SettingsError(
                f"Setting 'fixed_subset' is {self.fixed_subset!r}: with 'teacher' {self.teacher!r} the teacher has the "
                f"student's weights, which never learn from anything else. Take 'network' or 'frozen' as 'teacher'"
            )

    def without_effect(self) -> dict[str, str]:
        """Return the settings that belong to another kind of teacher, each with what it has no effect with."""
        belongs = {
            "teacher_ema_decay": self.teacher == EMA,
            "teacher_checkpoint": self.teacher == FROZEN,
            "weight_teacher_segmentation": self.trains_teacher,
            "co_training": self.trains_teacher,
            "shared_initialization": self.teacher == NETWORK,
        }
        return {name: f"'teacher' {self.teacher!r}" for name, has_effect in belongs.items() if not has_effect}
