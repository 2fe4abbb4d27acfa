"""Predictions as BIDS derivatives: what lies beside the label maps (L1')."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.datasets.back.bids_name import bids_names
from nnunetv2_mstkd.datasets.back.bids_sidecar import sidecar
from nnunetv2_mstkd.datasets.back.record import Record
from nnunetv2_mstkd.datasets.back.source_images import LINK_NAME, SourceImages
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC

BIDS_VERSION = "1.10.0"
_ENDING = ".nii.gz"
# as regions.py spells them, so that `mstkd convert` understands the table
_NAMES = {
    NCR: "Necrotic tumour core",
    ED: "Peritumoural oedema",
    ET: "Enhancing tumour",
    RC: "Resection cavity",
    CC: "Cystic component",
}


def bids_targets(folder: Path, cases: Mapping[str, Path]) -> dict[str, Path]:
    """Return case -> the label map to write.

    Raises:
        ConversionError: if a case cannot be named, or two have the same name.
    """
    return {case: folder / f"{name.stem}{_ENDING}" for case, name in bids_names(cases).items()}


def bids_files(
    folder: Path,
    targets: Mapping[str, Path],
    records: Mapping[str, Record],
    way: WayBack,
    sources: SourceImages | None = None,
) -> dict[Path, str]:
    """Return what is to be written beside the label maps: file -> content.

    Args:
        folder: of the derivatives.
        targets: case -> label map that is written.
        records: case -> record of `mstkd predict`, where there is one.
        way: what becomes of the values.
        sources: dataset of the images that were predicted, if it is known.

    Raises:
        ConversionError: if none of the images that the records name is in `sources`.
    """
    if sources is not None:
        sources.require_any(image for record in records.values() for image in record.images)
    # in the root: by BIDS' inheritance the table is that of all label maps below
    files = {
        folder / "dataset_description.json": _json(_description(sources if records else None)),
        folder / "dseg.tsv": _table(way),
    }
    for case, target in targets.items():
        file = target.with_name(target.name.removesuffix(_ENDING) + ".json")
        files[file] = _json(sidecar(case, records.get(case), way.title, sources))
    return files


def bids_notes(records: Mapping[str, Record], sources: SourceImages | None) -> list[str]:
    """Return what should be known of sources that were given, and are not told."""
    if sources is None:
        return []
    if not records:
        return ["no record of mstkd predict lies beside the label maps: which images were predicted is not told"]
    if sources.link is None:
        told = "to write the way to it would tell paths of this computer, so images are told by their file names alone"
        return [f"{sources.folder} lies far from the derivatives: {told}. Write them into it, or beside it"]
    return []


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _description(sources: SourceImages | None) -> dict[str, Any]:
    link = sources.link if sources is not None else None
    return {
        "Name": "Segmentations by nnunetv2_mstkd",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "nnunetv2_mstkd", "Version": __version__}],
        **({} if link is None else {"DatasetLinks": {LINK_NAME: link}}),
    }


def _table(way: WayBack) -> str:
    rows = [(0, "Background", "BG"), *((v, _NAMES.get(m, m), m) for v, m in sorted(way.meanings.items()))]
    return "\n".join(["index\tname\tabbreviation", *("\t".join(map(str, row)) for row in rows)]) + "\n"
