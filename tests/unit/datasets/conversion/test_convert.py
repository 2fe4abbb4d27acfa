"""What is written, for each way of storage, and that a killed run goes on."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from small_disk import files_of_at_most

from nnunetv2_mstkd.cases.availability import read_availability
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.datasets.conversion import convert, writing
from nnunetv2_mstkd.datasets.conversion.convert import plan_conversion, write_conversion
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.conversion.splits import choose_splits
from nnunetv2_mstkd.datasets.conversion.summary import next_command, summary_lines
from nnunetv2_mstkd.errors import ConversionError, OutputError
from nnunetv2_mstkd.modalities import Modalities

NAMES = [f"BraTS2021_0000{i}" for i in (1, 2, 3)]


def voxels(file) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


def grid(file) -> tuple:
    image = SimpleITK.ReadImage(str(file))
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


def content_of(folder: Path) -> dict[str, str]:
    """Each file's checksum; a link's aim."""
    files = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {str(f.relative_to(folder)): os.readlink(f) if f.is_symlink() else sha256_of(f) for f in files}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "Dataset137_BraTS"


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def plan(out):
    """Return a function that plans the conversion of a source into `out`."""

    def make(source, root=None, **options):
        return plan_conversion(source, out, root or LinkRoot.of(str(source.folder)), ConversionOptions(**options))

    return make


@pytest.fixture
def converted(make_source, plan, out):
    """Return a function that converts a miniature source, and gives dataset.json."""

    def make(layout="brats2021", absent=None, ending=".nii.gz", **options):
        write_conversion(plan(make_source(layout, absent=absent, ending=ending), **options))
        return json.loads((out / "dataset.json").read_text())

    return make


def images_of(described, out, case):
    """The image files of a case, as nnU-Net finds them in a dataset with links."""
    return [Path(os.path.join(out, os.path.expandvars(file))) for file in described["dataset"][case]["images"]]


def test_dataset_json_has_regions_in_order_and_the_way_back(converted):
    described = converted()
    assert described["channel_names"] == {"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"}
    assert list(described["labels"].items()) == [
        ("background", 0),
        ("whole_tumor", [1, 2, 3]),
        ("tumor_core", [1, 3]),
        ("enhancing_tumor", [3]),
    ]
    assert described["regions_class_order"] == [2, 1, 3]
    assert described["numTraining"] == 3
    assert described["file_ending"] == ".nii.gz"
    assert described["mstkd_conversion"] == {
        "layout": "brats2021",
        "title": "Miniature brats2021",
        "preset": "native",
        "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4},
        "prediction_name": "{case}.nii.gz",
    }


def test_images_stay_in_their_place_and_labels_are_renumbered(converted, out, tmp_path):
    described = converted()
    home = tmp_path / "source" / NAMES[0]
    assert described["dataset"][NAMES[0]] == {
        "images": [f"{home}/{NAMES[0]}_{suffix}.nii.gz" for suffix in ("t1", "t1ce", "t2", "flair")],
        "label": f"labelsTr/{NAMES[0]}.nii.gz",
    }
    label, native = out / "labelsTr" / f"{NAMES[0]}.nii.gz", home / f"{NAMES[0]}_seg.nii.gz"
    assert np.array_equal(voxels(label), np.where(voxels(native) == 4, 3, voxels(native)))
    assert voxels(label).dtype == np.uint8
    assert grid(label) == grid(native)
    assert not (out / "imagesTr").exists()


def test_the_preset_nnunet_has_the_labels_of_dataset137(converted, out, tmp_path):
    described = converted(preset="nnunet")
    native = voxels(tmp_path / "source" / NAMES[0] / f"{NAMES[0]}_seg.nii.gz")
    written = voxels(out / "labelsTr" / f"{NAMES[0]}.nii.gz")
    for before, after in ((0, 0), (1, 2), (2, 1), (4, 3)):  # nnU-Net's Dataset137: 2 -> 1, 1 -> 2, 4 -> 3
        assert ((native == before) == (written == after)).all()
    assert described["regions_class_order"] == [1, 2, 3]
    assert described["labels"]["tumor_core"] == [2, 3]


def test_labels_that_stay_the_same_are_not_written(converted, out, tmp_path):
    described = converted("brats2023")
    case = "BraTS-GLI-00001-000"
    assert described["dataset"][case]["label"] == f"{tmp_path}/source/{case}/{case}-seg.nii.gz"
    assert not (out / "labelsTr").exists()


def test_a_variable_makes_the_links_portable(make_source, plan, out, monkeypatch):
    source = make_source()
    monkeypatch.setenv("BRATS", str(source.folder))
    write_conversion(plan(source, LinkRoot.of("$BRATS")))
    described = json.loads((out / "dataset.json").read_text())
    assert described["dataset"][NAMES[0]]["images"][0] == f"$BRATS/{NAMES[0]}/{NAMES[0]}_t1.nii.gz"
    assert "source" not in (out / "provenance.csv").read_text().partition("\n")[2]  # nor is the folder named there


def test_symlinks_lead_to_the_images(converted, out, tmp_path):
    described = converted(storage="symlink")
    assert "dataset" not in described
    link = out / "imagesTr" / f"{NAMES[1]}_0003.nii.gz"
    assert os.readlink(link) == str(tmp_path / "source" / NAMES[1] / f"{NAMES[1]}_flair.nii.gz")
    assert len(list((out / "imagesTr").iterdir())) == 12
    assert not (out / "labelsTr" / f"{NAMES[1]}.nii.gz").is_symlink()  # renumbered


def test_copies_are_byte_by_byte(converted, out, tmp_path):
    described = converted("brats2023", storage="copy")
    assert "dataset" not in described
    case = "BraTS-GLI-00002-000"
    home = tmp_path / "source" / case
    assert sha256_of(out / "imagesTr" / f"{case}_0001.nii.gz") == sha256_of(home / f"{case}-t1c.nii.gz")
    assert sha256_of(out / "labelsTr" / f"{case}.nii.gz") == sha256_of(home / f"{case}-seg.nii.gz")
    assert not [file for file in out.rglob("*") if file.is_symlink()]


# absent channels -----------------------------------------------------------------------------------------------------


def test_one_volume_of_zeros_stands_for_all_that_is_absent(converted, out):
    described = converted(absent={1: ["T1ce", "FLAIR"]})
    files = images_of(described, out, NAMES[1])
    assert files[1] == files[3] == out / "absent" / f"{NAMES[1]}.nii.gz"
    assert not voxels(files[1]).any()
    assert voxels(files[1]).dtype == np.uint8
    assert grid(files[1]) == grid(files[0])
    assert [file.name for file in (out / "absent").iterdir()] == [f"{NAMES[1]}.nii.gz"]


def test_zeros_are_compressed_also_where_images_are_not(converted, out):
    described = converted(absent={1: ["T2"]}, ending=".nii")
    assert described["file_ending"] == ".nii"
    assert described["dataset"][NAMES[1]]["images"][2] == f"absent/{NAMES[1]}.nii.gz"


def test_absent_channels_are_links_to_it_among_symlinks(converted, out):
    converted(absent={1: ["T1ce", "FLAIR"]}, storage="symlink")
    for channel in (1, 3):
        link = out / "imagesTr" / f"{NAMES[1]}_000{channel}.nii.gz"
        assert os.readlink(link) == f"../absent/{NAMES[1]}.nii.gz"
        assert not voxels(link).any()


def test_absent_channels_are_files_among_copies(converted, out):
    converted(absent={1: ["T1ce", "FLAIR"]}, storage="copy")
    assert not voxels(out / "imagesTr" / f"{NAMES[1]}_0001.nii.gz").any()
    assert not voxels(out / "imagesTr" / f"{NAMES[1]}_0003.nii.gz").any()
    assert not (out / "absent").exists()


def test_the_table_of_availability_lists_all_cases(make_source, plan, out):
    source = make_source(absent={1: ["T1ce", "FLAIR"]})
    write_conversion(plan(source))
    table = read_availability(out / "modality_availability.json", source.modalities)
    assert {case: str(subset) for case, subset in table.present.items()} == {
        NAMES[0]: "T1+T1ce+T2+FLAIR",
        NAMES[1]: "T1+T2",
        NAMES[2]: "T1+T1ce+T2+FLAIR",
    }


def test_an_empty_channel_is_absent_and_the_record_says_why(make_source, plan, out):
    source = make_source()
    file = source.cases[0].images[2].file
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) * 0, str(file))
    write_conversion(plan(source))
    described = json.loads((out / "dataset.json").read_text())
    assert described["dataset"][NAMES[0]]["images"][2] == f"absent/{NAMES[0]}.nii.gz"
    row = next(row for row in csv.DictReader((out / "provenance.csv").open()) if row["action"] == "absent")
    assert (row["case"], row["part"]) == (NAMES[0], "T2")
    assert "is 0 everywhere" in row["note"]


def test_the_reason_goes_to_the_channel_that_is_empty_whatever_the_others_are_called(make_source, plan, out):
    source = replace(make_source(), modalities=Modalities(("T1", "T1 late", "T2", "FLAIR")))
    for channel in (0, 1):
        file = source.cases[0].images[channel].file
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) * 0 + 5 * channel, str(file))
    write_conversion(plan(source))
    rows = [row for row in csv.DictReader((out / "provenance.csv").open()) if row["action"] == "absent"]
    assert [(row["part"], row["note"].partition(" is ")[2]) for row in rows] == [
        ("T1", "0 everywhere: it counts as absent"),
        ("T1 late", "5 everywhere: it counts as absent"),
    ]


# files that cannot go in as they are ---------------------------------------------------------------------------------


def test_volumes_of_4d_files_become_files_of_their_own(converted, out, tmp_path):
    described = converted("msd-brain")
    volumes = voxels(tmp_path / "source/imagesTr/BRATS_001.nii.gz")  # FLAIR, T1, T1ce, T2
    files = images_of(described, out, "BRATS_001")
    assert [file.relative_to(out).as_posix() for file in files] == [
        f"imagesTr/BRATS_001_000{i}.nii.gz" for i in range(4)
    ]
    for file, volume in zip(files, (1, 2, 3, 0), strict=True):
        assert np.array_equal(voxels(file), volumes[volume])
        assert voxels(file).dtype == volumes.dtype
        assert grid(file) == grid(tmp_path / "source/labelsTr/BRATS_001.nii.gz")


def test_uncompressed_files_stay_so_where_all_are(converted):
    described = converted(ending=".nii")
    assert described["file_ending"] == ".nii"
    assert described["dataset"][NAMES[0]]["images"][0].endswith(f"{NAMES[0]}_t1.nii")
    assert described["dataset"][NAMES[0]]["label"] == f"labelsTr/{NAMES[0]}.nii"


@pytest.mark.parametrize("ending", [".nii", ".mha"])
def test_a_4d_file_of_one_volume_is_written_with_three_axes(make_source, plan, out, ending):
    """nnU-Net's reader of .nii refuses four axes; SimpleITK does not show them."""
    source = make_source("brats2023", ending=ending)
    for file in (source.cases[0].images[1].file, source.cases[0].label):
        SimpleITK.WriteImage(SimpleITK.JoinSeries([SimpleITK.ReadImage(str(file))]), str(file))
    write_conversion(plan(source))
    described = json.loads((out / "dataset.json").read_text())
    entry = described["dataset"][source.cases[0].name]
    assert [told for told in (*entry["images"], entry["label"]) if not os.path.isabs(told)] == [
        f"imagesTr/{source.cases[0].name}_0001{ending}",
        f"labelsTr/{source.cases[0].name}{ending}",
    ]
    written = SimpleITK.ReadImage(str(out / entry["images"][1]))
    assert (written.GetMetaData("dim[0]") if ending == ".nii" else str(written.GetDimension())) == "3"


