"""How strongly each distillation term pulls at the student's bottleneck, from the record of a whole training.

Usage:

    python benchmarks/term_gradients.py "$nnUNet_results"/Dataset.../nnUNetTrainerMSTKD__.../fold_0/mstkd_metrics.csv
"""

import argparse
import csv
import math
import statistics
from pathlib import Path

PREFIX = "gradient_"


def main() -> None:
    """Print, for each term, its weighted gradient norm over the segmentation's: median and maximum after the ramp."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", type=Path, help="mstkd_metrics.csv of a fold")
    with open(parser.parse_args().metrics, newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if value != ""} for row in csv.DictReader(file)]
    after = [row for row in rows if row["ramp"] > 0.99 and row[f"{PREFIX}segmentation"] > 0]
    if not after:
        raise SystemExit(f"None of the {len(rows)} epochs on record is past the ramp: train for longer")
    print(f"{len(rows)} epochs, {len(after)} of them after the ramp; ratio to the segmentation term's gradient norm\n")
    print("| term | weight | median | maximum | in epoch |\n|---|---|---|---|---|")
    for name in [key for key in rows[0] if key.startswith(PREFIX) and key != f"{PREFIX}segmentation"]:
        term = name.removeprefix(PREFIX)
        # NaN where the epoch's first batch had nothing to distil
        ratios = {row["epoch"]: row[name] / row[f"{PREFIX}segmentation"] for row in after if not math.isnan(row[name])}
        if not ratios:
            raise SystemExit(f"No epoch after the ramp has a norm of {term}: every first batch lacked complete samples")
        worst = max(ratios, key=ratios.__getitem__)
        weight = after[0][f"weight_{term}"]
        print(
            f"| {term} | {weight:.3g} | {statistics.median(ratios.values()):.3f} | {ratios[worst]:.3f} | {worst:.0f} |"
        )


if __name__ == "__main__":
    main()
