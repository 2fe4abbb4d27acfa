"""The trainers for which the contract holds: every name, and one of each method."""

import pytest
from masked_concatenation import MaskedConcatenationTrainer

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.trainers.mstkd import nnUNetTrainerMSTKD
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer

NAMES = tuple(trainers.TRAINERS)
# the variants of nnUNetTrainerMSTKD have other defaults, nothing else
METHODS = tuple(name for name, module in trainers.TRAINERS.items() if not module.endswith(".mstkd_variants"))
DISTILLING = tuple(name for name in NAMES if issubclass(getattr(trainers, name), nnUNetTrainerMSTKD))
MULTI_ENCODER = tuple(name for name in NAMES if issubclass(getattr(trainers, name), MultiEncoderTrainer))


def _of_classes(names: tuple[str, ...]) -> pytest.MarkDecorator:
    classes = (MaskedConcatenationTrainer, *(getattr(trainers, name) for name in names))
    return pytest.mark.parametrize("trainer_class", classes, ids=lambda found: found.__name__)


every_method = _of_classes(METHODS)
every_multi_encoder = _of_classes(MULTI_ENCODER)