def test_4d_files_do_not_decide_on_the_ending(converted):
    assert converted("msd-brain", ending=".nii")["file_ending"] == ".nii.gz"


@pytest.mark.parametrize("storage", ["link", "symlink", "copy"])
def test_a_file_of_another_ending_is_written_with_that_of_the_dataset(make_source, but, plan, out, storage):
    source = make_source()
    old = source.cases[0].images[0]
    new = old.file.with_suffix("")  # .nii
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(old.file)), str(new))
    images = {**source.cases[0].images, 0: replace(old, file=new)}
    write_conversion(plan(but(source, 0, images=images), storage=storage))
    written = out / "imagesTr" / f"{NAMES[0]}_0000.nii.gz"
    assert written.read_bytes()[:2] == b"\x1f\x8b"  # compressed, as its name says
    assert np.array_equal(voxels(written), voxels(old.file))
    assert grid(written) == grid(old.file)


def test_a_spacing_that_nnunet_would_refuse_is_written_as_that_of_the_case(make_source, plan, out):
    source = make_source("brats2023")
    file = source.cases[0].images[2].file
    image = SimpleITK.ReadImage(str(file))
    image.SetSpacing((1, 1, 1.0004))  # within our tolerance of 1e-3, out of numpy.allclose's
    SimpleITK.WriteImage(image, str(file))
    write_conversion(plan(source))
    described = json.loads((out / "dataset.json").read_text())
    written = images_of(described, out, source.cases[0].name)[2]
    assert written.parent == out / "imagesTr"
    assert grid(written)[1] == (1, 1, 1)


