"""Write predictions with a challenge's labels and file names (L1')."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.datasets.back.prediction import converted, is_same
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.datasets.conversion.image_file import write_image
from nnunetv2_mstkd.datasets.conversion.label_report import LabelError
from nnunetv2_mstkd.errors import ConversionError

_SHOWN = 20


@dataclass(frozen=True)
class Written:
    """What became of a case.

    Args:
        case: name of the case.
        file: that holds its labels now.
        is_new: False if it was there already, just so.
    """

    case: str
    file: Path
    is_new: bool


def require_apart(predictions: Path, out: Path) -> None:
    """Refuse to write into the folder of the predictions, or where there is no folder.

    Raises:
        ConversionError: if so.
    """
    if out.exists() and not out.is_dir():
        raise ConversionError(f"{out} is no folder: name another one to write")
    if predictions.resolve() == out.resolve():
        raise ConversionError(f"{out} is the folder of the predictions: name another one to write")


def targets_in(folder: Path, predictions: Mapping[str, Path], way: WayBack) -> dict[str, Path]:
    """Return case -> the file to write, as the challenge calls it."""
    return {case: folder / way.prediction_name.replace("{case}", case) for case in predictions}


def convert_back(
    predictions: Mapping[str, Path],
    targets: Mapping[str, Path],
    way: WayBack,
    report: Callable[[Written], None] = lambda written: None,
) -> list[Written]:
    """Convert label maps back; all are checked before the first is written, and one at a time is in memory.

    Args:
        predictions: case -> label map.
        targets: case -> file to write.
        way: what becomes of the values.
        report: called after each case.

    Raises:
        ConversionError: if any label map is damaged or has an unknown value, or a target is there with other content;
            the message lists them.
    """
    problems, done = [], set()
    for case, file in predictions.items():
        try:
            labels, geometry = converted(file, way)
        except LabelError as error:
            problems.append(f"{file} {error}")
            continue
        if targets[case].exists():
            if is_same(targets[case], labels, geometry):
                done.add(case)
            else:
                problems.append(f"{targets[case]} is there with other content: remove it, or choose another folder")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        told = "\n  ".join([*problems[:_SHOWN], *more])
        raise ConversionError(f"{len(problems)} problems, nothing is written:\n  {told}")
    results = []
    for case, file in predictions.items():
        if case not in done:
            write_image(*converted(file, way), targets[case])
        results.append(Written(case, targets[case], case not in done))
        report(results[-1])
    return results
