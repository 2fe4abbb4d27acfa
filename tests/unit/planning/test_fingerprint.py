"""The fingerprint of complete datasets is nnU-Net's; absent modalities are no data."""

import json
import os
import shutil
import time

import numpy as np
import pytest
import SimpleITK
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError, MSTKDError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.planning import fingerprint
from nnunetv2_mstkd.planning.fingerprint import FINGERPRINT_FILE, MSTKDFingerprintExtractor

NAME = "Dataset955_Incomplete"
MODALITIES = Modalities(("CT", "T2"))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A raw dataset without cases, and the folder of its fingerprint."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    raw, base = tmp_path / "nnUNet_raw" / NAME, tmp_path / "nnUNet_preprocessed" / NAME
    for folder in ("imagesTr", "labelsTr"):
        (raw / folder).mkdir(parents=True)
    content = {"channel_names": {"0": "CT", "1": "T2"}, "labels": {"background": 0, "tumour": 1}, "numTraining": 0}
    (raw / "dataset.json").write_text(json.dumps({**content, "file_ending": ".nii.gz"}))
    return raw, base


def write_case(raw, case, ct, t2, label=None):
    """Write volumes (6, 7, 8): numbers stand for the value in the middle; the rest is zero."""
    box = (slice(1, 5), slice(2, 5), slice(3, 5))
    for file, values in ((f"imagesTr/{case}_0000", ct), (f"imagesTr/{case}_0001", t2), (f"labelsTr/{case}", label)):
        volume = np.zeros((6, 7, 8), np.float32)
        volume[box] = 1 if file.startswith("labels") and values is None else values
        if file.startswith("labels"):
            volume = volume.astype(np.uint8)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(raw / f"{file}.nii.gz"))


def extract(extractor_class=MSTKDFingerprintExtractor, num_processes=1, samples=1000):
    extractor = extractor_class(NAME, num_processes)
    extractor.show_progress_bar = False
    extractor.num_foreground_voxels_for_intensitystats = samples
    return extractor.run(overwrite_existing=True)


@pytest.mark.parametrize("variant", ["regions", "two_modalities"])
def test_a_complete_dataset_gets_the_very_file_of_nnunet(make_dataset, variant, tmp_path, monkeypatch):
    dataset = make_dataset(variant)  # its fingerprint is nnU-Net's, of 10000 sampled voxels
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    extractor = MSTKDFingerprintExtractor(dataset.number, 1)
    extractor.num_foreground_voxels_for_intensitystats = 10_000
    extractor.run()
    written = tmp_path / dataset.raw.name
    assert (written / FINGERPRINT_FILE).read_bytes() == (dataset.preprocessed / FINGERPRINT_FILE).read_bytes()
    assert not read_availability(
        written / AVAILABILITY_FILE, Modalities.from_dataset_json(dataset.dataset_json)
    ).incomplete


def test_a_complete_case_without_foreground_changes_nothing(folders, threads_for_processes):
    raw, base = folders  # nnU-Net takes double precision for the statistics as soon as there is one
    rng = np.random.default_rng(0)
    write_case(raw, "a", rng.normal(100, 30, (4, 3, 2)), rng.normal(5, 1, (4, 3, 2)))
    write_case(raw, "b", rng.normal(100, 30, (4, 3, 2)), rng.normal(5, 1, (4, 3, 2)), label=0)
    extract(DatasetFingerprintExtractor)
    expected = (base / FINGERPRINT_FILE).read_bytes()
    extract()
    assert (base / FINGERPRINT_FILE).read_bytes() == expected


@pytest.mark.parametrize("has_table", [True, False])
def test_zeros_of_an_absent_modality_are_not_in_the_statistics(folders, has_table):
    raw, base = folders
    write_case(raw, "a", ct=100, t2=7)
    write_case(raw, "b", ct=0, t2=9)
    availability = Availability(MODALITIES, {"a": MODALITIES.all, "b": MODALITIES.subset("T2")})
    if has_table:
        write_availability(raw / AVAILABILITY_FILE, availability)
    statistics = extract()["foreground_intensity_properties_per_channel"]
    # every voxel of the foreground is 100 where there is a CT; half of the samples of T2 are 7, half are 9
    assert {statistics[0][key] for key in ("min", "mean", "median", "max", "percentile_00_5")} == {100}
    assert statistics[0]["std"] == 0
    assert (statistics[1]["mean"], statistics[1]["std"]) == (8, 1)
    assert read_availability(base / AVAILABILITY_FILE, MODALITIES) == availability


def test_an_absent_modality_does_not_move_the_crop(folders):
    raw, _ = folders
    write_case(raw, "a", ct=100, t2=7)
    write_case(raw, "b", ct=0, t2=9)
    found = extract()
    assert [tuple(shape) for shape in found["shapes_after_crop"]] == [(4, 3, 2)] * 2  # the box of the present one
    assert found["median_relative_size_after_cropping"] == 4 * 3 * 2 / (6 * 7 * 8)


def test_an_absent_modality_that_would_move_the_crop_is_an_error(folders):
    raw, base = folders
    write_case(raw, "a", ct=100, t2=7)
    SimpleITK.WriteImage(SimpleITK.Image(8, 7, 6, SimpleITK.sitkFloat32) - 1024, str(raw / "imagesTr/a_0000.nii.gz"))
    with pytest.raises(
        CaseError, match=r"^a: CT is -1024 everywhere: of an absent modality all voxels have to be zero"
    ):
        extract()
    assert not base.exists()


