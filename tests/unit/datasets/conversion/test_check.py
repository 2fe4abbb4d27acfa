"""Each thing that is checked: a source with the fault is refused, and the message names case and fault."""

import hashlib

import numpy as np
import pytest
import SimpleITK
from source_layouts import write_source

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.conversion.check import check_dataset
from nnunetv2_mstkd.datasets.layouts.scan import scan
from nnunetv2_mstkd.errors import ConversionError


def edit(file, change=None, **header):
    """Write a file anew with other voxels or another header."""
    image = SimpleITK.ReadImage(str(file))
    new = image
    if change is not None:
        new = SimpleITK.GetImageFromArray(change(SimpleITK.GetArrayFromImage(image)))
        new.CopyInformation(image) if new.GetSize() == image.GetSize() else None
    for name, value in header.items():
        getattr(new, f"Set{name}")(value)
    SimpleITK.WriteImage(new, str(file))


def refusal(source, **options) -> str:
    with pytest.raises(ConversionError) as error:
        check_dataset(source, **options)
    return str(error.value)


def t1(source, index=0):
    return source.cases[index].images[0].file


def test_a_sound_source_passes(make_source):
    checked = check_dataset(make_source())
    assert [report.case.name for report in checked.reports] == [f"BraTS2021_0000{i}" for i in (1, 2, 3)]
    assert checked.excluded == ()
    assert checked.incomplete == ()
    assert checked.patients == {name: name for name in checked.patients}


def test_the_voxels_of_each_file_are_hashed_once(make_source, monkeypatch):
    hashed, original = [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda *data: hashed.extend(data) or original(*data))
    check_dataset(make_source())
    assert len(hashed) == 3 * (4 + 1)  # cases, each of four images and a label map


@pytest.mark.slow  # processes are spawned
def test_workers_find_the_same(make_source):
    source = make_source(num_patients=2)
    assert check_dataset(source, workers=2) == check_dataset(source)


def test_all_problems_are_told_not_the_first_only(make_source):
    source = make_source()
    edit(t1(source, 0), Spacing=(1, 1, 1.2))
    source.cases[2].label.unlink()
    told = refusal(source)
    assert "BraTS2021_00001: T1 (BraTS2021_00001_t1.nii.gz)" in told
    assert "spacing (1.2, 1, 1) and (1, 1, 1) mm" in told
    assert "BraTS2021_00003: its label map BraTS2021_00003_seg.nii.gz cannot be read" in told
    assert told.startswith(
        "5 problems in 2 cases, so nothing was written"
    )  # three channels and the label differ from T1


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"Spacing": (1, 1, 1.1)}, "spacing (1, 1, 1) and (1.1, 1, 1) mm (z, y, x)"),
        ({"Origin": (0, -239, 5)}, "origin (0, -239, 0) and (0, -239, 5) mm"),
        ({"Direction": (-1, 0, 0, 0, -1, 0, 0, 0, 1)}, "direction (1, 0, 0, 0, 1, 0, 0, 0, 1) and (-1, "),
    ],
)
def test_a_label_map_on_another_grid_is_refused(make_source, header, says):
    source = make_source()
    edit(source.cases[1].label, **header)
    assert says in refusal(source)


def test_a_label_map_of_another_size_is_refused(make_source):
    source = make_source()
    edit(source.cases[1].label, lambda seg: seg[:-1])
    assert "differ: size (8, 10, 12) and (7, 10, 12) voxels" in refusal(source)


def test_unknown_label_values_are_told_with_the_known_ones(make_source):
    source = make_source()
    edit(source.cases[1].label, lambda seg: np.where(seg == 4, 3, seg))
    assert "BraTS2021_00002: its label map BraTS2021_00002_seg.nii.gz has 3, but the labels are 1=NCR,2=ED,4=ET" in (
        refusal(source)
    )


def test_labels_that_are_no_whole_numbers_are_refused(make_source):
    source = make_source()
    edit(source.cases[0].label, lambda seg: seg * np.float32(0.5))
    assert "has values that are no whole numbers, as 0.5" in refusal(source)


