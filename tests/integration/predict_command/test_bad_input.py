"""Bad input of `mstkd predict`: it stops before any work, or is skipped, but never passed over."""

import shutil
from pathlib import Path

import pytest
import SimpleITK
from prediction_folder import manifest_of

from nnunetv2_mstkd.cli.predict import NOT_ALL_DONE

pytestmark = pytest.mark.slow


def spoil_geometry(folder: Path) -> None:
    image = SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz"))
    image.SetSpacing((1.0, 1.0, 2.0))
    SimpleITK.WriteImage(image, str(folder / "bad_0003.nii.gz"))


def truncate(folder: Path) -> None:
    file = folder / "bad_0003.nii.gz"
    file.write_bytes(file.read_bytes()[:2000])


def give_labels(folder: Path) -> None:
    image = SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.Cast(image > 0, SimpleITK.sitkUInt8), str(folder / "bad_0003.nii.gz"))


def give_nan(folder: Path) -> None:
    image = SimpleITK.Cast(SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz")), SimpleITK.sitkFloat32)
    image[5, 5, 5] = float("nan")
    SimpleITK.WriteImage(image, str(folder / "bad_0003.nii.gz"))


def misspell(folder: Path) -> None:
    (folder / "bad_0003.nii.gz").rename(folder / "bad_FLIAR.nii.gz")


def double(folder: Path) -> None:
    shutil.copy(folder / "bad_0003.nii.gz", folder / "bad_flair.nii.gz")


def give_a_fifth_channel(folder: Path) -> None:
    (folder / "bad_0003.nii.gz").rename(folder / "bad_0004.nii.gz")


SPOILT = (spoil_geometry, truncate, give_labels, give_nan, misspell, double, give_a_fifth_channel)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__)
def test_bad_input_stops_before_any_work(predict, input_folder, spoil, capsys):
    input_folder("good", [1, 3])
    folder = input_folder("bad", [1, 3])
    spoil(folder)
    code, output = predict(folder)
    assert code == 1
    assert not output.exists()
    assert "nothing was predicted" in (error := capsys.readouterr().err)
    assert "bad" in error
    assert "--on-error skip" in error


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__)
def test_bad_input_can_be_skipped_but_is_not_passed_over(predict, input_folder, spoil, capsys):
    input_folder("good", [1, 3])
    folder = input_folder("bad", [1, 3])
    spoil(folder)
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    assert (output / "good.nii.gz").is_file()
    assert not (output / "bad.nii.gz").exists()
    assert "not predicted:" in (printed := capsys.readouterr().out)
    assert "bad" in printed.split("not predicted:")[1]
    manifest = manifest_of(output)
    assert manifest["status"] == "finished"
    assert manifest["cases"]["good"]["status"] == "done"
    assert "refused" in {entry["status"] for entry in manifest["cases"].values()}


def test_check_alone_predicts_nothing(predict, input_folder, capsys):
    folder = input_folder("bad", [1, 3])
    assert predict(folder, "--check")[0] == 0
    misspell(folder)
    code, output = predict(folder, "--check")
    assert code == 1
    assert not output.exists()
    assert "FLIAR" in capsys.readouterr().out


def test_the_manifest_has_every_problem_of_a_case(predict, input_folder):
    input_folder("good", [1])
    folder = input_folder("bad", [1, 3])
    for channel in (1, 3):
        (folder / f"bad_000{channel}.nii.gz").write_bytes(b"no image")
    _, output = predict(folder, "--on-error", "skip")
    entry = manifest_of(output)["cases"]["bad"]
    assert entry["status"] == "refused"
    assert [name in message for name, message in zip(("T1ce", "FLAIR"), entry["messages"], strict=True)] == [True] * 2
