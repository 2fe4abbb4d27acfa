"""The folder of a demonstration: where everything lies, and whether it may be used (L2)."""

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.demo.recipe import Model, Recipe
from nnunetv2_mstkd.errors import DemoError

DATASET_ID = "901"
DATASET = f"Dataset{DATASET_ID}_Simulated"
CONFIGURATION = "3d_fullres"
PLANS = "nnUNetPlansTiny"
RECORD = "demo.json"  # also what tells a folder of a demonstration from any other


@dataclass(frozen=True)
class DemoFolder:
    """Paths relative to the demonstration's folder, in which the commands run.

    Args:
        root: the folder; absolute, so that it is the same from everywhere.
    """

    root: Path

    raw = Path("raw", DATASET)
    preprocessed = Path("preprocessed", DATASET)
    test_images = raw / "imagesTs"
    test_labels = raw / "labelsTs"
    predictions = Path("predictions")
    benchmark = Path("benchmark")

    def open(self) -> None:
        """Make the folder, or check that it may be used, and mark it as ours.

        Raises:
            DemoError: if it is a file, or holds something that is no demonstration.
        """
        if self.root.exists() and not self.root.is_dir():
            raise DemoError(f"{self.root} is a file; name a folder")
        if self.root.is_dir() and any(self.root.iterdir()) and not (self.root / RECORD).is_file():
            raise DemoError(f"{self.root} is not empty, and no demonstration of ours; name a new or an empty folder")
        for name in ("raw", "preprocessed", "results", "logs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        if not (self.root / RECORD).is_file():
            (self.root / RECORD).write_text("{}", encoding="utf-8")

    def model(self, recipe: Recipe, model: Model) -> Path:
        """Return the model folder that nnU-Net makes."""
        return Path("results", DATASET, f"{recipe.trainer_name(model)}__{PLANS}__{CONFIGURATION}")