def test_whole_numbers_as_floats_are_labels(make_source):
    source = make_source()
    edit(source.cases[0].label, lambda seg: seg.astype(np.float64))
    assert check_dataset(source).reports[0].label.values == (0, 1, 2, 4)


@pytest.mark.parametrize("change", [lambda seg: seg.astype(np.int16) - 1, lambda seg: seg.astype(np.int16) * 100])
def test_values_that_no_label_map_has_are_refused(make_source, change):
    source = make_source()
    edit(source.cases[0].label, change)
    assert "Is it an image?" in refusal(source)


def test_an_image_in_place_of_a_label_map_is_refused(make_source, but):
    source = make_source()
    told = refusal(but(source, 0, label=source.cases[0].images[1].file))
    assert "BraTS2021_00001_t1ce.nii.gz has " in told
    assert "Is it an image?" in told


def test_nan_in_a_label_map_is_refused_although_the_reader_makes_zeros_of_it(make_source):
    source = make_source()
    edit(source.cases[0].label, lambda seg: np.where(seg == 4, np.nan, seg).astype(np.float32))
    assert "NaN" in refusal(source)


def test_a_4d_label_map_is_refused(make_source, but):
    source = make_source("msd-brain")
    source = but(source, 0, label=source.cases[0].images[0].file)
    assert "holds 4 volumes, but one is needed" in refusal(source)


def test_a_truncated_label_map_is_refused(make_source):
    source = make_source()
    file = source.cases[0].label
    file.write_bytes(file.read_bytes()[:-12])
    assert "its compressed data break off" in refusal(source)


def test_a_truncated_image_is_refused(make_source):
    source = make_source()
    t1(source).write_bytes(t1(source).read_bytes()[:-30])
    assert "T1 (BraTS2021_00001_t1.nii.gz) cannot be read: its compressed data break off" in refusal(source)


def test_a_missing_image_is_refused(make_source):
    source = make_source()
    t1(source).unlink()
    assert "T1 (BraTS2021_00001_t1.nii.gz) cannot be read" in refusal(source)


def test_nan_in_an_image_is_refused(make_source):
    source = make_source()

    def broken(voxels):
        voxels = voxels.astype(np.float32)
        voxels[4, 5, 6] = np.nan
        return voxels

    edit(t1(source), broken)
    assert "has 1 NaN" in refusal(source)


def test_a_label_map_in_place_of_an_image_is_refused(make_source):
    source = make_source()
    edit(t1(source), lambda voxels: (voxels > 0).astype(np.uint8) * 3)
    assert "has the values of a label map rather than an image: 0, 3" in refusal(source)


def test_another_number_of_volumes_is_refused(make_source):
    source = make_source("msd-brain")
    volumes = SimpleITK.ReadImage(str(t1(source)))
    SimpleITK.WriteImage(SimpleITK.JoinSeries([volumes[:, :, :, i] for i in range(3)]), str(t1(source)))
    assert "holds 3 volumes, but the channel order is for 4" in refusal(source)


def test_colours_are_refused(make_source):
    source = make_source()
    grey = SimpleITK.ReadImage(str(t1(source)))
    SimpleITK.WriteImage(SimpleITK.Compose([grey, grey, grey]), str(t1(source)))
    assert "it has 3 numbers a voxel, but one is needed" in refusal(source)


def test_the_same_image_in_two_cases_is_told_for_both(make_source):
    source = make_source()
    t1(source, 2).write_bytes(t1(source, 0).read_bytes())
    told = refusal(source)
    assert "BraTS2021_00001: an image of it is that of BraTS2021_00003, voxel by voxel" in told
    assert "BraTS2021_00003: an image of it is that of BraTS2021_00001, voxel by voxel" in told
    assert "BraTS2021_00002" not in told


