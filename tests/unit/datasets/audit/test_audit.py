"""Whole datasets, each with one thing that is wrong."""

import json
import os
import shutil

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, write_availability
from nnunetv2_mstkd.datasets.audit.audit import audit_dataset
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def found(folder, **options) -> list[str]:
    """Return the errors and warnings: where a case is spoilt, notes say that too few are left to judge by."""
    return [str(finding) for finding in audit_dataset(folder, **options) if finding.severity != "note"]


def notes(folder) -> list[str]:
    return [str(finding) for finding in audit_dataset(folder) if finding.severity == "note"]


def the_only(folder, **options) -> str:
    lines = found(folder, **options)
    assert len(lines) == 1, lines
    return lines[0]


def rewrite(file, change) -> None:
    """Change the voxels of an image, and nothing else."""
    image = SimpleITK.ReadImage(str(file))
    new = SimpleITK.GetImageFromArray(change(SimpleITK.GetArrayFromImage(image)))
    new.CopyInformation(image)
    SimpleITK.WriteImage(new, str(file))


def test_a_sound_dataset_has_no_findings_and_is_left_alone(dataset):
    folder = dataset()
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in folder.rglob("*")}
    assert audit_dataset(folder) == []
    assert {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in folder.rglob("*")} == before


@pytest.mark.slow  # starts processes
def test_several_processes_find_the_same(dataset):
    folder = dataset(values={"NCR": 2, "ED": 1, "ET": 3})
    assert found(folder, workers=2) == found(folder)


# --- channels and labels that are not what they are called -----------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        (("T1", "T1ce", "FLAIR", "T2"), ("FLAIR and looks like T2", "T2 and looks like FLAIR")),
        (("t1c", "t1n", "t2w", "t2f"), ("t1c and looks like T1,", "t1n and looks like T1ce")),
        (
            ("FLAIR", "T1", "T1ce", "T2"),
            ("FLAIR and looks like T1,", "T1ce and looks like T2", "T2 and looks like FLAIR"),
        ),
    ],
)
def test_swapped_channels_are_named_with_what_they_look_like(dataset, channels, told):
    line = the_only(dataset(channels=channels))
    assert line.startswith("warning: channels: ")
    assert all(part in line for part in told)
    assert "of 3 cases" in line  # a case that lacks a channel says nothing of it


def test_labels_of_nnunet_with_regions_of_brats_2023_are_seen(dataset):
    line = the_only(dataset(values={"NCR": 2, "ED": 1, "ET": 3}))
    assert line.startswith("warning: labels: ")
    assert "1 should be necrosis and looks like oedema, 2 should be oedema and looks like necrosis" in line
    assert "look like nnU-Net's" in line
    assert "dataset.json is BraTS 2023's" in line


def test_names_of_labels_without_regions_are_judged_too(dataset):
    labels = {"background": 0, "edema": 1, "necrosis": 2, "enhancing tumor": 3}
    assert "1 should be oedema and looks like necrosis" in the_only(dataset(labels=labels))


def test_labels_are_judged_by_what_the_channels_really_are(dataset):
    """With T1 and T1ce exchanged the rim seems dark; the labels are right all the same."""
    assert "channels" in the_only(dataset(channels=("T1ce", "T1", "T2", "FLAIR")))


def test_one_case_whose_channels_are_exchanged_is_named(dataset):
    folder = dataset(names=[f"case_{i}" for i in range(5)])
    t2, flair, aside = (folder / f"imagesTr/{name}.nii.gz" for name in ("case_3_0002", "case_3_0003", "aside"))
    for source, target in ((t2, aside), (flair, t2), (aside, flair)):
        os.rename(source, target)
    line = the_only(folder)
    told = "in 1 of 5 cases (case_3) channel 2 (T2) looks like FLAIR, channel 3 (FLAIR) looks like T2"
    assert line.startswith(f"warning: channels: {told}")


def test_one_case_whose_labels_are_exchanged_is_named(dataset):
    folder = dataset(names=[f"case_{i}" for i in range(5)])
    rewrite(folder / "labelsTr/case_3.nii.gz", lambda seg: np.array([0, 2, 1, 3], np.uint8)[seg])
    told = "in 1 of 5 cases (case_3) 1 (necrosis) looks like oedema, 2 (oedema) looks like necrosis"
    assert the_only(folder).startswith(f"warning: labels: {told}")


def test_two_cases_are_too_few_to_judge_a_dataset_by(dataset):
    folder = dataset(names=("a", "b"), channels=("T1ce", "T1", "T2", "FLAIR"))
    assert the_only(folder).startswith("warning: channels: in 2 of 2 cases (a, b) channel 0 (T1ce) looks like T1, ")
    takes = "This takes 3 cases that show both, and there are"
    assert notes(folder) == [
        f"note: channels: not judged as a whole: T1ce, T1, T2, FLAIR. {takes} 2 of 2",
        f"note: labels: not judged as a whole: 1 (necrosis), 2 (oedema), 3 (enhancing tumour). {takes} 0 of 0",
    ]


