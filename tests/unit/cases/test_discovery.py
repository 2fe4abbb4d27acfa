"""From a folder to its cases."""

import pytest

from nnunetv2_mstkd.cases.discovery import Discovery, find_cases
from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
ENDINGS = (".nii.gz", ".nrrd")


@pytest.fixture
def find(folder):
    """Return a function that finds the cases among files of these paths."""

    def run(*paths: str, channel_order=None) -> Discovery:
        return find_cases(folder(*paths), FOUR, ENDINGS, channel_order)

    return run


def found(discovery: Discovery) -> dict[str, dict[int, str]]:
    return {case.name: {c: source.file.name for c, source in case.sources.items()} for case in discovery.cases}


def told(discovery: Discovery) -> list[str]:
    return [str(problem) for problem in discovery.problems]


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_one_flat_folder_may_mix_the_ways_of_naming(find):
    discovery = find("b_0003.nii.gz", "b_0001.nii.gz", "a_t1ce.nii.gz", "a_FLAIR.nrrd", "sub-01_ce-gd_T1w.nii.gz")
    assert not discovery.problems
    assert [case.name for case in discovery.cases] == ["a", "b", "sub-01"]
    assert found(discovery)["a"] == {1: "a_t1ce.nii.gz", 3: "a_FLAIR.nrrd"}
    assert found(discovery)["b"] == {1: "b_0001.nii.gz", 3: "b_0003.nii.gz"}
    assert found(discovery)["sub-01"] == {1: "sub-01_ce-gd_T1w.nii.gz"}


def test_a_folder_per_patient_may_give_the_case_its_name(find):
    discovery = find("BraTS-1/BraTS-1-t1n.nii.gz", "BraTS-1/BraTS-1-seg.nii.gz", "p7/t1.nii.gz", "p7/flair.nii.gz")
    assert not discovery.problems
    assert found(discovery) == {"BraTS-1": {0: "BraTS-1-t1n.nii.gz"}, "p7": {0: "t1.nii.gz", 3: "flair.nii.gz"}}
    assert [path.name for path in discovery.ignored] == ["BraTS-1-seg.nii.gz"]


def test_the_folder_of_one_patient_may_be_given_itself(folder, monkeypatch):
    root = folder("t1.nii.gz", "t2.nii.gz")
    monkeypatch.chdir(root)
    for given in (root, root / ".", type(root)(".")):
        assert found(find_cases(given, FOUR, ENDINGS)) == {"input": {0: "t1.nii.gz", 2: "t2.nii.gz"}}


def test_bids_trees_are_followed(find):
    anat = "sub-01/ses-{0}/anat/sub-01_ses-{0}_{1}.nii.gz"
    discovery = find(
        anat.format(1, "T1w"), anat.format(1, "ce-gd_T1w"), anat.format(2, "FLAIR"), "derivatives/x.nii.gz"
    )
    assert not discovery.problems
    assert {name: list(files) for name, files in found(discovery).items()} == {
        "sub-01_ses-1": [0, 1],
        "sub-01_ses-2": [3],
    }
    assert [path.name for path in discovery.ignored] == ["derivatives"]


# --- 4D files --------------------------------------------------------------------------------------------------------


def test_volumes_of_4d_files_are_the_channels_of_the_order(find):
    discovery = find("a.nii.gz", "b_0000.nii.gz", "a_seg.nii.gz", channel_order=["FLAIR", None, "t1gd"])
    assert not discovery.problems
    assert [case.name for case in discovery.cases] == ["a", "b_0000"]
    sources = discovery.cases[0].sources
    assert {channel: source.volume for channel, source in sources.items()} == {1: 2, 3: 0}
    assert {source.num_volumes for source in sources.values()} == {3}


def test_4d_files_of_one_name_are_called_as_their_folders(find):
    discovery = find("p/data.nii.gz", "q/Data.nrrd", "r/own.nii.gz", channel_order=["T1", "T2"])
    assert [case.name for case in discovery.cases] == ["own", "p", "q"]


def test_4d_files_that_are_one_case_are_told_once(find):
    discovery = find("a.nii.gz", "a.nrrd", channel_order=["T1", "T2"])
    assert told(discovery) == ["a: T1, T2 is there more than once: a.nii.gz and a.nrrd. Leave one of them"]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["T1", "FLIAR"], "Did you mean 'FLAIR'"),
        (["T1", None, "t1n"], "'T1,-,t1n' names T1 twice"),
        ([None], "no modality"),
    ],
)
def test_a_wrong_channel_order_is_refused(find, order, says):
    with pytest.raises(ModalityError, match=says):
        find("a.nii.gz", channel_order=order)


# --- what is wrong with files ----------------------------------------------------------------------------------------


def test_a_name_that_fits_nothing_stops_the_case_it_begins_with(find):
    discovery = find("good_t1.nii.gz", "bad_t1.nii.gz", "bad_FLIAR.nii.gz", "bad_2_t1.nii.gz")
    assert list(found(discovery)) == ["bad_2", "good"]
    assert [problem.case for problem in discovery.problems] == ["bad"]
    assert "bad_FLIAR.nii.gz: its name ends in no modality (did you mean 'FLAIR'?)" in told(discovery)[0]


