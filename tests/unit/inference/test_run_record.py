"""Sidecars: which finished cases may be trusted."""

import json

import numpy as np
import pytest

from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_record import Manifest, Sidecar
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T2"))
IDENTITY = {"files": {"T1": {"sha256": "a"}}, "model": {"weights_sha256": {"0": "b"}}}


@pytest.fixture
def written(tmp_path) -> Sidecar:
    """The record of a case whose output is a file "case.nii.gz"."""
    (tmp_path / "case.nii.gz").write_bytes(b"labels")
    labels = np.zeros((1, 1, 1), np.uint8)
    prediction = Prediction(labels, None, MODALITIES.subset("T1"), ("noticed",), None, {"spacing": (1, 1, 1)}, None)
    sidecar = Sidecar(tmp_path, "case")
    sidecar.write(IDENTITY, prediction, ["case.nii.gz"], 1.234)
    return sidecar


def test_a_written_case_is_finished(written):
    assert written.is_finished(IDENTITY)


def test_it_says_what_was_used_and_what_was_not(written):
    record = json.loads(written.file.read_text())
    assert record["modalities"] == {"used": ["T1"], "absent": ["T2"]}
    assert written.used() == ["T1"]
    assert record["warnings"] == ["noticed"]
    assert record["seconds"] == 1.23


@pytest.mark.parametrize(
    "other", [{**IDENTITY, "files": {}}, {**IDENTITY, "model": {"weights_sha256": {"0": "c"}}}, {"inference": {}}]
)
def test_other_input_or_another_model_is_not_finished(written, other):
    assert not written.is_finished(other)


def test_a_changed_or_missing_output_is_not_finished(written):
    output = written.folder / "case.nii.gz"
    output.write_bytes(b"label")
    assert not written.is_finished(IDENTITY)
    output.unlink()
    assert not written.is_finished(IDENTITY)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"files": 1}', '{"outputs": []}', '{"modalities": {"used": 1}}']
)
def test_a_record_of_something_else_is_not_finished(written, content):
    written.file.write_text(content)
    assert not written.is_finished(IDENTITY)
    assert written.used() == []


def test_a_removed_record_takes_its_outputs_with_it(written):
    written.remove()
    written.remove()
    assert not list(written.folder.iterdir())
    assert not written.is_finished(IDENTITY)


@pytest.mark.parametrize("outputs", [{"../kept": 0}, {"kept": 0}, {"{folder}/kept": 0}, [1], 1, None])
def test_a_record_of_something_else_takes_nothing_with_it(written, outputs):
    """A folder of somebody else may hold anything."""
    kept = written.folder.parent / "kept"
    kept.touch()
    (written.folder / "kept").touch()
    if isinstance(outputs, dict):
        outputs = {name.format(folder=written.folder): digest for name, digest in outputs.items()}
    written.file.write_text(json.dumps({"outputs": outputs}))
    written.remove()
    assert kept.is_file()
    assert {path.name for path in written.folder.iterdir()} == {"case.nii.gz", "kept"}


def test_the_manifest_grows_case_by_case(tmp_path):
    manifest = Manifest(tmp_path / "run.json", {"input": "folder"})
    manifest.write("running")
    manifest.add("a", "done", seconds=1)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["status"] == "running"
    assert content["cases"] == {"a": {"status": "done", "seconds": 1}}
    assert content["input"] == "folder"
