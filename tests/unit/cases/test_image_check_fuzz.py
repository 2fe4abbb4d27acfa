"""Images with one thing wrong: it is always seen, and nothing else is."""

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.modalities import Modalities

# The same examples each time: a check must not fail on unchanged code.
FUZZ = settings(derandomize=True, deadline=None)
FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
WRONG = ("size", "spacing", "origin", "direction", "NaN", "label map", "absurd", "truncated", "volumes")


@st.composite
def images(draw) -> SimpleITK.Image:
    """Draw an image of random size, grid and content."""
    shape = draw(st.tuples(*[st.integers(3, 7)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = SimpleITK.GetImageFromArray(rng.normal(100, 20, shape).astype(np.float32))
    image.SetSpacing(draw(st.tuples(*[st.floats(0.2, 8)] * 3)))
    image.SetOrigin(draw(st.tuples(*[st.floats(-300, 300)] * 3)))
    image.SetDirection(SimpleITK.Euler3DTransform((0, 0, 0), *draw(st.tuples(*[st.floats(-1, 1)] * 3))).GetMatrix())
    return image


def rounded(image: SimpleITK.Image, sign: int) -> SimpleITK.Image:
    """Return an image whose header went through a converter."""
    result = SimpleITK.Image(image)
    result.SetSpacing([edge * (1 + sign * 4e-4) for edge in image.GetSpacing()])
    result.SetOrigin([x + sign * 4e-3 * max(image.GetSpacing()) for x in image.GetOrigin()])
    return result


def spoilt(image: SimpleITK.Image, wrong: str) -> SimpleITK.Image:
    """Return an image with something wrong."""
    array = SimpleITK.GetArrayFromImage(image)
    if wrong == "size":
        array = array[:, 1:]
    elif wrong == "NaN":
        array[1, 1, 1] = np.nan
    elif wrong == "label map":
        array = np.float32(array > 100)
    result = SimpleITK.GetImageFromArray(array)
    result.CopyInformation(image) if wrong != "size" else result.SetSpacing(image.GetSpacing())
    if wrong == "spacing":
        result.SetSpacing([edge * 1.01 for edge in image.GetSpacing()])
    elif wrong == "absurd":
        result.SetSpacing([edge * 1000 for edge in image.GetSpacing()])
    elif wrong == "origin":
        result.SetOrigin([x + max(image.GetSpacing()) for x in image.GetOrigin()])
    elif wrong == "direction":
        result.SetDirection([-cosine for cosine in image.GetDirection()])
    return SimpleITK.JoinSeries([result, result]) if wrong == "volumes" else result


def read(file: Path) -> tuple[np.ndarray, Geometry]:
    image = SimpleITK.ReadImage(str(file))
    array = SimpleITK.GetArrayFromImage(image)
    volumes = array.reshape(-1, *array.shape[-3:])
    return volumes, Geometry(volumes.shape[1:], image.GetSpacing()[2::-1], image.GetOrigin(), image.GetDirection())


def check(images: dict[int, SimpleITK.Image], ending: str, cut: tuple[int, float] | None = None) -> CaseCheck:
    """Check a case of these images; `cut` has the channel whose file breaks off, and where, 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        sources = {channel: ChannelSource(Path(folder) / f"{FOUR.names[channel]}{ending}") for channel in images}
        for channel, image in images.items():
            SimpleITK.WriteImage(image, str(sources[channel].file))
        if cut is not None:
            file = sources[cut[0]].file
            content = file.read_bytes()
            file.write_bytes(content[: int(cut[1] * len(content))])
        return check_case(Case("p", sources), FOUR, read)


CHANNELS = st.lists(st.integers(0, 3), min_size=2, unique=True)
ENDINGS = st.sampled_from((".nii", ".nii.gz"))


@settings(FUZZ, max_examples=100)
@given(images(), CHANNELS, ENDINGS, st.booleans())
def test_sound_images_pass_and_an_empty_one_is_absent(image, channels, ending, is_one_empty):
    given = {channel: rounded(image, (-1) ** channel) + channel for channel in channels}
    if is_one_empty:
        given[channels[0]] = image * 0
    checked = check(given, ending)
    assert not checked.problems
    assert set(checked.case.sources) == set(channels[is_one_empty:])
    assert len(checked.warnings) == is_one_empty


@settings(FUZZ, max_examples=150)
@given(images(), CHANNELS, ENDINGS, st.sampled_from(WRONG), st.floats(0, 1, exclude_max=True))
def test_one_wrong_image_is_always_a_problem(image, channels, ending, wrong, cut):
    channel = channels[-1]
    given = {**{other: image + other for other in channels}, channel: spoilt(image + channel, wrong)}
    checked = check(given, ending, (channel, cut) if wrong == "truncated" else None)
    assert checked.problems
    assert all(FOUR.names[channel] in problem.message for problem in checked.problems)
