"""Copies of test cases in which absent modalities are files full of zeros, for models that read no mask (L2)."""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import SimpleITK

from nnunetv2_mstkd.demo.recipe import MODALITIES
from nnunetv2_mstkd.modalities import ModalitySubset


def zero_fill(images: Path, target: Path, subset: ModalitySubset) -> None:
    """Write `target` with the files of `images`: present channels as they are, absent ones as zeros.

    Args:
        images: files called <case>_<channel, four digits>.nii.gz.
        target: folder to write; present channels are hard links where the file system has them.
        subset: what is present.
    """
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(images.glob("*.nii.gz")):
        channel = int(file.name.removesuffix(".nii.gz").rpartition("_")[2])
        copy = target / file.name
        copy.unlink(missing_ok=True)  # of an interrupted call; writing into a hard link would change the original
        if subset.present[channel]:
            _link(file, copy)
        else:
            _write_zeros(file, copy)


def _link(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy)
    except OSError:  # across file systems, and on some of them at all
        shutil.copyfile(file, copy)


def _write_zeros(file: Path, copy: Path) -> None:
    image = SimpleITK.ReadImage(str(file))
    zeros = SimpleITK.Image(image.GetSize(), image.GetPixelID())
    zeros.CopyInformation(image)  # origin, spacing and directions: nnU-Net wants one geometry for all channels
    SimpleITK.WriteImage(zeros, str(copy))


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.demo.zero_fill", description=__doc__)
    parser.add_argument("images", type=Path, help="folder with test cases of the demonstration")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--present", required=True, type=MODALITIES.subset, help="what is present, as in T1ce,FLAIR")
    args = parser.parse_args(argv)
    zero_fill(args.images, args.target, args.present)


if __name__ == "__main__":
    main()
