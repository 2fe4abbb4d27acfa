"""The arms of the studies, as data: which trainer, with which settings, scored on which subsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nnunetv2_mstkd.distillation.settings import PAPER_SCALE, DistillationSettings
from nnunetv2_mstkd.distillation.terms import active_weights
from nnunetv2_mstkd.trainers import nnUNetTrainerMSTKDPaper

PLAIN, DROPOUT, MSTKD = "nnUNetTrainer", "nnUNetTrainerModalityDropout", "nnUNetTrainerMSTKD"
DEDICATED_PREFIX = "dedicated_"

# The weights of the terms that the default has; the teacher's segmentation loss is not among them.
TERMS = tuple(active_weights(DistillationSettings()))
NO_TERMS = {f"weight_{term}": 0.0 for term in TERMS}
WITH_CONTENT = {"weight_content": 0.005}  # the default when the first evidence was gathered

ADAMW = {"optimizer": "AdamW", "initial_lr": 1e-3, "weight_decay": 1e-2}
ADAM = {"optimizer": "Adam", "initial_lr": 1e-4, "weight_decay": 1e-5}  # the paper's


@dataclass(frozen=True)
class Arm:
    """What is trained, and on what it is scored.

    Args:
        trainer: class name, as `-tr` takes it.
        settings: for the plans' section "mstkd", over the trainer's defaults.
        only_subset: the one subset to score, by its canonical name; None scores them all.
        incomplete: whether the cohort is the one whose cases lack modalities.
        absent: what becomes of these: "known" leaves it to the trainer, "dropped" trains on the complete cases alone,
            "data" takes the zeros for images.
        frozen_teacher: the arm whose model of the same repeat teaches; None where the teacher is none of the study's.
    """

    trainer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    only_subset: str | None = None
    incomplete: bool = False
    absent: Literal["known", "dropped", "data"] = "known"
    frozen_teacher: str | None = None


def dedicated(subset: str) -> Arm:
    """Return the nnU-Net that never sees anything but `subset`."""
    return Arm(DROPOUT, {"fixed_subset": subset}, only_subset=subset)


# The arms, in the order in which they run: what all others are compared with comes first.
ARMS: dict[str, Arm] = {
    "dropout": Arm(DROPOUT),
    "mstkd": Arm(MSTKD),
    "nnunet": Arm(PLAIN),
    "mstkd_adamw": Arm(MSTKD, ADAMW),
    "dropout_adamw": Arm(DROPOUT, ADAMW),
    "mstkd_adam": Arm(MSTKD, ADAM),
    "noMSTKD": Arm("nnUNetTrainerMSTKD_noMSTKD"),
    "noGSME": Arm("nnUNetTrainerMSTKD_noGSME"),
    "noSLKD": Arm("nnUNetTrainerMSTKD_noSLKD"),
    **{f"{DEDICATED_PREFIX}{s}": dedicated(s) for s in ("T1ce+FLAIR", "T1+T2", "FLAIR", "T1")},
}

_PAPER = nnUNetTrainerMSTKDPaper.default_settings
CONVERTED = {
    "teacher": "network",
    "weight_consistency": 10 / PAPER_SCALE,
    "weight_teacher_segmentation": 0.4 / 0.6,
    **{
        name: getattr(_PAPER, name)
        for name in (
            "weight_multiscale",
            "weight_style_matching",
            "weight_extreme_value",
            "extreme_value_normalization",
            "relative_features",
            "shared_initialization",
        )
    },
}

# For looking further: run only when named with --arms.
FURTHER_ARMS: dict[str, Arm] = {
    "segmentation_only": Arm(MSTKD, NO_TERMS),
    **{f"only_{term}": Arm(MSTKD, {k: v for k, v in NO_TERMS.items() if k != f"weight_{term}"}) for term in TERMS},
    **{f"without_{term}": Arm(MSTKD, {f"weight_{term}": 0.0}) for term in TERMS},
    "noMSTKD_noGSME": Arm("nnUNetTrainerMSTKD_noMSTKD", {"use_style_matching": False}),
    "logits_only": Arm(MSTKD, {k: v for k, v in NO_TERMS.items() if k not in ("weight_consistency", "weight_logits")}),
    "own_initialization": Arm(MSTKD, {"teacher": "network", "shared_initialization": False, **WITH_CONTENT}),
    "released_features": Arm(
        MSTKD,
        {
            "relative_features": False,
            "weight_content": 0.02,
            "weight_multiscale": 0.2 / 2.4,
            "weight_style_matching": 0.1,
        },
    ),
    "with_content": Arm(MSTKD, WITH_CONTENT),
    "gsme_network_only": Arm(MSTKD, {"weight_style_matching": 0.0, "weight_adversarial": 0.0}),
    "co_training": Arm(MSTKD, {"co_training": True}),
    # the weights of its paper as those of the other methods are converted, with the plan's sizes and nnU-Net's SGD
    "mstkd_converted": Arm(MSTKD, CONVERTED),
}

# Of the study of incomplete cohorts.
SELDOM = dict.fromkeys(("T1", "T1ce", "T2", "FLAIR"), 0.25)
CLINIC = {"drop_probabilities": {"T1ce": 0.65, "FLAIR": 0.65, "T1": 0.35, "T2": 0.35}}
INCOMPLETE_ARMS: dict[str, Arm] = {
    "complete": Arm(MSTKD),
    "known": Arm(MSTKD, incomplete=True),
    "dropped": Arm(MSTKD, incomplete=True, absent="dropped"),
    "data": Arm(MSTKD, incomplete=True, absent="data"),
    "dropout_complete": Arm(DROPOUT),
    "dropout_known": Arm(DROPOUT, incomplete=True),
    "dropout_dropped": Arm(DROPOUT, incomplete=True, absent="dropped"),
    "dropout_data": Arm(DROPOUT, incomplete=True, absent="data"),
    "known_teacher_1": Arm(MSTKD, {"incomplete_teacher_weight": 1.0}, incomplete=True),
    "known_warm_up": Arm(MSTKD, {"warm_up_fraction": 0.2}, incomplete=True),
    "known_clinic": Arm(MSTKD, CLINIC, incomplete=True),
    "known_seldom": Arm(MSTKD, {"drop_probabilities": SELDOM}, incomplete=True),
}

# Of the study of cheaper teachers. Those that teach others come first.
FROZEN = {"teacher": "frozen"}
TERMS_OF_FEATURES = [term for term in TERMS if term not in ("consistency", "logits")]
TEACHING_ARMS: dict[str, Arm] = {"nnunet": ARMS["nnunet"], "network": Arm(MSTKD, {"teacher": "network"})}
CHEAPER_ARMS: dict[str, Arm] = {
    **TEACHING_ARMS,
    "shared": Arm(MSTKD),
    "ema": Arm(MSTKD, {"teacher": "ema"}),
    "frozen": Arm(MSTKD, FROZEN, frozen_teacher="network"),
    "frozen_nnunet": Arm(
        MSTKD, {**FROZEN, **{f"weight_{term}": 0.0 for term in TERMS_OF_FEATURES}}, frozen_teacher="nnunet"
    ),
    "bfloat16": Arm(MSTKD, {"teacher": "network", "cpu_precision": "bfloat16"}),
}

# Of the comparison of the methods: one model each for all subsets, with the trainer's own defaults.
METHODS = {
    "acn": "nnUNetTrainerACN",
    "smu_net": "nnUNetTrainerSMUNet",
    "ra_hved": "nnUNetTrainerRAHVED",
    "rmbts": "nnUNetTrainerRMBTS",
    "mmformer": "nnUNetTrainerMMFormer",
    "m2ftrans": "nnUNetTrainerM2FTrans",
}
COMPARED_ARMS: dict[str, Arm] = {
    **{name: ARMS[name] for name in ("nnunet", "dropout", "mstkd")},
    **{name: Arm(trainer) for name, trainer in METHODS.items()},
}

# As their authors train these two, a model for each subset: run only when named with --arms.
OWN_MODEL_ARMS: dict[str, Arm] = {
    f"{name}_for_{subset}": Arm(METHODS[name], {"fixed_subset": subset}, only_subset=subset)
    for name in ("acn", "smu_net")
    for subset in ("T1ce+FLAIR", "T1+T2", "FLAIR", "T1")
}

# With their authors' optimiser and rate, the second column of the comparison: run only when named with --arms. The
# dropout's is no author's: it is what these have to be compared with.
AMSGRAD = {"initial_lr": 2e-4, "weight_decay": 1e-4}
NATIVE_RECIPES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("dropout", "mstkd", "acn", "smu_net", "ra_hved"), ADAM),
    "rmbts": {**ADAM, "weight_decay": 1e-4},
    "mmformer": {"optimizer": "AdamAMSGrad", **AMSGRAD},
    "m2ftrans": {"optimizer": "AdamWAMSGrad", **AMSGRAD},
}
NATIVE_ARMS: dict[str, Arm] = {
    f"{name}_native": Arm(COMPARED_ARMS[name].trainer, recipe) for name, recipe in NATIVE_RECIPES.items()
}

EVERY_ARM: dict[str, Arm] = {
    **ARMS,
    **FURTHER_ARMS,
    **INCOMPLETE_ARMS,
    **CHEAPER_ARMS,
    **COMPARED_ARMS,
    **NATIVE_ARMS,
    **OWN_MODEL_ARMS,
}


def find_arm(name: str) -> Arm:
    """Return an arm by its name.

    Raises:
        KeyError: if there is none; the message lists them.
    """
    if name not in EVERY_ARM:
        raise KeyError(f"No arm is called {name!r}. Arms: {', '.join(EVERY_ARM)}")
    return EVERY_ARM[name]
