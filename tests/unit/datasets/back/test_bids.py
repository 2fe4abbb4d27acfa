"""BIDS derivatives: names, required keys, what the files say. Written after the standard, 1.10.0."""

import json

import numpy as np
import pytest

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.datasets.back.bids_name import bids_name, bids_names
from nnunetv2_mstkd.errors import ConversionError

LABELS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
SEG = np.array([[[0, 1], [2, 3]]])


def record(case: str, *files: str) -> dict:
    """Return what `mstkd predict` writes of a case, as docs/reference/files.md has it."""
    return {
        "case": case,
        "modalities": {"used": ["T1ce", "FLAIR"], "absent": ["T1", "T2"]},
        "files": dict(zip(("T1ce", "FLAIR"), [{"file": f, "volume": None, "sha256": "0"} for f in files], strict=True)),
        "model": {"folder": "/secret/models", "trainer": "nnUNetTrainerMSTKD", "dataset": "Dataset137_BraTS"},
    }


def content(folder, file: str) -> dict:
    return json.loads((folder / file).read_text())


def test_files_bear_the_names_of_the_standard(predictions, tmp_path):
    folder = predictions({"labels": LABELS}, {"sub-01_ses-2": SEG, "BraTS-GLI-00005-001": SEG})
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 0
    assert sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*") if f.is_file()) == [
        "dataset_description.json",
        "dseg.tsv",
        "sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg.json",
        "sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg.nii.gz",
        "sub-BraTSGLI00005001/anat/sub-BraTSGLI00005001_desc-mstkd_dseg.json",
        "sub-BraTSGLI00005001/anat/sub-BraTSGLI00005001_desc-mstkd_dseg.nii.gz",
    ]
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 0  # it is there already


def test_the_required_keys_are_there(predictions, tmp_path):
    main(["convert-back", str(predictions({"labels": LABELS}, {"a": SEG})), str(tmp_path / "out"), "--bids"])
    description = content(tmp_path / "out", "dataset_description.json")
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"] == [{"Name": "nnunetv2_mstkd", "Version": __version__}]
    assert {"Name", "BIDSVersion"} <= set(description)
    assert content(tmp_path / "out", "sub-a/anat/sub-a_desc-mstkd_dseg.json")["Manual"] is False


def test_the_table_names_the_values_that_are_written(predictions, tmp_path):
    folder = predictions({"labels": LABELS}, {"a": SEG})
    main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--layout", "brats2021"])
    assert (tmp_path / "out/dseg.tsv").read_text().splitlines() == [
        "index\tname\tabbreviation",
        "0\tBackground\tBG",
        "1\tNecrotic and non-enhancing tumour core\tNCR",
        "2\tPeritumoural oedema\tED",
        "4\tEnhancing tumour\tET",
    ]


def test_sources_and_modalities_come_from_the_record(predictions, tmp_path):
    raw = tmp_path / "raw"
    files = [str(raw / f"sub-01/anat/sub-01_{name}.nii.gz") for name in ("ce-gad_T1w", "FLAIR")]
    (raw / "sub-01/anat").mkdir(parents=True)
    folder = predictions({"labels": LABELS}, {"sub-01": SEG})
    (folder / "sub-01.mstkd.json").write_text(json.dumps(record("sub-01", *files)))
    arguments = ["convert-back", str(folder), str(tmp_path / "out"), "--bids"]
    assert main([*arguments, "--sources", str(raw)]) == 0
    sidecar = content(tmp_path / "out", "sub-01/anat/sub-01_desc-mstkd_dseg.json")
    assert sidecar["Sources"] == [
        "bids:sources:sub-01/anat/sub-01_ce-gad_T1w.nii.gz",
        "bids:sources:sub-01/anat/sub-01_FLAIR.nii.gz",
    ]
    assert (sidecar["ModalitiesUsed"], sidecar["ModalitiesAbsent"]) == (["T1ce", "FLAIR"], ["T1", "T2"])
    assert sidecar["Model"] == {"dataset": "Dataset137_BraTS", "trainer": "nnUNetTrainerMSTKD"}
    description = content(tmp_path / "out", "dataset_description.json")
    assert description["DatasetLinks"] == {"sources": raw.as_uri()}
    assert description["SourceDatasets"] == [{"URL": raw.as_uri()}]


def test_without_the_source_dataset_no_path_of_this_computer_is_told(predictions, tmp_path):
    folder = predictions({"labels": LABELS}, {"a": SEG})
    (folder / "a.mstkd.json").write_text(json.dumps(record("a", "/home/me/a_t1c.nii.gz", "/home/me/a_t2f.nii.gz")))
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 0
    text = (tmp_path / "out/sub-a/anat/sub-a_desc-mstkd_dseg.json").read_text()
    assert json.loads(text)["Sources"] == ["a_t1c.nii.gz", "a_t2f.nii.gz"]
    assert "/home" not in text
    assert "secret" not in text


@pytest.mark.parametrize("name", ["dataset_description.json", "dseg.tsv"])
def test_another_dataset_is_not_overwritten(predictions, tmp_path, capsys, name):
    folder = predictions({"labels": LABELS}, {"a": SEG})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("of another program")
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 1
    assert f"{name} is there with other content" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {}}'])
def test_a_damaged_record_is_refused_before_anything_is_written(predictions, tmp_path, capsys, text):
    folder = predictions({"labels": LABELS}, {"a": SEG})
    (folder / "a.mstkd.json").write_text(text)
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 1
    assert "a.mstkd.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("case", "stem"),
    [
        ("sub-01", "sub-01/anat/sub-01_desc-mstkd_dseg"),
        ("sub-01_ses-pre_run-2", "sub-01/ses-pre/anat/sub-01_ses-pre_run-2_desc-mstkd_dseg"),
        ("sub-01_foo", "sub-sub01foo/anat/sub-sub01foo_desc-mstkd_dseg"),
        ("UPENN-GBM-00001_11", "sub-UPENNGBM0000111/anat/sub-UPENNGBM0000111_desc-mstkd_dseg"),
    ],
)
def test_names_of_cases(case, stem):
    assert str(bids_name(case).stem) == stem


@pytest.mark.parametrize("cases", [("a-1", "a_1"), ("case_A", "case_a"), ("sub-x", "x")])
def test_cases_that_would_be_one_file_are_refused(cases):
    with pytest.raises(ConversionError, match=f"'{cases[0]}' and '{cases[1]}' would both be"):
        bids_names(cases)


def test_a_case_without_letters_is_refused():
    with pytest.raises(ConversionError, match="no letter and no digit"):
        bids_name("---")
