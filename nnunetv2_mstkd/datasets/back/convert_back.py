"""Write predictions with a challenge's labels and file names (L1')."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.datasets.back.prediction import LabelMap, converted, is_same
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.image_file import write_image
from nnunetv2_mstkd.datasets.conversion.label_file import LabelError
from nnunetv2_mstkd.datasets.conversion.output_error import output_errors
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
    """Refuse to write into the folder of the predictions, or where there can be no folder.

    Raises:
        ConversionError: if so.
    """
    there = next((path for path in (out, *out.resolve().parents) if os.path.lexists(path)), out)
    if not there.is_dir():
        raise ConversionError(f"{there} is no folder: name another one to write")
    if out.resolve() == predictions.resolve():
        raise ConversionError(f"{out} is the folder of the predictions: name another one to write")


def targets_in(folder: Path, predictions: Mapping[str, Path], way: WayBack) -> dict[str, Path]:
    """Return case -> the file to write, as the challenge calls it."""
    return {case: folder / way.prediction_name.replace("{case}", case) for case in predictions}


def convert_back(
    predictions: Mapping[str, Path],
    targets: Mapping[str, Path],
    way: WayBack,
    report: Callable[[Written], None] = lambda written: None,
    begin: Callable[[], None] = lambda: None,
) -> list[Written]:
    """Convert label maps back; each is read once, and all are checked before the first is written.

    Args:
        predictions: case -> label map.
        targets: case -> file to write.
        way: what becomes of the values.
        report: called after each case.
        begin: called once, when all are checked and nothing is written yet.

    Raises:
        ConversionError: if any label map is damaged or has an unknown value, or a target is there with other content;
            the message lists them.
        OutputError: if a label map cannot be written. What was finished stays.
    """
    problems: list[str] = []
    new: dict[str, LabelMap] = {}
    for case, file in predictions.items():
        try:
            label_map = converted(file, way)
        except LabelError as error:
            problems.append(f"{file} {error}")
            continue
        if not targets[case].exists():
            new[case] = label_map
        elif not is_same(targets[case], label_map):
            problems.append(f"{targets[case]} is there with other content: remove it, or choose another folder")
    _require_none(problems)
    begin()
    results = []
    for case in predictions:
        if case in new:
            with output_errors(targets[case]):
                write_image(new[case].labels, new[case].geometry, targets[case])
        results.append(Written(case, targets[case], case in new))
        report(results[-1])
    return results


def _require_none(problems: Sequence[str]) -> None:
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        told = "\n  ".join([*problems[:_SHOWN], *more])
        raise ConversionError(f"{counted(len(problems), 'problem')}, nothing is written:\n  {told}")
