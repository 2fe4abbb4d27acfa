"""Time and memory of the metrics: Dice, HD95 and NSD of pairs of tumour-sized masks in a BraTS volume.

Each implementation runs in a process of its own, on one thread, over the same pairs of random lumpy masks (about 120k
voxels at 1 mm, 155 x 240 x 240). For ours there are three figures: a reference's first comparison, which makes its
surface and distance map; later ones, as for the other 14 subsets of a case; and three nested regions of label maps at
once, later ones. MONAI and SimpleITK are measured where installed; they keep nothing of a reference.

    python benchmarks/metric_speed.py            # half a minute
"""

import argparse
import importlib.util
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_mstkd.evaluation.label_reference import LabelReference
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import metric_value
from nnunetv2_mstkd.evaluation.reference import Reference
from nnunetv2_mstkd.regions import Region

SHAPE, SPACING_MM, TOLERANCE_MM = (155, 240, 240), (1.0, 1.0, 1.0), 1.0
REGIONS = (Region("whole_tumor", (1, 2, 3)), Region("tumor_core", (2, 3)), Region("enhancing_tumor", (3,)))
BAR_S = 0.1  # of a pair, with a reference that has been compared before
Mask = NDArray[np.bool_]


def tumour_pairs(count: int) -> Iterator[tuple[Mask, Mask]]:
    """Yield pairs of ellipsoids with rough surfaces, the second one displaced."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    for _ in range(count):
        pair = []
        for shift in (0, rng.uniform(2, 5)):
            radii_mm = rng.uniform(28, 33, 3)
            form = ((z - 78) / radii_mm[0]) ** 2 + ((y - 120 - shift) / radii_mm[1]) ** 2
            form = form + ((x - 100 + shift) / radii_mm[2]) ** 2
            rough = ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
            pair.append(form + 0.3 * rough / rough.std() < 1)
        yield pair[0], pair[1]


def label_map(mask: Mask) -> NDArray[np.uint8]:
    """Return three nested regions: what is deeper than 0, 5 and 9 voxels."""
    return mask.astype(np.uint8) + sum(ndimage.binary_erosion(mask, iterations=n).astype(np.uint8) for n in (5, 9))


# --- Implementations: from a pair to what is timed, which returns (Dice, HD95, NSD) ----------------------------------


def ours_first(engine: str) -> Callable[[Mask, Mask], Callable[[], tuple[float, ...]]]:
    """Return what compares to a reference that is made anew."""
    return lambda truth, found: lambda: _values(Reference(truth, SPACING_MM, engine=engine).compare(found))


def ours_later(engine: str) -> Callable[[Mask, Mask], Callable[[], tuple[float, ...]]]:
    """Return what compares to a reference that has been compared before."""

    def prepare(truth: Mask, found: Mask) -> Callable[[], tuple[float, ...]]:
        reference = Reference(truth, SPACING_MM, engine=engine)
        reference.compare(found)
        return lambda: _values(reference.compare(found))

    return prepare


def ours_regions(engine: str) -> Callable[[Mask, Mask], Callable[[], tuple[float, ...]]]:
    """Return what compares three regions of label maps."""

    def prepare(truth: Mask, found: Mask) -> Callable[[], tuple[float, ...]]:
        reference = LabelReference(label_map(truth), REGIONS, SPACING_MM, engine=engine)
        labels = label_map(found)
        reference.compare(labels)
        return lambda: _values(reference.compare(labels)["whole_tumor"])

    return prepare


def _values(facts: MaskFacts) -> tuple[float, ...]:
    return tuple(metric_value(facts, name) for name in ("dice", "hd95", "nsd"))


def monai(truth: Mask, found: Mask) -> Callable[[], tuple[float, ...]]:
    """Return MONAI's three functions."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

    torch.set_num_threads(1)
    pair = [torch.from_numpy(mask)[None, None] for mask in (found, truth)]
    return lambda: (
        compute_dice(*pair, include_background=True).item(),
        compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=SPACING_MM).item(),
        compute_surface_dice(*pair, [TOLERANCE_MM], include_background=True, spacing=SPACING_MM).item(),
    )


