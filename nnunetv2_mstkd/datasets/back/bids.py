"""Predictions as BIDS derivatives: what lies beside the label maps (L1')."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.datasets.back.bids_name import bids_names
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.whole_file import whole_file

BIDS_VERSION = "1.10.0"
LABEL_TABLE = "dseg.tsv"  # in the root: by BIDS' inheritance it is that of all label maps below
_SOURCES = "sources"  # name of the source dataset in BIDS URIs
_NAMES = {
    "NCR": "Necrotic and non-enhancing tumour core",
    "ED": "Peritumoural oedema",
    "ET": "Enhancing tumour",
    "RC": "Resection cavity",
    "CC": "Cystic component",
}


def bids_targets(folder: Path, cases: Mapping[str, Path]) -> dict[str, Path]:
    """Return case -> the label map to write.

    Raises:
        ConversionError: if a case cannot be named, or two have the same name.
    """
    return {case: folder / f"{name.stem}.nii.gz" for case, name in bids_names(cases).items()}


def bids_files(
    folder: Path, predictions: Mapping[str, Path], way: WayBack, sources: Path | None = None
) -> dict[Path, str]:
    """Return what is to be written beside the label maps: file -> content.

    Args:
        folder: of the derivatives.
        predictions: case -> label map, beside which `mstkd predict` left its record.
        way: what becomes of the values.
        sources: folder of the images that were predicted; without it images are told by their names alone.

    Raises:
        ConversionError: if a record is damaged.
    """
    files = {folder / "dataset_description.json": _json(_description(sources)), folder / LABEL_TABLE: _table(way)}
    for case, target in bids_targets(folder, predictions).items():
        record = _record(predictions[case].with_name(f"{case}.mstkd.json"))
        sidecar = target.with_name(target.name.replace(".nii.gz", ".json"))
        files[sidecar] = _json(_sidecar(case, record, way, sources))
    return files


def require_free(files: Mapping[Path, str]) -> None:
    """Check that no file would be overwritten by other content.

    Raises:
        ConversionError: if one would.
    """
    for file, content in files.items():
        if file.exists() and file.read_bytes() != content.encode():
            raise ConversionError(f"{file} is there with other content: remove it, or choose another folder")


def write_texts(files: Mapping[Path, str]) -> None:
    """Write text files, each whole or not at all."""
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as temporary:
            temporary.write_bytes(content.encode())


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _description(sources: Path | None) -> dict[str, Any]:
    description: dict[str, Any] = {
        "Name": "Segmentations by nnunetv2_mstkd",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "nnunetv2_mstkd", "Version": __version__}],
    }
    if sources is not None:
        description["SourceDatasets"] = [{"URL": sources.resolve().as_uri()}]
        description["DatasetLinks"] = {_SOURCES: sources.resolve().as_uri()}
    return description


def _table(way: WayBack) -> str:
    rows = [(0, "Background", "BG"), *((v, _NAMES.get(m, m), m) for v, m in sorted(way.meanings.items()))]
    return "\n".join(["index\tname\tabbreviation", *("\t".join(map(str, row)) for row in rows)]) + "\n"


def _record(file: Path) -> dict[str, Any]:
    """Return the record of `mstkd predict`; empty if there is none, as after nnUNetv2_predict."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConversionError(f"{file} cannot be read ({error}): restore it, or remove it") from error
    if not isinstance(content, dict):
        raise ConversionError(f"{file} is no record of mstkd predict: remove it")
    return content


def _sidecar(case: str, record: Mapping[str, Any], way: WayBack, sources: Path | None) -> dict[str, Any]:
    """Return the sidecar of a label map: BIDS' own keys, then ours."""
    sidecar: dict[str, Any] = {"Description": f"Segmentation of {case}, labels: {way.title}", "Manual": False}
    if not record:
        return sidecar
    try:
        files = dict.fromkeys(entry["file"] for entry in record["files"].values())
        sidecar["Sources"] = [_uri(Path(file), sources) for file in files]
        sidecar["ModalitiesUsed"] = record["modalities"]["used"]
        sidecar["ModalitiesAbsent"] = record["modalities"]["absent"]
        model = record["model"]
        keys = ("dataset", "trainer", "plans", "configuration", "checkpoint", "folds", "weights_sha256")
        sidecar["Model"] = {key: model[key] for key in keys if key in model}
    except (KeyError, TypeError, AttributeError) as error:
        raise ConversionError(f"{case}.mstkd.json is no record of mstkd predict: it lacks {error}") from error
    return sidecar


def _uri(file: Path, sources: Path | None) -> str:
    """Return a file as a BIDS URI where it lies in the source dataset, else its name."""
    if sources is not None and file.is_relative_to(sources.resolve()):
        return f"bids:{_SOURCES}:{file.relative_to(sources.resolve()).as_posix()}"
    return file.name