@pytest.mark.parametrize(("ct", "claimed"), [(100, "T2"), (0, "CT,T2")])
def test_a_table_that_the_images_contradict_is_an_error(folders, ct, claimed):
    raw, _ = folders
    write_case(raw, "a", ct=ct, t2=7)
    write_availability(raw / AVAILABILITY_FILE, Availability(MODALITIES, {"a": MODALITIES.subset(claimed)}))
    with pytest.raises(CaseError, match=r"^a: its images show .*, but modality_availability.json of the raw dataset"):
        extract()


def test_a_case_of_the_table_that_the_dataset_does_not_have_is_told(folders, capsys):
    raw, base = folders
    write_case(raw, "a", ct=100, t2=7)
    write_case(raw, "b", ct=0, t2=7)
    claimed = {"a": MODALITIES.all, "B": MODALITIES.subset("T2")}  # a slip of the pen
    write_availability(raw / AVAILABILITY_FILE, Availability(MODALITIES, claimed))
    extract()
    assert f"{AVAILABILITY_FILE} lists 1 cases that the dataset does not have (B): are" in capsys.readouterr().out
    found = {"a": MODALITIES.all, "b": MODALITIES.subset("T2")}  # by the images
    assert read_availability(base / AVAILABILITY_FILE, MODALITIES).present == found


def test_a_table_that_lists_the_cases_of_the_dataset_is_taken_without_a_word(folders, capsys):
    raw, _ = folders
    write_case(raw, "a", ct=100, t2=7)
    write_availability(raw / AVAILABILITY_FILE, Availability(MODALITIES, {"a": MODALITIES.all}))
    extract()
    assert AVAILABILITY_FILE not in capsys.readouterr().out


def test_a_modality_that_no_case_has_is_an_error(folders):
    raw, base = folders
    write_case(raw, "a", ct=0, t2=7)
    with pytest.raises(CaseError, match="No training case has CT"):
        extract()
    assert not base.exists()


@pytest.mark.parametrize("ct", [0, -1024])
@pytest.mark.parametrize("label", [0, None])  # without foreground; with
def test_a_blank_image_counts_as_nnunet_counts_it(folders, threads_for_processes, ct, label):
    raw, base = folders
    rng = np.random.default_rng(0)
    write_case(raw, "a", rng.normal(100, 30, (4, 3, 2)), rng.normal(5, 1, (4, 3, 2)))
    write_case(raw, "blank", ct=0, t2=0, label=label)
    image = SimpleITK.Image(8, 7, 6, SimpleITK.sitkFloat32) + ct
    SimpleITK.WriteImage(image, str(raw / "imagesTr/blank_0000.nii.gz"))
    extract(DatasetFingerprintExtractor)
    expected = (base / FINGERPRINT_FILE).read_bytes()
    extract()
    assert (base / FINGERPRINT_FILE).read_bytes() == expected
    assert not read_availability(base / AVAILABILITY_FILE, MODALITIES).incomplete


def test_a_blank_image_that_is_said_to_lack_something_is_an_error(folders):
    raw, _ = folders
    write_case(raw, "blank", ct=0, t2=0)
    write_availability(raw / AVAILABILITY_FILE, Availability(MODALITIES, {"blank": MODALITIES.subset("T2")}))
    with pytest.raises(CaseError, match=r"^blank: its images show nothing .*, but modality_availability.json .* T2"):
        extract()


def test_foreground_only_where_a_modality_is_absent_is_an_error(folders):
    raw, _ = folders
    write_case(raw, "a", ct=100, t2=7, label=0)
    write_case(raw, "b", ct=0, t2=7)
    with pytest.raises(CaseError, match="No training case that has CT has foreground"):
        extract()


def test_a_missing_channel_file_is_told_with_its_case(folders):
    raw, _ = folders
    write_case(raw, "a", ct=100, t2=7)
    (raw / "imagesTr/a_0001.nii.gz").unlink()
    with pytest.raises(CaseError, match=r"^a: it has 1 channels in .*a_0000.nii.gz.*not _0000 CT, _0001 T2"):
        extract()


def test_a_fingerprint_that_is_there_is_kept_and_told(folders, capsys):
    _, base = folders
    base.mkdir(parents=True)
    (base / FINGERPRINT_FILE).write_text("{}")
    assert MSTKDFingerprintExtractor(NAME).run() == {}
    assert "let --clean replace it" in capsys.readouterr().out


def test_nothing_is_left_of_a_fingerprint_that_cannot_be_written(folders, monkeypatch):
    raw, base = folders
    write_case(raw, "a", ct=100, t2=7)

    def fill_the_disk(content, file):
        shutil.copy(raw / "dataset.json", file)
        raise OSError("No space left on device")

    monkeypatch.setattr(fingerprint, "save_json", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        extract()
    assert [file.name for file in base.iterdir()] == [AVAILABILITY_FILE]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_an_error_and_no_hang():
    started = time.monotonic()
    with (
        pytest.raises(MSTKDError, match=r"One of 2 processes .* was killed, .*-npfp 1"),
        fingerprint._mapping(2) as map_,
    ):
        list(map_(os._exit, [9] * 4))
    assert time.monotonic() - started < 120  # seconds; as a rule it takes as long as the workers take to import


@pytest.mark.slow
def test_workers_find_what_one_process_finds(folders):
    raw, base = folders
    rng = np.random.default_rng(0)
    for i in range(3):
        write_case(raw, f"a{i}", rng.normal(100, 30, (4, 3, 2)), rng.normal(5, 1, (4, 3, 2)))
    write_case(raw, "b", ct=0, t2=7)
    extract(num_processes=1)
    expected = [(base / name).read_bytes() for name in (FINGERPRINT_FILE, AVAILABILITY_FILE)]
    extract(num_processes=2)
    assert [(base / name).read_bytes() for name in (FINGERPRINT_FILE, AVAILABILITY_FILE)] == expected
