"""What is written, and what is left alone."""

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.datasets.back import prediction
from nnunetv2_mstkd.datasets.back.convert_back import convert_back, targets_in
from nnunetv2_mstkd.datasets.back.prediction import find_predictions
from nnunetv2_mstkd.datasets.back.way_back import WayBack
from nnunetv2_mstkd.errors import ConversionError

WAY = WayBack("BraTS 2021", {0: 0, 1: 1, 2: 2, 3: 4}, {1: "NCR", 2: "ED", 4: "ET"}, "{case}_seg.nii.gz", {5: "RC"})
LABELS = np.arange(24).reshape(2, 3, 4) % 4


@pytest.fixture
def convert(predictions, tmp_path):
    """Return a function that converts these cases back and gives what was reported."""

    def run(**cases):
        folder = predictions({}, cases or {"a": LABELS, "b": LABELS[::-1]})
        found = find_predictions(folder, {})
        return convert_back(found, targets_in(tmp_path / "out", found, WAY), WAY)

    return run


def test_values_names_type_and_geometry(convert, predictions, tmp_path):
    assert [(w.case, w.file.name, w.is_new) for w in convert()] == [
        ("a", "a_seg.nii.gz", True),
        ("b", "b_seg.nii.gz", True),
    ]
    given = SimpleITK.ReadImage(str(tmp_path / "predictions/a.nii.gz"))
    written = SimpleITK.ReadImage(str(tmp_path / "out/a_seg.nii.gz"))
    expected = np.array([0, 1, 2, 4])[LABELS]
    assert np.array_equal(SimpleITK.GetArrayFromImage(written), expected)
    assert written.GetPixelID() == SimpleITK.sitkUInt8
    for what in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(written, what)() == pytest.approx(getattr(given, what)(), abs=1e-5)


def test_what_is_there_already_is_left_alone(convert, tmp_path):
    convert()
    before = (tmp_path / "out/a_seg.nii.gz").stat().st_mtime_ns
    assert [w.is_new for w in convert()] == [False, False]
    assert (tmp_path / "out/a_seg.nii.gz").stat().st_mtime_ns == before


def test_nothing_is_overwritten_and_nothing_written_then(convert, tmp_path, write_labels):
    write_labels(tmp_path / "out/b_seg.nii.gz", LABELS.astype(np.uint8))
    with pytest.raises(
        ConversionError, match=r"1 problem, nothing is written:\s.*b_seg\.nii\.gz is there with other content"
    ):
        convert()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b_seg.nii.gz"]


def test_equal_labels_on_another_grid_are_other_content(convert, tmp_path):
    convert()
    file = tmp_path / "out/a_seg.nii.gz"
    image = SimpleITK.ReadImage(str(file))
    image.SetOrigin((0, 0, 0))
    SimpleITK.WriteImage(image, str(file))
    with pytest.raises(ConversionError, match=r"a_seg\.nii\.gz is there with other content"):
        convert()


def test_equal_labels_of_another_type_are_other_content(convert, tmp_path):
    convert()
    file = tmp_path / "out/a_seg.nii.gz"
    SimpleITK.WriteImage(SimpleITK.Cast(SimpleITK.ReadImage(str(file)), SimpleITK.sitkFloat32), str(file))
    with pytest.raises(ConversionError, match=r"a_seg\.nii\.gz is there with other content"):
        convert()


def test_an_unknown_value_stops_all_with_file_and_value(convert, tmp_path):
    with pytest.raises(ConversionError, match=r"b\.nii\.gz has the values 5 \(RC\), 7, but .* knows 0, 1, 2, 3 only"):
        convert(a=LABELS, b=np.array([[[0, 5, 7]]]))
    assert not (tmp_path / "out").exists()


def test_a_truncated_label_map_stops_all(convert, predictions, tmp_path):
    folder = predictions({}, {"a": np.random.default_rng(0).integers(0, 4, (20, 20, 20))})
    file = folder / "a.nii.gz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ConversionError, match=r"a\.nii\.gz cannot be read"):
        convert_back({"a": file}, {"a": tmp_path / "out/a.nii.gz"}, WAY)
    assert not (tmp_path / "out").exists()


def test_an_image_is_told_by_a_few_of_its_values(convert):
    with pytest.raises(ConversionError, match=r"the values 4, 5 \(RC\), 6, 7, 8, 9, 10, 11, and 88 more, but"):
        convert(a=np.arange(100).reshape(4, 5, 5))


def test_values_of_other_types_are_taken_for_what_they_are(convert, write_labels, tmp_path):
    file = tmp_path / "float.nii.gz"
    write_labels(file, LABELS.astype(np.float32))
    assert np.array_equal(prediction.converted(file, WAY).labels, np.array([0, 1, 2, 4])[LABELS])
    write_labels(file, LABELS + np.float32(0.5))
    with pytest.raises(prediction.LabelError, match=r"has the values 0\.5, 1\.5, 2\.5, 3\.5, but"):
        prediction.converted(file, WAY)


def test_nan_and_several_volumes_are_refused(write_labels, tmp_path):
    file = tmp_path / "odd.nii.gz"
    write_labels(file, np.where(LABELS == 3, np.nan, LABELS).astype(np.float32))
    with pytest.raises(prediction.LabelError, match="has 6 NaN and 0 infinite voxels of 24"):
        prediction.converted(file, WAY)
    volume = SimpleITK.GetImageFromArray(LABELS.astype(np.uint8))
    SimpleITK.WriteImage(SimpleITK.JoinSeries([volume, volume]), str(file))
    with pytest.raises(prediction.LabelError, match="holds 2 volumes, but one is needed"):
        prediction.converted(file, WAY)


def test_each_prediction_is_decoded_once(convert, monkeypatch, tmp_path):
    read: list[str] = []
    original = SimpleITK.ReadImage
    monkeypatch.setattr(SimpleITK, "ReadImage", lambda file: read.append(file) or original(file))
    convert()
    assert read == [str(tmp_path / f"predictions/{case}.nii.gz") for case in "ab"]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ConversionError, match=r"holds no label map \(\*\.nii\.gz\)"):
        find_predictions(tmp_path, {})
    with pytest.raises(ConversionError, match="There is no folder"):
        find_predictions(tmp_path / "nowhere", {})


def test_what_a_kill_left_is_no_prediction(predictions):
    folder = predictions({}, {"a": LABELS})
    (folder / ".partial_12_b.nii.gz").touch()
    assert list(find_predictions(folder, {})) == ["a"]
