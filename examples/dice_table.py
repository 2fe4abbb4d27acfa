"""Print the Dice of each region for each folder of predictions that nnUNetv2_evaluate_folder has scored.

Usage:

    python examples/dice_table.py demo/predictions
"""

import argparse
import json
from pathlib import Path


def dice_table(predictions: Path) -> str:
    """Return a Markdown table: one row per subfolder, one column per region of its dataset.json."""
    rows = []
    regions: list[str] = []
    for summary_file in sorted(predictions.glob("*/summary.json"), key=lambda file: -len(file.parent.name)):
        labels = json.loads((summary_file.parent / "dataset.json").read_text())["labels"]
        regions = [name for name in labels if name not in ("background", "ignore")]
        means = [metrics["Dice"] for metrics in json.loads(summary_file.read_text())["mean"].values()]
        rows.append([summary_file.parent.name, *(f"{dice:.3f}" for dice in means)])
    lines = [["modalities", *regions], ["---"] * (len(regions) + 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the table of the folder given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, help="holds one evaluated folder of predictions per row")
    print(dice_table(parser.parse_args().predictions))


if __name__ == "__main__":
    main()
