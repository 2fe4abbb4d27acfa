"""BIDS derivatives: names, required keys, what the files say. Written after the standard, 1.10.0."""

import json

import numpy as np
import pytest

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.datasets.layouts.dseg_table import label_set_of_tables
from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC

REGIONS = {
    "labels": {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]},
    "regions_class_order": [2, 1, 3],
}
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
    folder = predictions(REGIONS, {"sub-01_ses-2": SEG, "BraTS-GLI-00005-001": SEG})
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 0
    assert sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*") if f.is_file()) == [
        "dataset_description.json",
        "dseg.tsv",
        "sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg.json",
        "sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg.nii.gz",
        "sub-BraTSGLI00005/ses-001/anat/sub-BraTSGLI00005_ses-001_desc-mstkd_dseg.json",
        "sub-BraTSGLI00005/ses-001/anat/sub-BraTSGLI00005_ses-001_desc-mstkd_dseg.nii.gz",
    ]


def test_the_required_keys_are_there(predictions, tmp_path):
    main(["convert-back", str(predictions(REGIONS, {"a": SEG})), str(tmp_path / "out"), "--bids"])
    description = content(tmp_path / "out", "dataset_description.json")
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"] == [{"Name": "nnunetv2_mstkd", "Version": __version__}]
    assert {"Name", "BIDSVersion"} <= set(description)
    assert "DatasetLinks" not in description
    sidecar = content(tmp_path / "out", "sub-a/anat/sub-a_desc-mstkd_dseg.json")
    assert (sidecar["Manual"], sidecar["SpatialReference"]) == (False, "orig")
    assert "Sources" not in sidecar


def test_the_table_names_the_values_that_are_written(predictions, tmp_path):
    folder = predictions(REGIONS, {"a": SEG})
    main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--layout", "brats2021"])
    assert (tmp_path / "out/dseg.tsv").read_text().splitlines() == [
        "index\tname\tabbreviation",
        "0\tBackground\tBG",
        "1\tNecrotic tumour core\tNCR",
        "2\tPeritumoural oedema\tED",
        "4\tEnhancing tumour\tET",
    ]


ALL_TISSUES = {
    "labels": {
        "background": 0,
        "whole_tumor": [1, 2, 3, 5],
        "tumor_core": [2, 3, 5],
        "cystic_component": [5],
        "enhancing_tumor": [3],
        "resection_cavity": [4],
    },
    "regions_class_order": [1, 2, 5, 3, 4],
}


@pytest.mark.parametrize(
    ("dataset_json", "meanings"),
    [
        (ALL_TISSUES, {1: ED, 2: NCR, 3: ET, 4: RC, 5: CC}),
        ({"labels": {"background": 0, "liver": 1, "tumour": 2}}, {1: "liver", 2: "tumour"}),
        (
            {"labels": {"background": 0, "necrosis": 1, "NETC": 2, "liver": 3}},
            {1: "necrosis", 2: "NETC", 3: "liver"},  # two of one meaning
        ),
    ],
)
def test_mstkd_convert_understands_the_table(dataset_json, meanings, predictions, tmp_path):
    folder, out = predictions(dataset_json, {"sub-01": np.zeros((1, 2, 2))}), tmp_path / "raw/derivatives/mstkd"
    assert main(["convert-back", str(folder), str(out), "--bids"]) == 0
    label_map = out / "sub-01/anat/sub-01_desc-mstkd_dseg.nii.gz"
    label_set = label_set_of_tables([label_map], [file for file in out.rglob("*") if file.is_file()])
    assert label_set is not None
    assert label_set.meanings == meanings


@pytest.fixture
def raw(tmp_path):
    """A dataset in BIDS, with the path of an image in it, and one of another dataset."""
    (tmp_path / "raw/sub-01/anat").mkdir(parents=True)
    return tmp_path / "raw"


def images_of(raw) -> list[str]:
    return [str(raw / f"sub-01/anat/sub-01_{name}.nii.gz") for name in ("ce-gad_T1w", "FLAIR")]