def test_a_patient_twice_is_told_whatever_the_compression_and_the_number_type(make_source):
    source = make_source()
    for channel, there in source.cases[0].images.items():
        image = SimpleITK.Cast(SimpleITK.ReadImage(str(there.file)), SimpleITK.sitkFloat32)
        SimpleITK.WriteImage(image, str(source.cases[1].images[channel].file), useCompression=False)
    told = refusal(source)
    assert told.startswith("2 problems in 2 cases")  # once per case, not once per channel


def test_the_same_image_in_two_channels_is_refused(make_source):
    source = make_source()
    source.cases[0].images[1].file.write_bytes(t1(source).read_bytes())
    assert "hold the same voxels" in refusal(source)


def test_a_case_without_image_or_label_is_refused(make_source, but):
    source = make_source()
    assert "BraTS2021_00001: it has no image" in refusal(but(source, 0, images={}))
    assert "BraTS2021_00002: it has no label map" in refusal(but(source, 1, label=None))


def test_what_the_scan_found_is_told_once(make_source, but):
    source = but(make_source(), 1, label=None)
    object.__setattr__(source, "problems", (Problem("BraTS2021_00002", "no label found"),))
    told = refusal(source)
    assert told.startswith("1 problem in 1 case,")
    assert "no label found" in told


def test_an_empty_channel_counts_as_absent_with_a_warning(make_source):
    source = make_source()
    edit(source.cases[1].images[3].file, lambda voxels: 0 * voxels)
    checked = check_dataset(source)
    assert checked.incomplete == ("BraTS2021_00002",)
    assert list(checked.reports[1].case.images) == [0, 1, 2]
    told = [str(warning) for warning in checked.warnings]
    assert "BraTS2021_00002: FLAIR (BraTS2021_00002_flair.nii.gz) is 0 everywhere: it counts as absent" in told


def test_an_empty_label_map_and_a_value_that_never_occurs_are_warnings(make_source):
    source = make_source()
    for case in source.cases:
        edit(case.label, lambda seg: seg * (seg != 4))
    edit(source.cases[0].label, lambda seg: seg * 0)
    told = [str(warning) for warning in check_dataset(source).warnings]
    assert "BraTS2021_00001: its label map BraTS2021_00001_seg.nii.gz is empty: nothing is outlined" in told
    assert "no label map has the value 4 (ET)" in told


def test_a_modality_that_no_case_has_is_a_warning(make_source):
    source = make_source(absent={i: ["T2"] for i in range(3)})
    assert "no case has T2: a model cannot learn from it" in [str(w) for w in check_dataset(source).warnings]


def test_faulty_cases_are_left_out_where_that_is_asked_for(make_source):
    source = make_source()
    t1(source, 1).unlink()
    assert "--skip-faulty" in refusal(source)
    checked = check_dataset(source, skip_faulty=True)
    assert [report.case.name for report in checked.reports] == ["BraTS2021_00001", "BraTS2021_00003"]
    assert {problem.case for problem in checked.excluded} == {"BraTS2021_00002"}


def test_a_problem_of_the_whole_cannot_be_left_out(make_source):
    source = make_source()
    object.__setattr__(source, "problems", (Problem("", "two layouts are mixed"),))
    told = refusal(source, skip_faulty=True)
    assert "two layouts are mixed" in told
    assert "--skip-faulty" not in told


def test_nothing_left_is_refused(make_source):
    source = make_source(num_patients=1)
    t1(source).unlink()
    assert "cannot be read" in refusal(source, skip_faulty=True)


@pytest.mark.parametrize("num_old", [1, 5])
def test_a_four_that_never_stands_beside_a_three_is_no_resection_cavity(tmp_path, num_old):
    write_source(tmp_path / "source", "brats2023", num_patients=5, clutter=False)
    cases = scan(tmp_path / "source").cases
    for case in cases if num_old > 1 else cases[:1]:
        edit(case.label, lambda voxels: np.where(voxels == 3, 4, voxels))
    assert "the value 4 makes the labels of all cases 1=NCR,2=ED,3=ET,4=RC" in refusal(scan(tmp_path / "source"))


