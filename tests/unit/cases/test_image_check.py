"""What is checked in images."""

import hashlib
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
SHAPE = (3, 4, 5)


def read(file: Path) -> tuple[np.ndarray, Geometry]:
    image = SimpleITK.ReadImage(str(file))
    array = np.float32(SimpleITK.GetArrayFromImage(image))
    volumes = array.reshape(-1, *array.shape[-3:])
    return volumes, Geometry(volumes.shape[1:], image.GetSpacing()[2::-1], image.GetOrigin(), image.GetDirection())


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an image and returns where it is."""

    def run(name: str, voxels=None, spacing=(1.0, 1.0, 3.0), origin=(0.0, -239.0, 0.0)) -> ChannelSource:
        if voxels is None:
            voxels = np.random.default_rng(zlib.crc32(name.encode())).normal(100, 20, SHAPE)
        image = SimpleITK.GetImageFromArray(np.asarray(voxels, np.float32))
        image.SetSpacing((*spacing, 1.0)[: image.GetDimension()])
        image.SetOrigin((*origin, 0.0)[: image.GetDimension()])
        SimpleITK.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
        return ChannelSource(tmp_path / f"{name}.nii.gz")

    return run


def check(sources: dict[int, ChannelSource], **options) -> CaseCheck:
    return check_case(Case("p", sources), FOUR, read, **options)


def told(sources: dict[int, ChannelSource], **options) -> list[str]:
    return [str(problem) for problem in check(sources, **options).problems]


def test_sound_images_pass_as_they_are(write):
    sources = {1: write("t1ce"), 3: write("flair")}
    checked = check(sources)
    assert checked == CaseCheck(Case("p", sources), (), (), checksums=checked.checksums)


def test_each_file_is_read_once_and_4d_files_too(write):
    volumes = np.random.default_rng(0).normal(100, 20, (3, *SHAPE))
    file = write("4d", volumes).file
    files = []
    case = Case("p", {0: ChannelSource(file, 2, 3), 1: ChannelSource(file, 0, 3), 2: write("t2")})
    assert not check_case(case, FOUR, lambda path: files.append(path) or read(path)).problems
    assert files == [file, case.sources[2].file]


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_the_reader_cannot_read_is_told_in_its_words(write, tmp_path):
    (tmp_path / "text.nii.gz").write_text("text")
    (problem,) = told({0: write("t1"), 1: ChannelSource(tmp_path / "text.nii.gz")})
    assert problem.startswith("p: T1ce (text.nii.gz) cannot be read: RuntimeError: Exception thrown in SimpleITK")
    (problem,) = told({0: write("t1"), 1: ChannelSource(tmp_path / "gone.nii.gz")})
    assert problem.startswith("p: T1ce (gone.nii.gz) cannot be read: RuntimeError")


def test_a_truncated_file_is_told_although_the_reader_does_not(write):
    source = write("flair")
    source.file.write_bytes(source.file.read_bytes()[:-30])
    read(source.file)
    assert "FLAIR (flair.nii.gz) cannot be read: its compressed data break off" in told({0: write("t1"), 3: source})[0]


@pytest.mark.parametrize(
    ("volumes", "source", "says"),
    [
        (2, ChannelSource(Path()), "T1 (x.nii.gz) holds 2 volumes, but one channel is expected"),
        (2, ChannelSource(Path(), 0, 3), "T1 (x.nii.gz) holds 2 volumes, but the channel order is for 3"),
        (4, ChannelSource(Path(), 0, 3), "T1 (x.nii.gz) holds 4 volumes, but the channel order is for 3"),
        (1, ChannelSource(Path(), 1), "T1 (x.nii.gz) holds 1 volumes, but the channel order is for 2"),
    ],
)
def test_other_numbers_of_volumes_are_refused(write, volumes, source, says):
    file = write("x", np.random.default_rng(0).normal(100, 20, (volumes, *SHAPE))).file
    (problem,) = told({0: ChannelSource(file, source.volume, source.num_volumes)})
    assert says in problem


@pytest.mark.parametrize("shape", [(4, 5), (2, 1, 3, 4, 5), (1, 0, 4, 5)])
def test_a_reader_that_returns_another_shape_is_told(shape):
    grid = Geometry(SHAPE, (1.0, 1.0, 1.0), None, None)
    checked = check_case(
        Case("p", {0: ChannelSource(Path("T1"))}), FOUR, lambda file: (np.ones(shape, np.float32), grid)
    )
    assert str(checked.problems[0]) == f"p: T1 has the shape {shape}, but (channels, z, y, x) is needed"


def test_colours_are_told_although_their_axis_looks_like_one_of_space(write, tmp_path):
    """SimpleITK gives (y, x, 3) for a 2D image in colour, with two spacings."""
    pixels = np.random.default_rng(0).integers(0, 255, (1, 4, 5, 3)).astype(np.float32)
    grid = Geometry((4, 5, 3), (1.0, 1.0), None, None)
    checked = check_case(Case("p", {0: ChannelSource(Path("T1"))}), FOUR, lambda file: (pixels, grid))
    assert str(checked.problems[0]) == "p: T1 has 2 axes of space for the array (1, 4, 5, 3): turn colours to grey"


def test_the_same_voxels_in_two_channels_are_told_with_both_names(write):
    voxels = np.random.default_rng(0).normal(100, 20, SHAPE)
    sources = {0: write("t1", voxels), 1: write("t1ce"), 2: write("t2", voxels)}
    assert told(sources) == [
        "p: T1 (t1.nii.gz) and T2 (t2.nii.gz) hold the same voxels: one is a copy; name the right file, or leave it out"
    ]
    file = write("4d", np.stack([voxels, 2 * voxels, voxels])).file
    (problem,) = told({channel: ChannelSource(file, channel, 3) for channel in range(3)})
    assert "T1 (4d.nii.gz) and T2 (4d.nii.gz) hold the same voxels" in problem
    (problem,) = told({0: sources[0], 3: sources[0]})
    assert "T1 (t1.nii.gz) and FLAIR (t1.nii.gz) hold the same voxels" in problem


def test_two_empty_channels_are_no_copies(write):
    sources = {0: write("t1", np.zeros(SHAPE)), 1: write("t1ce", np.zeros(SHAPE)), 2: write("t2")}
    assert told(sources) == []


# --- grids -----------------------------------------------------------------------------------------------------------


def test_grids_that_differ_are_told_with_names_and_numbers(write):
    problems = told({0: write("t1"), 2: write("t2"), 3: write("flair", spacing=(1.0, 1.0, 2.5), origin=(0, 0, 0))})
    assert problems == [
        "p: T1 (t1.nii.gz) and FLAIR (flair.nii.gz) differ: spacing (3, 1, 1) and (2.5, 1, 1) mm (z, y, x); "
        "origin (0, -239, 0) and (0, 0, 0) mm. Register and resample them to one grid"
    ]


@pytest.mark.parametrize("spacing", [(1.0, 0.005, 1.0), (60.0, 1.0, 1.0), (1.0, 1.0, 1000.0)])
def test_absurd_spacings_are_refused(write, spacing):
    (problem,) = told({0: write("t1", spacing=spacing)})
    numbers = ", ".join(f"{edge:g}" for edge in reversed(spacing))
    assert f"T1 (t1.nii.gz) has a spacing of ({numbers}) mm (z, y, x), outside of 0.01 to 50 mm" in problem


def test_the_spacing_of_a_single_slice_does_not_matter(write):
    """nnU-Net gives a 2D image 999 times its pixel."""
    slices = {0: write("t1", np.random.default_rng(0).normal(100, 20, (1, 4, 5)), spacing=(1.0, 1.0, 999.0))}
    assert told(slices) == []


def test_a_model_of_volumes_gets_no_single_slices(write):
    slices = {0: write("t1", np.random.default_rng(0).normal(100, 20, (1, 4, 5)))}
    assert told(slices, needs_depth=True) == [
        "p: its images are single slices, (1, 4, 5) voxels (z, y, x); this model needs volumes"
    ]
    assert told({0: write("volume")}, needs_depth=True) == []


# --- voxels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 7, np.nan])
def test_empty_channels_count_as_absent_with_a_warning(write, value):
    sources = {0: write("t1"), 3: write("flair", np.full(SHAPE, value), origin=(9, 9, 9))}
    checked = check(sources)
    assert not checked.problems
    assert checked.case.sources == {0: sources[0]}
    (warning,) = checked.warnings
    assert re.fullmatch(r"FLAIR \(flair\.nii\.gz\) is (0|7|NaN) everywhere: it counts as absent", warning)


def test_an_empty_volume_of_a_4d_file_counts_as_absent(write):
    volumes = np.random.default_rng(0).normal(100, 20, (2, *SHAPE))
    volumes[1] = 0
    file = write("4d", volumes).file
    checked = check({0: ChannelSource(file, 0, 2), 2: ChannelSource(file, 1, 2)})
    assert list(checked.case.sources) == [0]
    assert "T2 (4d.nii.gz) is 0 everywhere" in checked.warnings[0]


def test_a_case_with_nothing_left_is_a_problem(write):
    checked = check({0: write("t1", np.zeros(SHAPE)), 3: write("flair", np.ones(SHAPE))})
    assert [str(problem) for problem in checked.problems] == [
        "p: no channel is left: T1 (t1.nii.gz) is 0 everywhere; FLAIR (flair.nii.gz) is 1 everywhere"
    ]
    assert list(checked.case.sources) == [0, 3]


def test_nan_voxels_and_label_maps_are_refused(write):
    spoilt = np.random.default_rng(0).normal(100, 20, SHAPE)
    spoilt[1, 1, 1] = np.nan
    labels = np.arange(60).reshape(SHAPE) % 4
    assert told({0: write("t1"), 1: write("t1ce", spoilt), 3: write("seg", labels)}) == [
        "p: T1ce (t1ce.nii.gz) has 1 NaN and 0 infinite voxels of 60 (1.7 %): replace them",
        "p: FLAIR (seg.nii.gz) has the values of a label map rather than an image: 0, 1, 2, 3",
    ]


def test_checksums_are_of_what_could_be_read_and_is_not_empty(write, tmp_path):
    voxels = np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)
    labels = np.arange(60, dtype=np.float32).reshape(SHAPE) % 4
    sources = {
        0: write("t1", voxels),
        1: write("t1ce", np.zeros(SHAPE)),
        2: write("labels", labels),
        3: ChannelSource(tmp_path / "gone.nii.gz"),
    }
    expected = {channel: hashlib.sha256(v.tobytes()).hexdigest() for channel, v in ((0, voxels), (2, labels))}
    assert check(sources).checksums == expected


def test_everything_that_is_wrong_is_told_at_once(write, tmp_path):
    sources = {
        0: ChannelSource(tmp_path / "gone.nii.gz"),
        1: write("labels", np.arange(60).reshape(SHAPE) % 2),
        2: write("t2", spacing=(1.0, 1.0, 99.0)),
        3: write("zero", np.zeros(SHAPE)),
    }
    problems = told(sources)
    assert len(problems) == 4
    for part in ("gone.nii.gz", "label map", "99", "differ"):
        assert sum(part in problem for problem in problems) >= 1, part