def test_sources_and_modalities_come_from_the_record(predictions, tmp_path, raw, capsys):
    folder, out = predictions(REGIONS, {"sub-01": SEG}), raw / "derivatives/mstkd"
    (folder / "sub-01.mstkd.json").write_text(json.dumps(record("sub-01", *images_of(raw))))
    assert main(["convert-back", str(folder), str(out), "--bids", "--sources", str(raw)]) == 0
    sidecar = content(out, "sub-01/anat/sub-01_desc-mstkd_dseg.json")
    assert sidecar["Sources"] == [
        "bids:sources:sub-01/anat/sub-01_ce-gad_T1w.nii.gz",
        "bids:sources:sub-01/anat/sub-01_FLAIR.nii.gz",
    ]
    assert sidecar["SpatialReference"] == "bids:sources:sub-01/anat/sub-01_ce-gad_T1w.nii.gz"
    assert "UnlinkedImages" not in sidecar
    assert (sidecar["ModalitiesUsed"], sidecar["ModalitiesAbsent"]) == (["T1ce", "FLAIR"], ["T1", "T2"])
    assert sidecar["Model"] == {"dataset": "Dataset137_BraTS", "trainer": "nnUNetTrainerMSTKD"}
    assert content(out, "dataset_description.json")["DatasetLinks"] == {"sources": "../.."}
    assert "Note" not in capsys.readouterr().out


def test_images_of_other_folders_are_told_by_their_file_names(predictions, tmp_path, raw):
    folder = predictions(REGIONS, {"sub-01": SEG})
    (folder / "sub-01.mstkd.json").write_text(json.dumps(record("sub-01", "/home/me/x_t1c.nii.gz", images_of(raw)[1])))
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--sources", str(raw)]) == 0
    sidecar = content(tmp_path / "out", "sub-01/anat/sub-01_desc-mstkd_dseg.json")
    assert sidecar["Sources"] == ["bids:sources:sub-01/anat/sub-01_FLAIR.nii.gz"]
    assert sidecar["UnlinkedImages"] == ["x_t1c.nii.gz"]


def texts_in(folder) -> str:
    return "".join(file.read_text() for file in folder.rglob("*") if file.suffix in (".json", ".tsv"))


def test_without_the_source_dataset_no_path_of_this_computer_is_told(predictions, tmp_path):
    folder = predictions(REGIONS, {"a": SEG})
    (folder / "a.mstkd.json").write_text(json.dumps(record("a", "/home/me/a_t1c.nii.gz", "/home/me/a_t2f.nii.gz")))
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 0
    sidecar = content(tmp_path / "out", "sub-a/anat/sub-a_desc-mstkd_dseg.json")
    assert sidecar["UnlinkedImages"] == ["a_t1c.nii.gz", "a_t2f.nii.gz"]
    assert sidecar["SpatialReference"] == "orig"
    assert "Sources" not in sidecar
    assert "/home" not in texts_in(tmp_path / "out")
    assert "secret" not in texts_in(tmp_path / "out")


def test_a_source_dataset_far_away_is_not_linked_and_that_is_said(predictions, tmp_path, raw, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(raw))
    folder = predictions(REGIONS, {"a": SEG})
    (folder / "a.mstkd.json").write_text(json.dumps(record("a", *images_of(raw))))
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--sources", str(raw)]) == 0
    assert f"Note: {raw} lies far from the derivatives" in capsys.readouterr().out
    assert "DatasetLinks" not in content(tmp_path / "out", "dataset_description.json")
    sidecar = content(tmp_path / "out", "sub-a/anat/sub-a_desc-mstkd_dseg.json")
    assert sidecar["UnlinkedImages"] == ["sub-01_ce-gad_T1w.nii.gz", "sub-01_FLAIR.nii.gz"]
    assert "bids:" not in texts_in(tmp_path / "out")
    assert "raw" not in texts_in(tmp_path / "out")


