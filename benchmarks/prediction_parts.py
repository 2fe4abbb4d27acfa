"""Where the seconds of `mstkd predict` go: one patient, part by part, on the model and case of prediction.py.

Each part is timed in this one process, the imports included. The command overlaps some of them (it loads the engine and
prepares the next case while a network runs), so that it takes less than their sum. A first patient, not counted,
compiles the engine where that was not kept.

    python benchmarks/prediction_parts.py WORK --no-tta
"""

import time

_STARTED = time.perf_counter()

import json  # noqa: E402 (imports are one of the parts)
import tempfile  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

from nnunetv2_mstkd.inference.intake import Selection, check_images, find  # noqa: E402
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor  # noqa: E402

IMPORTS = time.perf_counter() - _STARTED

from prediction import parser_of, write_case, write_model  # noqa: E402 (not a part of the command)


def main() -> None:
    """Measure, print a table and write JSON."""
    arguments = parser_of(__doc__, json_help="where the figures go").parse_args()
    work: Path = arguments.work.resolve()
    model, images = write_model(work), write_case(work)
    predict(model, images, arguments.engine, arguments.tta)
    seconds = {"imports": IMPORTS, **predict(model, images, arguments.engine, arguments.tta)}
    if arguments.json:
        arguments.json.write_text(json.dumps(seconds, indent=2) + "\n")
    report(seconds)


def predict(model: Path, images: Path, engine: str, tta: bool) -> dict[str, float]:
    """Predict the first case and return the seconds of each part."""
    seconds: dict[str, float] = {}

    @contextmanager
    def part(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - started

    with part("model read"):
        predictor = MissingModalityPredictor(model, engine=engine, device="cpu", mirroring=tta)
    with part("images read and checked"):
        selection = Selection(images)
        (check, *_), _problems = check_images(find(selection, predictor).cases, predictor, selection, workers=2)
    with part("cropped, normalised, resampled"):
        prepared = predictor.prepare(check)
    with part("engine loaded"):
        predictor.warm_up(check.case.subset(predictor.model.modalities))
    with part("network, all tiles"):
        logits = predictor.predict_logits(prepared)
    with part("labels on the images' grid"):
        prediction = predictor.finish(prepared, logits)
    with part("segmentation written"), tempfile.TemporaryDirectory() as folder:
        prediction.save(Path(folder, "patient.nii.gz"))
    return seconds


def report(seconds: dict[str, float]) -> None:
    """Print each part and its share."""
    total = sum(seconds.values())
    print("| part | seconds | share |\n|---|---|---|")
    for name, value in {**seconds, "sum": total}.items():
        print(f"| {name} | {value:.2f} | {value / total:.0%} |")


if __name__ == "__main__":
    main()
