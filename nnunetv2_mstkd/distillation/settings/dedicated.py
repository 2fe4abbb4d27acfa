"""Settings of the trainers that can make a model for one subset alone (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings
from nnunetv2_mstkd.errors import SettingsError


@dataclass(frozen=True)
class DedicatedSettings(SubsetSettings):
    """Settings of the trainers that can make a model for one subset alone.

    Args:
        fixed_subset: names (or a 0/1 string) of the only modalities that the model ever sees, in training, validation
            and prediction: the dedicated nnU-Net of one subset, of cases that have all of it. None draws a subset for
            each sample. With MST-KD it needs "network" or "frozen" as `teacher`.
    """

    fixed_subset: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fixed_subset is not None and not isinstance(self.fixed_subset, str):
            raise SettingsError(f"Setting 'fixed_subset' must be a text or null; given: {self.fixed_subset!r}")
        if self.fixed_subset is not None and (self.drop_probabilities is not None or self.warm_up_fraction):
            raise SettingsError(
                f"Setting 'fixed_subset' is {self.fixed_subset!r}: nothing is drawn then, so leave out "
                f"'drop_probabilities' and 'warm_up_fraction'"
            )
