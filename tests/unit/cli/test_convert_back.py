"""The options of `mstkd convert-back`."""

import json

import pytest

from nnunetv2_mstkd.cli.main import main


def failed(capsys, *arguments) -> str:
    assert main(["convert-back", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit, match="2"):
        main(["convert-back", *map(str, arguments)])
    return capsys.readouterr().err


def test_sources_need_bids(tmp_path, capsys):
    assert "--sources is for --bids" in refused(capsys, tmp_path, tmp_path / "out", "--sources", tmp_path)


def test_sources_that_are_not_there_are_refused(tmp_path, capsys):
    message = refused(capsys, tmp_path, tmp_path / "out", "--bids", "--sources", tmp_path / "nowhere")
    assert "there is no folder" in message


def test_a_folder_without_dataset_json_is_refused(tmp_path, capsys):
    assert "dataset.json cannot be read" in failed(capsys, tmp_path, tmp_path / "out")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_dataset_json_is_refused(tmp_path, capsys, text):
    (tmp_path / "dataset.json").write_text(text)
    assert "dataset.json" in failed(capsys, tmp_path, tmp_path / "out")


def test_another_dataset_json_can_be_named(tmp_path, capsys):
    (tmp_path / "mine.json").write_text(json.dumps({"labels": {"background": 0, "x": 1}, "file_ending": ".nrrd"}))
    (tmp_path / "empty").mkdir()
    message = failed(capsys, tmp_path / "empty", tmp_path / "out", "--dataset-json", tmp_path / "mine.json")
    assert "holds no label map (*.nrrd)" in message


def test_the_folder_of_the_predictions_and_files_are_no_place_to_write(tmp_path, capsys):
    assert "folder of the predictions" in failed(capsys, tmp_path, tmp_path)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/in/it"):
        assert f"{tmp_path / 'file'} is no folder" in failed(capsys, tmp_path, out)


def test_nothing_is_told_of_labels_that_are_refused(tmp_path, capsys):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "x": 1}}))
    (tmp_path / "a.nii.gz").write_bytes(b"damaged")
    assert main(["convert-back", str(tmp_path), str(tmp_path / "out"), "--bids"]) == 1
    assert "labels:" not in capsys.readouterr().out