# records -------------------------------------------------------------------------------------------------------------


def test_provenance_tells_where_each_file_comes_from(make_source, plan, out):
    source = make_source(absent={0: ["T2"]})
    write_conversion(plan(source))
    rows = list(csv.DictReader((out / "provenance.csv").open()))
    assert len(rows) == 3 * 5
    told = [(row["part"], row["action"], row["source"], row["target"]) for row in rows[:5]]
    case = NAMES[0]
    assert told == [
        ("T1", "linked", f"{case}/{case}_t1.nii.gz", ""),
        ("T1ce", "linked", f"{case}/{case}_t1ce.nii.gz", ""),
        ("T2", "absent", "", f"absent/{case}.nii.gz"),
        ("FLAIR", "linked", f"{case}/{case}_flair.nii.gz", ""),
        ("label", "relabelled", f"{case}/{case}_seg.nii.gz", f"labelsTr/{case}.nii.gz"),
    ]
    assert rows[0]["sha256"] == sha256_of(source.cases[0].images[0].file)
    assert rows[4]["note"] == "4->3"
    assert rows[4]["patient"] == case


def test_notes_of_the_source_are_kept(make_source, but, plan, out):
    write_conversion(plan(but(make_source("brats2023"), 0, note="label: automated")))
    rows = list(csv.DictReader((out / "provenance.csv").open()))
    assert rows[4]["note"] == "label: automated"


