"""Makes the trainers with another number of epochs, such as nnUNetTrainerMSTKD_50epochs (L3)."""

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


def schedule_class(trainer: type[nnUNetTrainer], name: str, num_epochs: int) -> type[nnUNetTrainer]:
    """Return a new subclass of `trainer` that trains for `num_epochs`.

    It says that it lives in nnunetv2_mstkd.trainers under `name`; whoever makes it must keep it there, so that pickle
    (nnU-Net's spawned workers) finds the same object.

    Args:
        trainer: the class that decides everything else.
        name: the class's name, which nnU-Net writes into checkpoints and folder names.
        num_epochs: >= 1.
    """

    class Schedule(trainer):
        # nnU-Net reads the names of exactly these parameters from its own __init__, and sets num_epochs there: hence
        # no *args, and no class attribute.
        def __init__(
            self,
            plans: dict,
            configuration: str,
            fold: int,
            dataset_json: dict,
            device: torch.device = torch.device("cuda"),
        ) -> None:
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = num_epochs

    Schedule.__name__ = Schedule.__qualname__ = name
    Schedule.__module__ = "nnunetv2_mstkd.trainers"
    Schedule.__doc__ = f"{trainer.__name__} with a schedule of {num_epochs} epoch(s)."
    return Schedule
