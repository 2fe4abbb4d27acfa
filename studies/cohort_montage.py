"""Draw simulated patients beside a real one, as docs/images/demonstration_cohort.jpg shows them.

    python studies/cohort_montage.py OUT.jpg --patients 11:1 11:2 11:4 --real open_ms/patient26

The real patient is a folder with t1, t1c, t2, flair and seg (.nii.gz), such as those of the open MS data
(Lesjak et al., Neuroinformatics 2017, CC BY).
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import SimpleITK
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from nnunetv2_mstkd.datasets.demonstration.contrasts import MODALITIES
from nnunetv2_mstkd.datasets.demonstration.patient import draw_scans, simulate

COLOURS = ListedColormap(["#4c9be8", "#f2c14e", "#e4572e"])  # necrosis or non-enhancing, oedema, enhancing
REAL_FILES = ("t1", "t1c", "t2", "flair")


def simulated(seed: int, patient: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a simulated patient's slice: images (M, y, x) and labels (y, x), at 1 mm."""
    images, labels = simulate(draw_scans(seed, patient, 1)[0], 1.0)
    return _best_slice(images, labels)


def real(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a real patient's slice in the same orientation (LPS)."""

    def read(name: str) -> np.ndarray:
        return SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(SimpleITK.ReadImage(folder / f"{name}.nii.gz"), "LPS"))

    images = np.stack([read(name) for name in REAL_FILES])
    return _best_slice(images, read("seg").astype(np.uint8) * 2)


def _best_slice(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = int(np.argmax((labels > 0).sum(axis=(1, 2)) + 2 * np.isin(labels, (1, 3)).sum(axis=(1, 2))))
    image = images[:, z]
    rows, columns = np.nonzero(image[0])
    box = slice(rows.min() - 3, rows.max() + 4), slice(columns.min() - 3, columns.max() + 4)
    return image[:, box[0], box[1]].astype(float), labels[z][box]


def _draw(axes: list[Axes], images: np.ndarray, labels: np.ndarray, title: str) -> None:
    for axis, image in zip(axes, (*images, images[-1]), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=np.percentile(image[image > 0], 99.7), interpolation="bilinear")
        axis.set(xticks=[], yticks=[], facecolor="black")
    overlay = np.ma.masked_equal(labels, 0)
    axes[-1].imshow(overlay, cmap=COLOURS, vmin=1, vmax=3, alpha=0.6, interpolation="nearest")
    axes[0].set_ylabel(title, color="white", fontsize=11)


def main() -> None:
    """Write the montage that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", nargs="+", required=True, metavar="SEED:NUMBER")
    parser.add_argument("--real", type=Path, help="folder of a real patient, the last row")
    args = parser.parse_args()
    rows = [(*simulated(*map(int, name.split(":"))), f"simulated {name}") for name in args.patients]
    if args.real:
        rows.append((*real(args.real), "real (MS)"))
    figure, grid = plt.subplots(len(rows), 5, figsize=(10, 2.45 * len(rows)), facecolor="black", squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        _draw(list(axes), *row)
    for axis, name in zip(grid[0], (*MODALITIES, "labels"), strict=True):
        axis.set_title(name, color="white", fontsize=12)
    figure.tight_layout(pad=0.4)
    figure.savefig(args.out, dpi=110, facecolor="black")


if __name__ == "__main__":
    main()
