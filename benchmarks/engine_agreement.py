"""What engines change: Dice of every region against stock float32's segmentation, voxels that differ, error of logits.

Of a trained model and its cases. The reference is nnU-Net's predictor in float32, on the same preprocessed case, with
the same folds, step size and mirroring. Every subset that is named is predicted; all modalities unless told otherwise.
An engine passes where each region has the Dice that `--engine auto` wants of it, or as few voxels that differ. The
error is the root mean square of what logits differ by in the voxels near a region's bound, where they may change sides.

    python benchmarks/engine_agreement.py MODEL_FOLDER IMAGES --json agreement.json
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray

from nnunetv2_mstkd.inference.engines.agreement import CLEAR_MARGIN, LEAST_DICE, MOST_VOXELS
from nnunetv2_mstkd.inference.engines.choice import runnable_engines
from nnunetv2_mstkd.inference.engines.names import ENGINES
from nnunetv2_mstkd.inference.intake import Selection, find
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.inference.model import Model, load_model
from nnunetv2_mstkd.inference.prepared_case import PreparedCase
from nnunetv2_mstkd.regions import Region, regions_of

HEAD = ("engine", "region", "least Dice", "most voxels that differ", "error of logits", "predictions", "passed")


def main() -> None:
    """Compare, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="trained model folder")
    parser.add_argument("images", type=Path, help="cases, as for mstkd predict")
    here = [name for name, lack in runnable_engines().items() if not lack]
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=here, help="default: all that can run here")
    parser.add_argument("--subsets", nargs="+", help="such as T1ce,FLAIR (default: all modalities)")
    parser.add_argument("--cases", type=int, help="the first so many (default: all)")
    parser.add_argument("-f", nargs="+", help="folds (default: all)")
    parser.add_argument("--tta", action=argparse.BooleanOptionalAction, default=False, help="mirroring")
    parser.add_argument("--json", type=Path, help="where the figures go")
    arguments = parser.parse_args()
    rows = list(compare(arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for line in summary(rows):
        print(line)


def compare(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each case, subset, engine and region."""
    settings = {"device": "cpu", "mirroring": arguments.tta}
    predictors = {
        name: MissingModalityPredictor(arguments.model, arguments.f, engine=name, **settings)
        for name in arguments.engines
    }
    first = next(iter(predictors.values()))
    stock = stock_predictor(load_model(arguments.model, arguments.f), arguments.tta)
    modalities = first.model.modalities
    subsets = [modalities.subset(text) for text in arguments.subsets or [",".join(modalities.names)]]
    for case in find(Selection(arguments.images), first).cases[: arguments.cases]:
        for subset in subsets:
            if not case.subset(modalities).issuperset(subset):
                continue
            prepared = first.prepare(first.check(case.restricted(subset)))
            see_only(stock.network, prepared.check.case.subset(modalities))
            reference = stock.predict_logits_from_preprocessed_data(prepared.image)
            for name, predictor in predictors.items():
                for agreed in compare_logits(first, prepared, reference, predictor.predict_logits(prepared)):
                    row = {"case": case.name, "subset": str(subset), "engine": name, **agreed}
                    print(row, flush=True)
                    yield row


def stock_predictor(model: Model, tta: bool) -> nnUNetPredictor:
    """Return nnU-Net's own predictor with a model of its own: it loads folds into the network."""
    stock = nnUNetPredictor(use_mirroring=tta, device=torch.device("cpu"), allow_tqdm=False)
    settings = model.plans, model.configuration, model.weights, model.dataset_json
    stock.manual_initialization(model.network, *settings, model.trainer_name, model.mirroring_axes)
    return stock


def compare_logits(
    predictor: MissingModalityPredictor, prepared: PreparedCase, reference: torch.Tensor, found: torch.Tensor
) -> Iterator[dict[str, Any]]:
    """Yield how logits (C, *S) of a case agree with the reference's, for each region."""
    model = predictor.model
    regions = regions_of(model.dataset_json)
    expected, given = (
        region_logits(logits.float(), regions, model.labels.has_regions) for logits in (reference, found)
    )
    maps = labels(predictor, prepared, reference), labels(predictor, prepared, found)
    for number, region in enumerate(regions):
        yield {**agreement(*maps, region), **error(expected[number], given[number])}


def labels(predictor: MissingModalityPredictor, prepared: PreparedCase, logits: torch.Tensor) -> NDArray[np.integer]:
    """Return the label map (z, y, x) on the grid of the images."""
    return predictor.finish(prepared, logits).labels


def agreement(reference: NDArray[np.integer], found: NDArray[np.integer], region: Region) -> dict[str, Any]:
    """Return Dice (1 where both are empty) and the number of voxels that differ."""
    expected, given = np.isin(reference, region.labels), np.isin(found, region.labels)
    total = int(expected.sum() + given.sum())
    dice = 2 * int((expected & given).sum()) / total if total else 1.0
    return {"region": region.name, "dice": dice, "voxels": int((expected != given).sum()), "size": int(expected.sum())}


def region_logits(logits: torch.Tensor, regions: Sequence[Region], has_regions: bool) -> torch.Tensor:
    """Return how far each voxel is inside of each region (R, *S), in logits: above 0 where it is decided on.

    Args:
        logits: (C, *S), a channel for each region, or for each label with the background first.
        regions: of the dataset.
        has_regions: whether the channels are regions; of labels it is the margin before the best other one.
    """
    if has_regions:
        return logits
    return torch.stack([_margin(logits, region.labels) for region in regions])


def _margin(logits: torch.Tensor, own: Sequence[int]) -> torch.Tensor:
    others = [label for label in range(len(logits)) if label not in own]
    return logits[list(own)].amax(dim=0) - logits[others].amax(dim=0)


def error(expected: torch.Tensor, given: torch.Tensor) -> dict[str, Any]:
    """Return the error of a region's logits (S) near its bound, 0 where no voxel is near, and of how many it is."""
    is_near = expected.abs() < CLEAR_MARGIN
    squares = (given - expected)[is_near].double().square()
    return {"logit_error": math.sqrt(squares.sum() / max(squares.numel(), 1)), "near_bound": squares.numel()}


def passes(row: dict[str, Any]) -> bool:
    """Return whether a prediction is near enough."""
    return row["dice"] >= LEAST_DICE or row["voxels"] <= MOST_VOXELS


def summary(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line of the table for each engine and region."""
    for engine, region in dict.fromkeys((row["engine"], row["region"]) for row in rows):
        own = [row for row in rows if (row["engine"], row["region"]) == (engine, region)]
        dice, voxels = min(row["dice"] for row in own), max(row["voxels"] for row in own)
        passed = f"{sum(map(passes, own))} of {len(own)}"
        yield f"| {engine} | {region} | {dice:.5f} | {voxels} | {pooled(own):.2g} | {len(own)} | {passed} |"


def pooled(rows: Sequence[dict[str, Any]]) -> float:
    """Return the error of logits over the voxels of all rows."""
    voxels = sum(row["near_bound"] for row in rows)
    return math.sqrt(sum(row["near_bound"] * row["logit_error"] ** 2 for row in rows) / max(voxels, 1))


if __name__ == "__main__":
    main()