def test_a_folder_that_is_not_the_source_is_refused_before_anything_is_written(predictions, tmp_path, raw, capsys):
    folder = predictions(REGIONS, {"a": SEG})
    (folder / "a.mstkd.json").write_text(json.dumps(record("a", "/data/a_t1c.nii.gz", "/data/a_t2f.nii.gz")))
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--sources", str(raw)]) == 1
    assert "holds none of the images that were predicted, such as /data/a_t1c.nii.gz" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sources_without_any_record_are_not_linked_and_the_lack_is_said(predictions, tmp_path, raw, capsys):
    folder = predictions(REGIONS, {"a": SEG})
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids", "--sources", str(raw)]) == 0
    assert "Note: no record of mstkd predict lies beside the label maps" in capsys.readouterr().out
    assert "DatasetLinks" not in content(tmp_path / "out", "dataset_description.json")


def test_repeating_changes_nothing_also_after_an_upgrade(predictions, tmp_path, monkeypatch, capsys):
    folder, out = predictions(REGIONS, {"a": SEG, "b": SEG}), tmp_path / "out"
    arguments = ["convert-back", str(folder), str(out), "--bids"]
    assert main(arguments) == 0
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*") if file.is_file()}
    (out / "sub-b/anat/sub-b_desc-mstkd_dseg.json").unlink()  # as if interrupted
    monkeypatch.setattr("nnunetv2_mstkd.datasets.back.bids.__version__", "99.0")
    capsys.readouterr()
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("(there already)") == 2
    after = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*") if file.is_file()}
    assert {file.name for file in before if before[file] != after[file]} == {"sub-b_desc-mstkd_dseg.json"}
    assert {file: text for file, (text, _) in before.items()} == {file: text for file, (text, _) in after.items()}


def test_derivatives_of_another_program_are_other_content(predictions, tmp_path, capsys):
    folder, out = predictions(REGIONS, {"a": SEG}), tmp_path / "out"
    arguments = ["convert-back", str(folder), str(out), "--bids"]
    main(arguments)
    file = out / "dataset_description.json"
    file.write_text(file.read_text().replace('"Name": "nnunetv2_mstkd"', '"Name": "other"'))
    assert main(arguments) == 1
    assert "dataset_description.json is there with other content" in capsys.readouterr().err


def test_what_cannot_be_written_is_an_error_with_the_file(predictions, tmp_path, capsys):
    folder, out = predictions(REGIONS, {"a": SEG}), tmp_path / "out"
    out.mkdir()
    (out / "sub-a").touch()  # where a folder has to be
    assert main(["convert-back", str(folder), str(out), "--bids"]) == 1
    message = capsys.readouterr().err
    assert f"{out / 'sub-a/anat/sub-a_desc-mstkd_dseg.nii.gz'} could not be written" in message
    assert "repeat the command" in message


@pytest.mark.parametrize("name", ["dataset_description.json", "dseg.tsv"])
def test_another_dataset_is_not_overwritten(predictions, tmp_path, capsys, name):
    folder = predictions(REGIONS, {"a": SEG})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("of another program")
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 1
    assert f"{name} is there with other content" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "a.mstkd.json is damaged"),
        ("[]", "a.mstkd.json must hold a JSON object"),
        ('{"files": {}}', "a.mstkd.json is no record of mstkd predict: it has no 'modalities'"),
        ('{"files": {"T1": "x"}, "modalities": {}, "model": {}}', "'files' is {'T1': 'x'}"),
        ('{"files": {}, "modalities": {"used": "T1"}, "model": {}}', "'used' of 'modalities' is 'T1'"),
        ('{"files": {}, "modalities": {}, "model": 3}', "'model' is 3"),
    ],
)
def test_a_damaged_record_is_refused_before_anything_is_written(predictions, tmp_path, capsys, text, told):
    folder = predictions(REGIONS, {"a": SEG})
    (folder / "a.mstkd.json").write_text(text)
    assert main(["convert-back", str(folder), str(tmp_path / "out"), "--bids"]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
