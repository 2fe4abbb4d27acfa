"""What the demonstration compares: models, size of the cohort, schedule (L2)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A trainer that takes part.

    Args:
        title: in the report.
        trainer: its name, without the schedule.
    """

    title: str
    trainer: str


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
        models: in the order of the report: the baseline first, the one that is shown to predict last.
        present: what the patients have in the prediction that is shown, as a user types it.
    """

    cases: int
    test_cases: int
    spacing_mm: float
    epochs: int
    gpu_memory_target_gb: float | None = None
    seed: int = 0
    models: tuple[Model, ...] = (
        Model("nnU-Net", "nnUNetTrainer"),
        Model("modality dropout", "nnUNetTrainerModalityDropout"),
        Model("MST-KD", "nnUNetTrainerMSTKD"),
    )
    present: str = "T1ce,FLAIR"

    def trainer_name(self, model: Model) -> str:
        """Return the name to train and to predict with, such as nnUNetTrainerMSTKD_5epochs."""
        return f"{model.trainer}_{self.epochs}epoch{'s' if self.epochs > 1 else ''}"


# Sized for two cores: some 15 to 20 minutes, and 5. Training decides, and of it the patch size.
FULL = Recipe(cases=30, test_cases=12, spacing_mm=4.0, epochs=5, gpu_memory_target_gb=0.014)
QUICK = Recipe(cases=10, test_cases=2, spacing_mm=4.0, epochs=1, gpu_memory_target_gb=0.008)