def test_what_is_left_out_is_on_record_with_the_reason(make_source, plan, out):
    source = make_source()
    source.cases[2].label.unlink()
    write_conversion(plan(source, skip_faulty=True))
    row = list(csv.DictReader((out / "provenance.csv").open()))[-1]
    assert (row["case"], row["patient"], row["action"]) == (NAMES[2], NAMES[2], "excluded")
    assert "cannot be read" in row["note"]
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 2


def test_splits_are_grouped_and_follow_the_options(make_source, plan, out, tmp_path):
    source = make_source("brats-gli-post", num_patients=6)
    planned = plan(source)
    write_conversion(planned)
    folds = json.loads((out / "splits_final.json").read_text())
    assert [len(fold["val"]) for fold in folds] == [4, 2, 2, 2, 2]  # six patients with two scans each
    patients = [{name[:15] for name in fold["val"]} for fold in folds]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 6
    given = tmp_path / "given.json"
    given.write_text(json.dumps(folds[:2]))
    assert choose_splits(planned.checked, ConversionOptions(splits=given)).folds == folds[:2]
    parts = {patient: "A" if index % 2 else "B" for index, patient in enumerate(sorted(set().union(*patients)))}
    checked = replace(planned.checked, source=replace(source, partitions={"p": parts}))
    assert [len(fold["val"]) for fold in choose_splits(checked, ConversionOptions(partition="p")).folds] == [6, 6]


# whole, or not at all ------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_everything_is_checked(make_source, plan, out):
    source = make_source()
    source.cases[2].label.unlink()
    with pytest.raises(ConversionError):
        plan(source)
    assert not out.exists()
    plan(make_source())
    assert not out.exists()


