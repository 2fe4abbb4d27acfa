"""Tiny cohorts whose cases lack modalities, as `mstkd convert` leaves them: listed files, zeros, and the table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK
from tiny_cohort import TinyCohort, write_cohort

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, write_availability
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class IncompleteCohort:
    """What to write.

    Args:
        number: nnU-Net's dataset id.
        present: training case -> one digit for each channel, 1 where the case has it.
        cohort: the complete one, of which that is left.
    """

    number: int
    present: Mapping[str, str]
    cohort: TinyCohort = field(default_factory=TinyCohort)

    @property
    def name(self) -> str:
        """The folder of the dataset."""
        return f"Dataset{self.number}_Incomplete"

    @property
    def modalities(self) -> Modalities:
        """Of the dataset."""
        return Modalities(tuple(self.cohort.channel_names))

    @property
    def availability(self) -> Availability:
        """What the table says."""
        return Availability(
            self.modalities, {case: self.modalities.subset(bits) for case, bits in self.present.items()}
        )

    def absent_file(self, raw: Path, case: str) -> Path:
        """The one volume that stands for all that a case lacks."""
        return raw / "absent" / f"{case}.nii.gz"

    def write(self, raw: Path) -> None:
        """Write the raw dataset into `raw`."""
        write_cohort(raw, self.cohort)
        dataset_json = json.loads((raw / "dataset.json").read_text())
        dataset_json["dataset"] = {}
        for case, subset in self.availability.present.items():
            files = [raw / f"imagesTr/{case}_{channel:04d}.nii.gz" for channel in range(len(self.modalities))]
            for channel in set(range(len(files))) - set(subset.channels):
                zeros = self.absent_file(raw, case)
                write_constant(zeros, SimpleITK.ReadImage(str(files[channel])))
                files[channel].unlink()
                files[channel] = zeros
            images = [file.relative_to(raw).as_posix() for file in files]
            dataset_json["dataset"][case] = {"images": images, "label": f"labelsTr/{case}.nii.gz"}
        (raw / "dataset.json").write_text(json.dumps(dataset_json))
        write_availability(raw / AVAILABILITY_FILE, self.availability)


def write_constant(file: Path, like: SimpleITK.Image, value: float = 0) -> Path:
    """Write a volume of one value with the grid of another."""
    volume = SimpleITK.Image(like.GetSize(), SimpleITK.sitkFloat32) + value
    volume.CopyInformation(like)
    file.parent.mkdir(exist_ok=True)
    SimpleITK.WriteImage(volume, str(file))
    return file
