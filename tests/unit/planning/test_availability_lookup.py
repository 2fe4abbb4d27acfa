"""What preprocessed cases have: the table, the data, and what happens when the two disagree."""

import json
import shutil

import numpy as np
import pytest
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2, nnUNetDatasetNumpy
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.planning import availability_lookup
from nnunetv2_mstkd.planning.availability_lookup import find_availability

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
SHAPE = (24, 20, 16)
BLOCKS, CHUNKS = (1, 4, 4, 4), (1, 8, 8, 8)


def head(rng):
    """Values inside of an ellipsoid, exact zeros around it: the first blocks of a present channel are constant."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    return (rng.normal(size=SHAPE) * (np.linalg.norm(grid, axis=0) < 0.6)).astype(np.float32)


@pytest.fixture
def folders(tmp_path):
    base, raw = tmp_path / "base", tmp_path / "raw"
    (base / "data").mkdir(parents=True)
    raw.mkdir()
    return base, base / "data", raw


def save(data, case, absent=(), values=None, save_case=nnUNetDatasetBlosc2.save_case):
    """Write a case of four channels; those that are absent hold `values`, or zeros."""
    rng = np.random.default_rng(0)
    image = np.stack([head(rng) for _ in FOUR])
    for channel in absent:
        image[channel] = 0 if values is None else values
    chunks = {"chunks": CHUNKS, "blocks": BLOCKS} if save_case is nnUNetDatasetBlosc2.save_case else {}
    save_case(image, np.zeros((1, *SHAPE), np.int16), {}, str(data / case), **chunks)


def table(folder, **cases):
    availability = Availability(FOUR, {case: FOUR.subset(text) for case, text in cases.items()})
    write_availability(folder / AVAILABILITY_FILE, availability)
    return folder / AVAILABILITY_FILE


def names(availability):
    return {case: str(subset) for case, subset in availability.present.items()}


@pytest.mark.parametrize("save_case", [nnUNetDatasetBlosc2.save_case, nnUNetDatasetNumpy.save_case])
def test_absent_channels_are_found_in_the_data_and_the_table_is_written(folders, save_case):
    base, data, _ = folders
    save(data, "a", save_case=save_case)
    save(data, "b", absent=(1, 3), save_case=save_case)
    found = find_availability(base, data, FOUR, ["b", "a"])
    assert names(found) == {"a": "T1+T1ce+T2+FLAIR", "b": "T1+T2"}
    assert read_availability(base / AVAILABILITY_FILE, FOUR) == found


def test_another_constant_with_rounding_errors_is_absent_too(folders):
    base, data, _ = folders
    values = np.full(SHAPE, -1.7, np.float32)
    values[::2] = np.nextafter(np.nextafter(values[::2], np.float32(0)), np.float32(0))
    save(data, "ct", absent=(0,), values=values)
    assert names(find_availability(base, data, FOUR, ["ct"])) == {"ct": "T1ce+T2+FLAIR"}


def test_noise_on_a_large_offset_is_an_image(folders):
    base, data, _ = folders
    values = np.random.default_rng(1).normal(1e6, 1, SHAPE).astype(np.float32)  # differs by 8 millionths
    save(data, "offset", absent=(0,), values=values)
    assert not find_availability(base, data, FOUR, ["offset"]).incomplete


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_the_unit_of_an_image_does_not_matter(folders, scale):
    base, data, _ = folders
    save(data, "scaled", absent=(2,), values=scale * head(np.random.default_rng(1)))
    assert not find_availability(base, data, FOUR, ["scaled"]).incomplete


def test_a_single_voxel_in_a_corner_makes_a_channel_present(folders):
    base, data, _ = folders
    values = np.zeros(SHAPE, np.float32)
    values[-1, -1, -1] = 1
    save(data, "corner", absent=(2,), values=values)
    assert not find_availability(base, data, FOUR, ["corner"]).incomplete


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_no_absent_modality(folders, value, everywhere):
    base, data, _ = folders
    values = np.full(SHAPE, value if everywhere else 0, np.float32)
    values[-1, -1, -1] = value
    save(data, "broken", absent=(2,), values=values)
    assert not find_availability(base, data, FOUR, ["broken"]).incomplete


def test_a_present_channel_costs_one_block(folders, monkeypatch):
    base, data, _ = folders
    save(data, "a")
    drawn = []
    parts = availability_lookup._parts
    monkeypatch.setattr(
        availability_lookup, "_parts", lambda voxels: (drawn.append(part) or part for part in parts(voxels))
    )
    find_availability(base, data, FOUR, ["a"])
    assert drawn == [(slice(12, 16), slice(8, 12), slice(8, 12))] * 4  # the block that holds voxel (12, 10, 8)


def test_all_voxels_of_an_absent_channel_are_looked_at(folders):
    _, data, _ = folders
    save(data, "a")
    voxels = nnUNetDatasetBlosc2(str(data)).load_case("a")[0]
    seen = np.zeros(SHAPE, bool)
    for part in availability_lookup._parts(voxels):
        seen[part] = True
    assert seen.all()


def test_the_table_of_the_raw_dataset_is_kept_with_the_preprocessed_one(folders):
    base, data, raw = folders
    save(data, "a", absent=(1,))
    table(raw, a="T1,T2,FLAIR", elsewhere="T1")
    assert names(find_availability(base, data, FOUR, ["a"], raw=raw)) == {"a": "T1+T2+FLAIR"}
    assert (base / AVAILABILITY_FILE).read_text() == (raw / AVAILABILITY_FILE).read_text()


def test_the_raw_table_is_not_asked_for_what_the_kept_one_says(folders):
    base, data, raw = folders
    save(data, "a")
    before = table(base, a="1111").read_text()
    (raw / AVAILABILITY_FILE).write_text("{")
    assert not find_availability(base, data, FOUR, ["a"], raw=raw).incomplete
    assert (base / AVAILABILITY_FILE).read_text() == before


def test_cases_that_are_new_join_the_kept_table(folders):
    base, data, _ = folders
    table(base, old="T2")  # its data are not looked at: nobody asked
    save(data, "new", absent=(0,))
    assert names(find_availability(base, data, FOUR, ["new"])) == {"new": "T1ce+T2+FLAIR"}
    assert names(read_availability(base / AVAILABILITY_FILE, FOUR)) == {"new": "T1ce+T2+FLAIR", "old": "T2"}


@pytest.mark.parametrize("where", ["base", "raw"])
def test_an_absent_modality_that_has_voxels_is_an_error(folders, where):
    base, data, raw = folders
    save(data, "a")
    file = table(raw if where == "raw" else base, a="T1,T2,FLAIR")
    with pytest.raises(CaseError) as raised:
        find_availability(base, data, FOUR, ["a"], raw=raw)
    text = f"a: T1ce is absent according to {file}, but has voxels that differ. Mend the images and preprocess again"
    assert str(raised.value) == f"{text}, or delete the table to have it found again"
    assert (base / AVAILABILITY_FILE).is_file() == (where == "base")  # nothing is copied that is not true


def test_a_present_modality_that_is_constant_is_an_error(folders):
    base, data, _ = folders
    save(data, "a", absent=(3,), values=-0.3)
    file = table(base, a="1111")
    with pytest.raises(CaseError, match=f"FLAIR is present according to {file}, but is constant in the whole volume"):
        find_availability(base, data, FOUR, ["a"])


@pytest.mark.parametrize("claimed", [None, "1111"])
def test_a_blank_image_lacks_nothing(folders, claimed):
    base, data, _ = folders  # the outermost slices of a 2D dataset are blank: background, which is to be learnt
    save(data, "blank", absent=range(4), values=-0.3)
    if claimed:
        table(base, blank=claimed)
    assert names(find_availability(base, data, FOUR, ["blank"])) == {"blank": "T1+T1ce+T2+FLAIR"}
    assert names(read_availability(base / AVAILABILITY_FILE, FOUR)) == {"blank": "T1+T1ce+T2+FLAIR"}


def test_a_blank_image_that_is_said_to_lack_something_is_an_error(folders):
    base, data, _ = folders
    save(data, "blank", absent=range(4))
    table(base, blank="T1,T2")
    with pytest.raises(CaseError, match=r"^blank: T1 is present according to .*, but is constant .*; T2 is present"):
        find_availability(base, data, FOUR, ["blank"])


def test_all_cases_that_are_wrong_are_told(folders):
    base, data, _ = folders
    for case in ("a", "b"):
        save(data, case, absent=(0,))
    table(base, a="1111", b="1111")
    with pytest.raises(CaseError, match=r"^a: T1 is present .*\nb: T1 is present"):
        find_availability(base, data, FOUR, ["b", "a"])


def test_lack_of_memory_is_not_a_fault_of_the_case(folders, monkeypatch):
    base, data, _ = folders
    save(data, "a")

    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(nnUNetDatasetBlosc2, "load_case", refuse)
    with pytest.raises(MemoryError):
        find_availability(base, data, FOUR, ["a"])


def test_a_folder_that_cannot_be_written_does_not_matter(folders, monkeypatch):
    base, data, _ = folders
    save(data, "a", absent=(1,))

    def refuse(*_):
        raise OSError("read-only")

    monkeypatch.setattr(availability_lookup, "write_availability", refuse)
    assert names(find_availability(base, data, FOUR, ["a"])) == {"a": "T1+T2+FLAIR"}


def test_a_case_that_is_not_preprocessed_is_named(folders):
    base, data, _ = folders
    save(data, "a")
    with pytest.raises(CaseError, match=rf"b in {data} cannot be read: .*Preprocess it again"):
        find_availability(base, data, FOUR, ["a", "b"])


def test_data_of_other_channels_are_an_error(folders):
    base, data, _ = folders
    save(data, "a")
    with pytest.raises(CaseError, match=r"has the shape \(4, 24, 20, 16\), but 2 channels are needed"):
        find_availability(base, data, Modalities(("CT", "T2")), ["a"])


def test_no_cases_have_an_empty_table(folders):
    base, data, _ = folders
    assert find_availability(base, data, FOUR, []).present == {}


def test_what_nnunet_preprocesses_of_a_complete_dataset_is_complete(make_dataset, tmp_path):
    dataset = make_dataset("two_modalities")
    source = next(dataset.preprocessed.glob("nnUNetPlans*_3d_fullres"))
    data = shutil.copytree(source, tmp_path / source.name)
    cases = nnUNetDatasetBlosc2.get_identifiers(str(data))
    modalities = Modalities.from_dataset_json(dataset.dataset_json)
    assert find_availability(tmp_path, data, modalities, cases).counts() == {"CT": 6, "T2": 6}
    assert json.loads((tmp_path / AVAILABILITY_FILE).read_text())["modalities"] == ["CT", "T2"]


def test_zeros_that_nnunet_normalised_as_ct_and_resampled_are_absent(make_dataset, folders):
    base, data, _ = folders
    dataset = make_dataset("two_modalities")
    plans = PlansManager(dataset.plans)
    image, properties = plans.image_reader_writer_class().read_images(dataset.test_files(dataset.test_cases[0]))
    image[0] = 0
    properties["spacing"] = [2.3, 3.7, 2.9]  # the plans have 3 mm
    image, seg, _ = DefaultPreprocessor(verbose=False).run_case_npy(
        image, None, properties, plans, plans.get_configuration("3d_fullres"), dataset.dataset_json
    )
    assert image[0].any()
    nnUNetDatasetBlosc2.save_case(image, seg, {}, str(data / "ct"), chunks=CHUNKS, blocks=BLOCKS)
    assert names(find_availability(base, data, Modalities(("CT", "T2")), ["ct"])) == {"ct": "T2"}