def test_what_has_no_known_name_is_not_judged_and_that_is_said(dataset):
    folder = dataset(channels=("ADC", "SWI", "DTI", "PET"), labels={"background": 0, "a": 1, "b": 2, "c": 3})
    assert found(folder) == []
    assert [line.split(";")[0] for line in notes(folder)] == [
        "note: channels: not judged: ADC, SWI, DTI, PET",
        "note: labels: not judged: 1 (a), 2 (b), 3 (c)",
    ]


def test_one_label_tells_no_contrast_agent_and_that_is_said(dataset):
    folder = dataset(values={"NCR": 1, "ED": 1, "ET": 1}, labels={"background": 0, "tumour": 1})
    assert found(folder) == []
    assert [line.split(". ")[0].split(";")[0] for line in notes(folder)] == [
        "note: channels: not told apart as a whole: T1 from T1ce",
        "note: labels: not judged: 1 (tumour)",
    ]


def test_cases_without_a_lesion_are_counted_where_they_are_missed(dataset):
    folder = dataset()
    for i in range(2):
        rewrite(folder / f"labelsTr/case_{i}.nii.gz", np.zeros_like)
    assert len(notes(folder)) == 2
    assert all(line.endswith("there are 1 of 3 (no label of 20 voxels: 2)") for line in notes(folder))


# --- values ----------------------------------------------------------------------------------------------------------


def test_a_value_that_dataset_json_does_not_have_is_an_error(dataset):
    folder = dataset(values={"NCR": 1, "ED": 2, "ET": 4})
    lines = found(folder)
    assert any("error: labels: the value 4 occurs in 3 cases (case_0, case_1, case_2)" in line for line in lines)
    assert any("warning: labels: dataset.json has the value 3, which no label map of 3 cases has" in x for x in lines)


def test_label_maps_that_were_resampled_are_an_error(dataset):
    folder = dataset()
    rewrite(folder / "labelsTr/case_1.nii.gz", lambda seg: seg.astype(np.float32) + 0.5)
    assert "error: case_1: its label map case_1.nii.gz has values that are no whole numbers" in the_only(folder)


def test_empty_label_maps_are_told(dataset):
    folder = dataset()
    rewrite(folder / "labelsTr/case_1.nii.gz", np.zeros_like)
    assert "1 empty label map (case_1)" in the_only(folder)


# --- files -----------------------------------------------------------------------------------------------------------


def test_another_geometry_of_the_label_is_an_error_with_the_numbers(dataset):
    folder = dataset()
    file = folder / "labelsTr/case_1.nii.gz"
    image = SimpleITK.ReadImage(str(file))
    image.SetOrigin((7, 0, 0))
    SimpleITK.WriteImage(image, str(file))
    assert "error: case_1: its images and its label map case_1.nii.gz differ: origin (0, 0, 0) and (7, 0, 0)" in (
        the_only(folder)
    )


def test_a_truncated_image_is_an_error(dataset):
    folder = dataset()
    file = folder / "imagesTr/case_2_0001.nii.gz"
    file.write_bytes(file.read_bytes()[:-2000])
    assert "error: case_2: T1ce (case_2_0001.nii.gz) cannot be read" in the_only(folder)


def test_a_missing_channel_is_an_error(dataset):
    folder = dataset()
    (folder / "imagesTr/case_2_0001.nii.gz").unlink()
    assert "error: case_2: has no file for the channels 0001 (T1ce)" in the_only(folder)


def test_a_dangling_link_is_called_so(dataset, tmp_path):
    folder = dataset()
    file = folder / "imagesTr/case_2_0001.nii.gz"
    file.unlink()
    file.symlink_to(tmp_path / "gone.nii.gz")
    told = f"error: case_2: {file} is a dangling link: restore {tmp_path / 'gone.nii.gz'}, or link to where it is now"
    assert the_only(folder) == told


def test_labels_of_another_grid_and_of_another_case_are_told(dataset):
    folder = dataset(names=[f"case_{i}" for i in range(4)])
    shutil.copy(folder / "labelsTr/case_0.nii.gz", folder / "labelsTr/case_1.nii.gz")
    rewrite(folder / "labelsTr/case_3.nii.gz", lambda seg: np.roll(seg, (12, 13), (0, 1)))  # by half of the volume
    copied, elsewhere = (line for line in found(folder) if "label maps" in line)
    assert copied.startswith("warning: label maps: that of case_0 is that of 1 other case (case_1), voxel by voxel")
    assert elsewhere.startswith("warning: label maps: in 1 case (case_3) labels lie where all channels are 0: ")


