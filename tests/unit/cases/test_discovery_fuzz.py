"""Folders as nobody would think of them: what is found is what was meant, or there is a problem."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_mstkd.cases.discovery import Discovery, find_cases
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sequence_name import ALIASES

# The same examples each time: a check must not fail on unchanged code.
FUZZ = settings(derandomize=True, deadline=None)
FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
SEPARATORS = ("_", "-", ".", " ")
# Parts of names that are traps: modalities, indices, words of label maps, of contrast, and of names that are taken; but
# not "ce" and "t2", which belong to the modality in `x_ce_t1w` and `x_t2_flair`.
PARTS = ("p", "BraTS", "sub", "ses-2", "7", "0001", "0003", "é", "t1", "FLAIR", "seg", "post", "to", "dataset")
NEAR_MISSES = ("{}_FLIAR", "{}_0004", "{}_t1_brain", "{}_t1-t2", "{}-t1cee", "{}t1", "{}_t2_to_flair")
JUNK = ("notes.txt", "{}.json", ".{}_t1.nii.gz", "{}_seg.nii.gz", "derivatives/{}_t1.nii.gz", "{}-label.nrrd")

Truth = dict[str, tuple[str, int]]  # path in the folder -> case, channel


@st.composite
def case_names(draw) -> str:
    """Draw the name of a case."""
    parts = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
    return draw(st.sampled_from(SEPARATORS)).join(parts)


@st.composite
def file_names(draw, case: str, channel: int, *, is_own_folder: bool) -> str:
    """Draw a way to name a file."""
    alias = draw(st.sampled_from(ALIASES[channel]))
    alias = draw(st.sampled_from((alias, alias.upper(), alias.lower())))
    ways = [f"{case}_{channel:04d}", f"{case}{draw(st.sampled_from(SEPARATORS))}{alias}"]
    ways += [alias] if is_own_folder else []
    return draw(st.sampled_from(ways)) + draw(st.sampled_from((".nii.gz", ".nrrd", ".NII.GZ")))


@st.composite
def patients(draw) -> tuple[Truth, str]:
    """Draw some patients, and the name of one of them."""
    truth: Truth = {}
    cases = draw(st.lists(case_names(), min_size=1, max_size=4, unique=True))
    for case in cases:
        is_own_folder = draw(st.booleans())
        for channel in draw(st.lists(st.integers(0, 3), min_size=1, unique=True)):
            name = draw(file_names(case, channel, is_own_folder=is_own_folder))
            truth[f"{case}/{name}" if is_own_folder else name] = (case, channel)
    return truth, draw(st.sampled_from(cases))


def discover(*paths: str) -> tuple[Discovery, Truth]:
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).touch()
        discovery = find_cases(Path(folder), FOUR, (".nii.gz", ".nrrd"))
        found = {
            source.file.relative_to(folder).as_posix(): (case.name, channel)
            for case in discovery.cases
            for channel, source in case.sources.items()
        }
    return discovery, found


def assert_never_wrong(discovery: Discovery, found: Truth, truth: Truth) -> None:
    cases = {case.name for case in discovery.cases}
    assert found == {
        path: meaning for path, meaning in truth.items() if meaning[0] in cases
    }  # whole cases, or not at all
    assert discovery.problems or found == truth


@settings(FUZZ, max_examples=200)
@given(patients(), st.lists(st.sampled_from(JUNK), unique=True))
def test_patients_are_found_as_they_are_or_there_is_a_problem(drawn, junk):
    truth, name = drawn
    discovery, found = discover(*truth, *(file.format(name) for file in junk))
    assert_never_wrong(discovery, found, truth)


@settings(FUZZ, max_examples=200)
@given(patients(), st.sampled_from(NEAR_MISSES))
def test_a_near_miss_is_always_a_problem(drawn, near_miss):
    truth, name = drawn
    stray = f"{near_miss.format(name)}.nii.gz"
    discovery, found = discover(*truth, stray)
    assert stray not in found
    assert any(stray in problem.message for problem in discovery.problems)
    assert_never_wrong(discovery, found, truth)


@settings(FUZZ, max_examples=200)
@given(
    st.lists(st.from_regex(r"[ -.0-~]{0,12}(\.nii\.gz|\.nrrd|\.dcm|\.txt)", fullmatch=True), unique=True, max_size=5)
)
def test_any_names_are_taken_without_an_error(names):
    discovery, found = discover(*names)
    assert len(found) + len(discovery.problems) + len(discovery.ignored) >= len(names)
