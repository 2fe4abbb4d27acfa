"""What the sidecars of BIDS images say of a contrast agent, against the images' names (L1')."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.layouts.inherited_files import InheritedFiles
from nnunetv2_mstkd.datasets.layouts.source import SourceCase
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sequence_name import known_sequence

KEY = "ContrastBolusIngredient"
_WITHOUT = ("NONE", "NO")
_UNSAID = ("", "N/A")


def sidecar_problems(modalities: Modalities, cases: Iterable[SourceCase], files: Iterable[Path]) -> Iterator[Problem]:
    """Yield the cases with an image whose sidecar contradicts its name, or cannot be read.

    T1 and T1ce are judged; other sequences are taken before as well as after the agent was given.

    Args:
        modalities: of the dataset.
        cases: of the dataset.
        files: of the dataset; those that are no sidecars are passed over.
    """
    sidecars = InheritedFiles(files, ".json")
    read = cache(_read)  # one may be of many images
    sequences = [known_sequence(name) for name in modalities]
    for case in cases:
        for channel, source in case.images.items():
            if sequences[channel] in ("T1", "T1ce"):
                is_enhanced = sequences[channel] == "T1ce"
                for message in _contradictions(source.file, is_enhanced, sidecars.of(source.file), read):
                    yield Problem(case.name, message)


def _contradictions(
    image: Path, is_enhanced: bool, sidecars: Iterable[Path], read: Callable[[Path], Mapping[str, Any]]
) -> Iterator[str]:
    """Yield at most one message: the nearest sidecar that has the key counts."""
    for sidecar in sidecars:
        if sidecar.parent == image.parent and sidecar.stem != image.name.split(".")[0]:
            continue  # `sub-01_T1w.json` is that of its own image, though `sub-01_ce-gd_T1w` could inherit it
        try:
            value = read(sidecar).get(KEY)
        except (OSError, ValueError) as error:
            yield f"{sidecar}, which tells of {image.name}, cannot be read: {error}"
            return
        agent = "" if value is None else str(value).strip().upper()
        if agent not in _UNSAID:
            if is_enhanced == (agent in _WITHOUT):
                name = "with a contrast agent" if is_enhanced else "without a contrast agent, as ce-gadolinium"
                yield f"{image.name} is named {name}, but {sidecar.name} has {KEY} {value!r}: mend one of them"
            return


def _read(sidecar: Path) -> Mapping[str, Any]:
    content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    return content if isinstance(content, dict) else {}