def test_what_is_ignored_may_lie_anywhere(dataset):
    folder = dataset(labels={"background": 0, "necrosis": 1, "edema": 2, "enhancing tumor": 3, "ignore": 4})
    for i in range(3):
        rewrite(folder / f"labelsTr/case_{i}.nii.gz", lambda seg: np.where(np.arange(28) < 4, np.uint8(4), seg))
    assert audit_dataset(folder) == []


def test_a_missing_label_is_an_error(dataset):
    folder = dataset()
    (folder / "labelsTr/case_2.nii.gz").unlink()
    assert "case_2.nii.gz is not there" in the_only(folder)


def test_the_number_of_cases_must_be_that_of_dataset_json(dataset):
    assert "numTraining is 9, but the dataset has 3 training cases" in the_only(dataset(numTraining=9))


@pytest.mark.parametrize("style", ["relative", "absolute", "variable"])
def test_the_key_dataset_is_followed(dataset, tmp_path, monkeypatch, style):
    folder = dataset()
    monkeypatch.setenv("SOURCE_OF_TEST", str(tmp_path / "elsewhere"))
    root = {"relative": "../elsewhere", "absolute": str(tmp_path / "elsewhere"), "variable": "$SOURCE_OF_TEST"}[style]
    os.rename(folder / "imagesTr", tmp_path / "elsewhere")
    names = [f"case_{i}" for i in range(3)]
    listing = {
        n: {"images": [f"{root}/{n}_{c:04d}.nii.gz" for c in range(4)], "label": f"labelsTr/{n}.nii.gz"} for n in names
    }
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**content, "dataset": listing}))
    assert found(folder) == []
    (tmp_path / "elsewhere/case_1_0002.nii.gz").unlink()
    assert "case_1_0002.nii.gz is not there" in the_only(folder)
    if style == "variable":
        monkeypatch.delenv("SOURCE_OF_TEST")
        assert "names files of 3 cases by $SOURCE_OF_TEST, which is not set" in the_only(folder)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ConversionError, match=r"dataset\.json cannot be read"):
        audit_dataset(tmp_path)


def test_version_1_of_nnunet_is_explained(dataset):
    line = the_only(dataset(labels={"0": "background", "1": "tumour"}))
    assert "version 1 had it the other way round" in line


# --- across cases ----------------------------------------------------------------------------------------------------


def test_one_patient_twice_is_an_error_and_worse_across_a_fold(dataset):
    folder = dataset()
    for channel in range(4):
        shutil.copy(folder / f"imagesTr/case_0_{channel:04d}.nii.gz", folder / f"imagesTr/case_2_{channel:04d}.nii.gz")
    assert "error: case_2: has the same image as case_0 (T1, T1ce, T2, FLAIR): one patient twice?" in the_only(folder)
    for train, val in (("case_0", "case_2"), ("case_2", "case_0")):
        (folder / "splits_final.json").write_text(json.dumps([{"train": [train, "case_1"], "val": [val]}]))
        assert "splits_final.json trains on one and validates with the other in fold 0" in the_only(folder)


def test_a_copy_that_is_compressed_anew_is_one(dataset):
    folder = dataset()
    rewrite(folder / "imagesTr/case_2_0000.nii.gz", lambda _: _voxels(folder / "imagesTr/case_0_0000.nii.gz"))
    assert "error: case_2: has the same image as case_0 (T1)" in the_only(folder)


def _voxels(file):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file))).astype(np.float32)  # another type, too


def test_empty_channels_are_told_unless_the_table_says_so(dataset):
    folder = dataset()
    rewrite(folder / "imagesTr/case_1_0003.nii.gz", np.zeros_like)
    rewrite(folder / "imagesTr/case_2_0003.nii.gz", np.zeros_like)
    assert "channels are empty, of 3 cases: FLAIR in 2 (case_1, case_2)" in the_only(folder)
    lacking = ModalitySubset(FOUR, (True, True, True, False))
    table = {"case_0": FOUR.all, "case_1": lacking, "case_2": lacking}
    write_availability(folder / AVAILABILITY_FILE, Availability(FOUR, table))
    assert found(folder) == []
    write_availability(folder / AVAILABILITY_FILE, Availability(FOUR, {**table, "case_0": lacking, "case_1": FOUR.all}))
    assert [line.split(":")[1].strip() for line in found(folder)] == ["case_0", "case_1"]
    assert "says T1+T1ce+T2, but its images hold T1+T1ce+T2+FLAIR" in found(folder)[0]