def simpleitk(truth: Mask, found: Mask) -> Callable[[], tuple[float, ...]]:
    """Return the same from SimpleITK's filters: contours and distance maps of the whole volume."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

    def distances(images: list) -> NDArray[np.float32]:
        contours = [SimpleITK.LabelContour(image, fullyConnected=False) for image in images]
        to_second = SimpleITK.SignedMaurerDistanceMap(contours[1], squaredDistance=False, useImageSpacing=True)
        return np.abs(SimpleITK.GetArrayViewFromImage(to_second))[SimpleITK.GetArrayViewFromImage(contours[0]) > 0]

    def run() -> tuple[float, ...]:
        images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (truth, found)]
        overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
        overlap.Execute(images[1], images[0])
        there, back = distances(images), distances(images[::-1])
        within = np.concatenate([there, back]) <= TOLERANCE_MM
        hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
        return overlap.GetDiceCoefficient(), float(hd95), float(within.mean())

    return run


def implementations() -> dict[str, Callable[[Mask, Mask], Callable[[], tuple[float, ...]]]]:
    """Return what is installed, by name."""
    found: dict[str, Callable[[Mask, Mask], Callable[[], tuple[float, ...]]]] = {}
    for engine in ("scipy", "edt"):
        if importlib.util.find_spec(engine):
            found[f"ours, {engine}: later predictions"] = ours_later(engine)
            found[f"ours, {engine}: first prediction"] = ours_first(engine)
            found[f"ours, {engine}: three regions, later"] = ours_regions(engine)
    if importlib.util.find_spec("monai"):
        found["MONAI"] = monai
    found["SimpleITK"] = simpleitk
    return found


# --- Measurement -----------------------------------------------------------------------------------------------------


def reset_peak_mb() -> float:
    """Let the process' peak memory begin anew at what it has now, and return that; Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def peak_mb() -> float:
    """Return the largest memory that the process has had; Linux only."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(name: str, folder: Path, repeats: int, results: multiprocessing.Queue) -> None:
    """Put seconds (repeats x pairs), the largest extra memory in MB and the first pair's values into `results`."""
    prepare = implementations()[name]
    seconds, values, extra_mb = [], (), 0.0
    for index, file in enumerate(sorted(folder.glob("*.npz"))):
        with np.load(file) as pair:
            run = prepare(pair["truth"], pair["found"])
        before = reset_peak_mb()
        found = run()  # warms up
        extra_mb = max(extra_mb, peak_mb() - before)
        values = values or found
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            seconds.append((index, time.perf_counter() - start))
    results.put((seconds, extra_mb, values))


def in_own_process(name: str, folder: Path, repeats: int) -> tuple[list[tuple[int, float]], float, tuple[float, ...]]:
    """Run `measure` in a fresh process."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=measure, args=(name, folder, repeats, results))
    process.start()
    found = results.get(timeout=1200)
    process.join()
    return found


def main() -> None:
    """Print the table; exit with 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for index, (truth, found) in enumerate(tumour_pairs(args.pairs)):
            np.savez(folder / f"{index}.npz", truth=truth, found=found)
            print(f"pair {index}: {truth.sum()} and {found.sum()} voxels")
        print("\n| implementation | s per pair | spread | ratio | extra MB | Dice, HD95, NSD of pair 0 |")
        print("|---|---|---|---|---|---|")
        for name in implementations():
            seconds, extra_mb, values = in_own_process(name, folder, args.repeats)
            by_repeat = [sum(s for _, s in seconds[r :: args.repeats]) / args.pairs for r in range(args.repeats)]
            medians[name] = statistics.median(s for _, s in seconds)
            ratio = medians[name] / next(iter(medians.values()))
            print(
                f"| {name} | {medians[name]:.3f} | {min(by_repeat):.3f} to {max(by_repeat):.3f} | {ratio:.2f} "
                f"| {extra_mb:.0f} | {values[0]:.5f}, {values[1]:.4f}, {values[2]:.5f} |"
            )
    slowest = max(value for name, value in medians.items() if name.endswith(": later predictions"))
    print(f"\nspread: of the means over all pairs, one per repeat. Bar: {BAR_S} s; ours {slowest:.3f} s.")
    sys.exit(0 if slowest <= BAR_S else 1)


if __name__ == "__main__":
    main()
