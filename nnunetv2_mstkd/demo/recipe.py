"""What the demonstration compares: models, subsets of the modalities, size of the cohort, schedule (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.datasets.demonstration import contrasts
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

MODALITIES = Modalities(contrasts.MODALITIES)  # the channels of the cohort


@dataclass(frozen=True)
class Model:
    """A trainer that takes part.

    Args:
        title: in table and picture.
        trainer: its name, without the schedule.
        reads_mask: whether it reads MSTKD_MODALITIES; if not, absent channels are files full of zeros.
    """

    title: str
    trainer: str
    reads_mask: bool = True


@dataclass(frozen=True)
class Recipe:
    """One demonstration.

    Args:
        cases: training cases of the cohort.
        test_cases: cases that are predicted.
        spacing_mm: edge of a voxel.
        epochs: of each training; nnU-Net's own trainer exists with 1, 5, 10, 20, 50 ... epochs.
        gpu_memory_target_gb: decides the patch size; None: the default of nnUNetPlannerTiny.
        seed: of the cohort.
        models: in the order of table and picture.
        subsets: what is present in a prediction, as a user types it.
    """

    cases: int
    test_cases: int
    spacing_mm: float
    epochs: int
    gpu_memory_target_gb: float | None = None
    seed: int = 0
    models: tuple[Model, ...] = (
        Model("nnU-Net", "nnUNetTrainer", reads_mask=False),
        Model("dropout", "nnUNetTrainerModalityDropout"),
        Model("MST-KD", "nnUNetTrainerMSTKD"),
    )
    subsets: tuple[str, ...] = ("T1,T1ce,T2,FLAIR", "T1ce,FLAIR", "T1,T2", "FLAIR")

    def trainer_name(self, model: Model) -> str:
        """Return the name to train and to predict with, such as nnUNetTrainerMSTKD_5epochs."""
        return f"{model.trainer}_{self.epochs}epoch{'s' if self.epochs > 1 else ''}"

    def modality_subsets(self) -> tuple[ModalitySubset, ...]:
        """Return the subsets, in their order."""
        return tuple(MODALITIES.subset(text) for text in self.subsets)


# Sized for two cores: at most 15 minutes, and 5. Training decides, and of it the patch size.
FULL = Recipe(cases=30, test_cases=6, spacing_mm=4.0, epochs=5, gpu_memory_target_gb=0.014)
QUICK = Recipe(
    cases=10,
    test_cases=2,
    spacing_mm=4.0,
    epochs=1,
    gpu_memory_target_gb=0.008,
    subsets=("T1,T1ce,T2,FLAIR", "T1,T2"),  # a prediction and its evaluation take longer to start than to run
)