def test_a_table_that_lacks_cases_or_is_damaged_is_an_error(dataset):
    folder = dataset()
    write_availability(folder / AVAILABILITY_FILE, Availability(FOUR, {"case_0": FOUR.all}))
    assert f"error: {AVAILABILITY_FILE}: lacks 2 cases (case_1, case_2)" in the_only(folder)
    (folder / AVAILABILITY_FILE).write_text("{")
    assert the_only(folder).startswith(f"error: {AVAILABILITY_FILE}: ")


@pytest.mark.parametrize("names", [["T1", "T2"], {"T1": "0", "T2": "1"}, {"0": "T1"}, None, 3])
def test_channel_names_that_cannot_be_read_are_an_error(dataset, names):
    assert the_only(dataset(channel_names=names)).startswith("error: dataset.json: ")


def test_a_file_that_is_two_channels_is_an_error(dataset):
    folder = dataset()
    shutil.copy(folder / "imagesTr/case_1_0000.nii.gz", folder / "imagesTr/case_1_0002.nii.gz")
    assert "hold the same voxels: one is a copy" in the_only(folder)


def test_the_provenance_of_another_program_is_a_warning_and_no_end(dataset):
    folder = dataset(values={"NCR": 1, "ED": 2, "ET": 4})
    (folder / "provenance.csv").write_text("file,origin\na,b\n")
    lines = found(folder)
    assert sum(line.startswith("warning: provenance.csv: is no table of mstkd convert") for line in lines) == 1
    assert any("the value 4 occurs" in line for line in lines)


def test_several_scans_of_a_patient_without_splits_are_told(dataset):
    line = the_only(dataset(names=("SIM-00000-000", "SIM-00000-001", "SIM-00001-000")))
    assert "warning: splits: there are several scans of 1 of 2 patients (SIM-00000 (2 scans)), and no splits" in line


def test_a_patient_on_both_sides_of_a_fold_is_an_error(dataset, tmp_path):
    folder = dataset(names=("UPENN-GBM-00001_11", "UPENN-GBM-00001_21", "UPENN-GBM-00002_11"))
    splits = tmp_path / "mine.json"
    splits.write_text(
        json.dumps([{"train": ["UPENN-GBM-00001_11", "UPENN-GBM-00002_11"], "val": ["UPENN-GBM-00001_21"]}])
    )
    line = the_only(folder, splits=splits)
    assert "error: " in line
    assert "mine.json, fold 0: scans of 1 of 1 validation patient are trained on as well" in line
    assert "(UPENN-GBM-00001_11 trains, UPENN-GBM-00001_21 validates)" in line


def test_channels_that_share_a_file_of_zeros_are_both_seen(dataset):
    folder = dataset()
    entries = {
        case: {"images": [f"imagesTr/{case}_{c:04d}.nii.gz" for c in range(4)], "label": f"labelsTr/{case}.nii.gz"}
        for case in ("case_0", "case_1", "case_2")
    }
    entries["case_0"]["images"] = [entries["case_0"]["images"][c] if c in (1, 2) else "absent.nii.gz" for c in range(4)]
    os.rename(folder / "imagesTr/case_0_0000.nii.gz", folder / "absent.nii.gz")
    rewrite(folder / "absent.nii.gz", np.zeros_like)
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**content, "dataset": entries}))
    assert "T1 in 1 (case_0); FLAIR in 1 (case_0)" in the_only(folder)
    for present in ((True, True, True, False), (False, True, True, True)):
        table = {name: ModalitySubset(FOUR, (True,) * 4) for name in ("case_1", "case_2")}
        table["case_0"] = ModalitySubset(FOUR, present)
        write_availability(folder / AVAILABILITY_FILE, Availability(FOUR, table))
        assert the_only(folder).startswith("error: case_0: ")


@pytest.mark.parametrize("is_coloured", [False, True])
def test_two_dimensional_images_are_not_examined_and_that_is_said(tmp_path, is_coloured):
    channels = ("R", "G", "B") if is_coloured else ("A", "B")
    shape = (8, 9, 3) if is_coloured else (8, 9)
    for name in ("a", "b"):
        for channel in range(1 if is_coloured else 2):
            write_picture(tmp_path / f"imagesTr/{name}_{channel:04d}.png", np.zeros(shape, np.uint8))
        write_picture(tmp_path / f"labelsTr/{name}.png", np.zeros((8, 9), np.uint8))
    content = {
        "channel_names": {str(i): name for i, name in enumerate(channels)},
        "labels": {"background": 0, "road": 1},
        "numTraining": 2,
        "file_ending": ".png",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    (note,) = audit_dataset(tmp_path)
    assert str(note).startswith("note: images: not examined: ")
    (tmp_path / "labelsTr/a.png").unlink()
    assert [finding.subject for finding in audit_dataset(tmp_path)] == ["a", "images"]


def write_picture(file, array) -> None:
    file.parent.mkdir(exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, isVector=array.ndim == 3), str(file))