def test_a_value_that_few_cases_have_does_not_say_what_all_are(tmp_path):
    """BraTS 2023 with a label map in which the enhancing tumour is still 4, as until 2021: no resection cavity."""
    written = write_source(tmp_path / "source", "brats2023", num_patients=6, clutter=False)
    odd = scan(tmp_path / "source").cases[0]
    edit(odd.label, lambda voxels: np.where(voxels == 3, 4, voxels))
    told = refusal(scan(tmp_path / "source"))
    assert f"{odd.name}: the value 4 makes the labels of all cases 1=NCR,2=ED,3=ET,4=RC" in told
    assert f"but it is in only 1 of {len(written)} cases, in 0 of them beside 3" in told
    assert "--layout brats-gli-post" in told
    assert "--skip-faulty" in told
    left = check_dataset(scan(tmp_path / "source"), skip_faulty=True)
    assert (left.source.layout, len(left.reports)) == ("brats2023", len(written) - 1)
    assert [problem.case for problem in left.excluded] == [odd.name]
    assert check_dataset(scan(tmp_path / "source", "brats-gli-post")).source.layout == "brats-gli-post"


def test_labels_are_told_by_sound_cases_and_together_with_other_problems(tmp_path):
    """A label map that stops its case by itself does not say what the values of the others mean."""
    write_source(tmp_path / "source", "brats2023", num_patients=6, clutter=False)
    source = scan(tmp_path / "source")
    edit(source.cases[0].label, lambda voxels: np.where(voxels == 3, 4, voxels))
    t1(source, 0).unlink()
    edit(source.cases[1].label, lambda voxels: np.where(voxels == 3, 9, voxels))
    t1(source, 2).unlink()
    told = refusal(source)
    assert f"{source.cases[0].name}: T1 " in told
    assert f"{source.cases[0].name}: its label map {source.cases[0].label.name} has 4, but the labels are" in told
    assert f"{source.cases[1].name}: the value 9 is in 1 of 4 cases only, and fits no label set" in told
    assert f"{source.cases[2].name}: T1 " in told
    left = check_dataset(source, skip_faulty=True)
    assert left.source.layout == "brats2023"
    assert len(left.reports) == 3


def test_values_that_no_layout_has_are_a_problem_of_the_whole_beside_the_others(tmp_path):
    write_source(tmp_path / "source", "brats2023", num_patients=3, clutter=False)
    source = scan(tmp_path / "source")
    for case in source.cases:
        edit(case.label, lambda voxels: np.where(voxels == 3, 9, voxels))
    t1(source, 0).unlink()
    told = refusal(source, skip_faulty=True)
    assert told.startswith("2 problems in 1 case, so nothing was written")
    assert "as no known dataset has: say what they mean with --labels" in told
    assert f"{source.cases[0].name}: T1 " in told
    assert "--skip-faulty" not in told


def test_all_problems_are_listed_however_many_and_those_of_a_kind_together(make_source):
    source = make_source(num_patients=40)
    for case in source.cases[:35]:
        case.images[0].file.write_bytes(b"")
    edit(source.cases[39].label, Spacing=(1, 1, 1.1))
    told = refusal(source).splitlines()
    assert told[0].startswith("36 problems in 36 cases")
    alike, single = sorted(told[1:3])
    assert alike.startswith("  35 cases: T1 ({case}_t1.nii.gz) cannot be read: ")
    assert alike.endswith(", ".join(case.name for case in source.cases[:35]))
    assert single.startswith(f"  {source.cases[39].name}: its images and its label map")


def test_what_the_scan_warns_of_is_kept_but_for_cases_that_are_left_out(make_source):
    source = make_source()
    t1(source, 0).unlink()
    warnings = tuple(Problem(name, "odd") for name in ("", source.cases[0].name, source.cases[1].name))
    object.__setattr__(source, "warnings", warnings)
    kept = check_dataset(source, skip_faulty=True).warnings
    assert [warning.case for warning in kept if warning.message == "odd"] == ["", source.cases[1].name]