def test_a_name_that_fits_nothing_stops_the_patient_of_its_folder(find):
    discovery = find("p/t1.nii.gz", "p/x.nii.gz", "q/t1.nii.gz", "own_t1.nii.gz", "other.nii.gz")
    assert list(found(discovery)) == ["own", "q"]  # a flat folder is no patient's
    assert [problem.case for problem in discovery.problems] == ["other", "p"]


def test_images_of_other_formats_are_problems(find):
    discovery = find("p/t1.nii.gz", "p/t2.dcm", "q_t1.mha")
    assert told(discovery) == [
        "p: p/t2.dcm: another format: this model reads .nii.gz, .nrrd",
        "q_t1: q_t1.mha: another format: this model reads .nii.gz, .nrrd",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x_0001.nii.gz", "x_t1ce.nii.gz"),
        ("x_t1.nii.gz", "x_t1.nrrd"),
        ("x_t1n.nii.gz", "x-T1w.nii.gz"),
        ("sub-01_run-1_T1w.nii.gz", "sub-01_run-2_T1w.nii.gz"),
        ("sub-01_FLAIR.nii.gz", "sub-01_acq-3D_FLAIR.nii.gz"),
    ],
)
def test_a_channel_that_comes_twice_names_both_files(find, first, second):
    discovery = find(first, second)
    assert not discovery.cases
    (problem,) = told(discovery)
    assert "is there more than once" in problem
    assert first in problem
    assert second in problem


# --- what is wrong with cases ----------------------------------------------------------------------------------------


def test_the_files_of_a_case_lie_in_one_folder(find):
    discovery = find("a/x_t1.nii.gz", "b/x_t2.nii.gz", "x_flair.nii.gz")
    assert told(discovery) == ["x: its files lie in several folders, ., a, b: those of a case belong in one"]


@pytest.mark.parametrize(("one", "other"), [("Case", "case"), ("p-1", "p_1"), ("p\u00e9", "pe\u0301")])
def test_names_that_nearly_agree_are_problems(find, one, other):
    discovery = find(f"{one}_t1.nii.gz", f"{other}_flair.nii.gz", "good_t1.nii.gz")
    assert list(found(discovery)) == ["good"]
    assert sorted(problem.case for problem in discovery.problems) == sorted([one, other])
    assert repr(other) in next(problem.message for problem in discovery.problems if problem.case == one)


def test_files_of_one_folder_are_named_alike(find):
    discovery = find("p/t1.nii.gz", "p/patient_t2.nii.gz", "q/t1.nii.gz", "q/q_t2.nii.gz")
    assert found(discovery) == {"q": {0: "t1.nii.gz", 2: "q_t2.nii.gz"}}
    assert [problem.case for problem in discovery.problems] == ["p", "patient"]


def test_an_index_in_the_case_s_name_is_seen(find):
    discovery = find(
        "x_0000_t1.nii.gz", "x_0003_flair.nii.gz", "y_0000_t1.nii.gz", "y_0001_t2.nii.gz", "z_0001_t1ce.nrrd"
    )
    assert list(found(discovery)) == ["y_0000", "y_0001", "z_0001"]  # numbers of patients
    assert [problem.case for problem in discovery.problems] == ["x_0000", "x_0003"]
    assert [problem.case for problem in find("z_0001_t1ce.nrrd", "z_0002.nii.gz").problems][-1] == "z_0001"


@pytest.mark.parametrize("name", ["dataset", "Plans", "predict_from_raw_data_args", "mstkd_run", "mstkd_run_3", "a\nb"])
def test_names_that_cannot_be_those_of_outputs_are_problems(find, name):
    discovery = find(f"{name}_t1.nii.gz")
    assert not discovery.cases
    assert [problem.case for problem in discovery.problems] == [name]


def test_a_problem_in_one_case_leaves_the_others(find):
    discovery = find("a_t1.nii.gz", "a_t1.nrrd", "b_t1.nii.gz")
    assert list(found(discovery)) == ["b"]
    assert len(discovery.problems) == 1


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_without_images_is_a_problem_of_the_whole(find):
    discovery = find("readme.md", "x_seg.nii.gz")
    assert [problem.case for problem in discovery.problems] == [""]
    assert "has no image: looked for files that end in .nii.gz, .nrrd" in told(discovery)[0]
    assert [path.name for path in discovery.ignored] == ["readme.md", "x_seg.nii.gz"]


def test_what_is_no_folder_is_refused(folder):
    for path in ("nothing", "a_t1.nii.gz"):
        with pytest.raises(CaseError, match=f"{path} is no folder"):
            find_cases(folder("a_t1.nii.gz") / path, FOUR, ENDINGS)


def test_a_folder_that_cannot_be_read_is_refused(folder, monkeypatch):
    root = folder("p/t1.nii.gz")

    def refuse(path):
        raise PermissionError(f"Permission denied: {path}")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(CaseError, match="input cannot be listed: Permission denied"):
        find_cases(root, FOUR, ENDINGS)
