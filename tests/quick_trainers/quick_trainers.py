"""Trainers for the commands that tests start: an epoch of nnU-Net has 250 + 50 iterations, one of these 2 + 2.

Commands find them where nnUNet_extTrainer names this folder.
"""

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_mstkd.trainers import nnUNetTrainerModalityDropout, nnUNetTrainerMSTKD


class FewIterations:
    """Makes a trainer quick."""

    epochs = 1

    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.epochs
        self.num_iterations_per_epoch = self.num_val_iterations_per_epoch = 2


class nnUNetTrainerQuick(FewIterations, nnUNetTrainer):
    """nnU-Net's own."""


class nnUNetTrainerMSTKDQuick(FewIterations, nnUNetTrainerMSTKD):
    """Ours, with epochs enough to be killed before the last."""

    epochs = 6


class nnUNetTrainerQuick_1epoch(nnUNetTrainerQuick):
    """Under a name with a schedule, as `mstkd demo` asks for it."""


class nnUNetTrainerModalityDropoutQuick_1epoch(FewIterations, nnUNetTrainerModalityDropout):
    """The baseline, likewise."""