def test_a_killed_run_goes_on_to_the_same_result(make_source, plan, out, monkeypatch, gone):
    source = make_source(absent={1: ["T2"]})
    whole = plan(source, storage="copy")
    write_conversion(whole)
    expected = content_of(out)
    out.rename(out.with_name("first"))

    real, calls = writing._write, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 8:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(writing, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        write_conversion(whole)
    assert not (out / "dataset.json").exists()
    (out / "imagesTr" / f".partial_0123abcd{gone}_x.nii.gz").touch()
    monkeypatch.setattr(writing, "_write", real)
    assert write_conversion(whole)
    assert content_of(out) == expected


def test_a_finished_dataset_is_left_alone(make_source, plan, out, monkeypatch):
    source = make_source()
    write_conversion(plan(source))
    monkeypatch.setattr(convert, "write_entries", lambda *_: pytest.fail("written again"))
    assert write_conversion(plan(source)) is False


def test_a_file_that_went_missing_is_written_again(make_source, plan, out):
    source = make_source()
    write_conversion(plan(source))
    label = next((out / "labelsTr").iterdir())
    label.unlink()
    assert write_conversion(plan(source)) is True
    assert label.is_file()
    assert write_conversion(plan(source)) is False


@pytest.mark.parametrize("name", [f"imagesTr/{NAMES[0]}_0000.nii.gz", f"labelsTr/{NAMES[0]}.nii.gz"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_file_with_other_content_is_written_again(make_source, plan, out, name, is_cut):
    planned = plan(make_source(), storage="copy")
    write_conversion(planned)
    before, right = content_of(out), voxels(out / name)
    other = (out / name.replace(NAMES[0], NAMES[1])).read_bytes()
    (out / name).write_bytes((out / name).read_bytes()[:100] if is_cut else other)
    assert write_conversion(planned)
    assert content_of(out).keys() == before.keys()
    assert np.array_equal(voxels(out / name), right)
    assert not write_conversion(planned)


def test_a_table_of_availability_that_went_missing_is_written_again(make_source, plan, out):
    planned = plan(make_source())
    write_conversion(planned)
    before = content_of(out)
    (out / "modality_availability.json").unlink()
    assert write_conversion(planned)
    assert content_of(out) == before


@pytest.mark.parametrize("name", ["imagesTr/zzz_0000.nii.gz", "labelsTr/zzz.nii.gz"])
def test_an_image_of_something_else_is_refused(make_source, plan, out, name):
    planned = plan(make_source(), storage="copy")
    write_conversion(planned)
    (out / name).touch()
    with pytest.raises(ConversionError, match=r"zzz.* is not of this conversion"):
        write_conversion(planned)


def test_a_link_that_leads_elsewhere_or_nowhere_is_made_again(make_source, plan, out):
    planned = plan(make_source(), storage="symlink")
    write_conversion(planned)
    first, second, third = sorted((out / "imagesTr").iterdir())[:3]
    expected = [link.resolve() for link in (first, second)]
    first.unlink()
    first.symlink_to(out / "nowhere.nii.gz")
    second.unlink()
    second.symlink_to(third.resolve())
    kept = third.lstat().st_mtime_ns
    assert write_conversion(planned) is True
    assert [link.resolve() for link in (first, second)] == expected
    assert third.lstat().st_mtime_ns == kept, "what is right is left alone"


@pytest.mark.parametrize("options", [{"preset": "nnunet"}, {"storage": "copy"}, {"folds": 2}])
def test_another_conversion_is_never_overwritten(make_source, plan, out, options):
    source = make_source()
    write_conversion(plan(source))
    before = content_of(out)
    with pytest.raises(ConversionError, match="is not that of this conversion"):
        write_conversion(plan(source, **options))
    assert content_of(out) == before


def test_a_folder_with_anything_else_is_refused(make_source, plan, out):
    planned = plan(make_source())
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConversionError, match="is not empty"):
        write_conversion(planned)
    assert [file.name for file in out.iterdir()] == ["notes.txt"]


def test_a_file_that_cannot_be_written_is_named(make_source, plan, out, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_image", full)
    with pytest.raises(OutputError, match=r"labelsTr/BraTS2021_00001\.nii\.gz could not be written.*No space left"):
        write_conversion(plan(make_source()))
    assert not (out / "dataset.json").exists()


def test_a_full_disk_leaves_no_empty_folder_and_is_told(make_source, plan, out):
    planned = plan(make_source())
    told = pytest.raises(OutputError, match=r"provenance\.csv could not be written: .*Make room")
    with told, files_of_at_most(0):
        write_conversion(planned)
    assert not out.exists()


def test_a_parent_that_cannot_be_written_into_is_refused_before_images_are_read(make_source, plan, out, monkeypatch):
    source = make_source()
    monkeypatch.setattr(convert, "check_dataset", lambda *_, **__: pytest.fail("images were read"))
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests' user may write anywhere
    with pytest.raises(OutputError, match="does not let you: mend its permissions, or choose another folder"):
        plan(source)


def test_a_parent_that_is_a_file_is_refused(make_source, tmp_path):
    source = make_source()
    (tmp_path / "raw").touch()
    with pytest.raises(OutputError, match=r"as .*raw is no folder"):
        plan_conversion(source, tmp_path / "raw" / "Dataset137_B", LinkRoot.of(str(source.folder)), ConversionOptions())


def test_a_folder_that_cannot_be_made_is_told(make_source, plan, out):
    planned = plan(make_source())
    out.touch()
    with pytest.raises(OutputError, match=r"Dataset137_BraTS could not be written: .*File exists"):
        write_conversion(planned)


def test_a_folder_that_cannot_be_used_is_refused_before_images_are_read(make_source, plan, out, monkeypatch):
    source = make_source()
    monkeypatch.setattr(convert, "check_dataset", lambda *_, **__: pytest.fail("images were read"))
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConversionError, match=r"is not empty, and has no provenance\.csv"):
        plan(source)
    inside = source.folder / "Dataset137_BraTS"
    with pytest.raises(ConversionError, match="lies in the source"):
        plan_conversion(source, inside, LinkRoot.of(str(source.folder)), ConversionOptions())


def test_a_file_in_the_place_of_the_folder_is_refused_before_images_are_read(make_source, plan, out):
    source = make_source()
    out.touch()
    with pytest.raises(ConversionError, match="is no folder"):
        plan(source)


@pytest.mark.parametrize("name", ["BraTS", "Dataset1_BraTS", "Dataset137BraTS", "Dataset137_Bra TS"])
def test_a_name_that_nnunet_does_not_find_is_refused(make_source, tmp_path, name):
    source = make_source()
    with pytest.raises(ConversionError, match="such as Dataset137_BraTS"):
        plan_conversion(source, tmp_path / name, LinkRoot.of(str(source.folder)), ConversionOptions())


def test_a_number_that_another_dataset_has_is_refused(make_source, plan, out):
    out.with_name("Dataset137_Other").mkdir()
    with pytest.raises(ConversionError, match="has Dataset137_Other already"):
        plan(make_source())


# summary -------------------------------------------------------------------------------------------------------------


def test_the_summary_has_the_counts_and_the_labels(make_source, plan):
    conversion = plan(make_source(absent={1: ["T1ce", "FLAIR"], 2: ["T1ce"]}))
    told = "\n".join(summary_lines(conversion))
    assert "Miniature brats2021 (brats2021): 3 cases of 3 patients" in told
    assert "incomplete: 2 cases; absent are T1ce in 2, FLAIR in 1" in told
    assert "labels: 1 NCR -> 1, 2 ED -> 2, 4 ET -> 3; regions whole_tumor, tumor_core, enhancing_tumor" in told
    assert "files: 9 linked, 3 relabelled, 3 absent" in told
    assert "fold 2 is the last" in told
    assert next_command(conversion) == (
        "nnUNetv2_plan_and_preprocess -d 137 -c 3d_fullres -fpe MSTKDFingerprintExtractor"
    )


def test_the_next_command_is_the_stock_one_where_all_cases_are_complete(make_source, plan):
    assert next_command(plan(make_source())) == "nnUNetv2_plan_and_preprocess -d 137 -c 3d_fullres"


def test_the_summary_counts_what_was_passed_over_by_reason(make_source, plan):
    ignored = {Path("a"): "test part", Path("b"): "hidden", Path("c"): "test part"}
    lines = list(summary_lines(plan(replace(make_source(), ignored=ignored))))
    assert lines[1] == "passed over: 3 (test part: 2, hidden: 1)"
    assert not any("passed over" in line for line in summary_lines(plan(make_source())))


def test_the_summary_lists_what_is_left_out_and_all_warnings(make_source, plan):
    source = make_source(num_patients=30)
    source.cases[0].label.unlink()
    for case in source.cases[1:26]:
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(case.label)) * 0, str(case.label))
    told = list(summary_lines(plan(source, skip_faulty=True)))
    assert "left out: 1 case, listed in provenance.csv" in told
    (line,) = [line for line in told if "nothing is outlined" in line]
    assert line.startswith("warning: 25 cases: its label map {case}_seg.nii.gz is empty")
    assert line.endswith(source.cases[25].name)
