"""Which archives may be unpacked."""

import stat
import zipfile
from zipfile import ZipInfo

import pytest

from nnunetv2_mstkd.errors import ModelArchiveError
from nnunetv2_mstkd.sharing.archive_check import HARMLESS_BYTES, MAX_RATIO, check_members

MODEL = "Dataset137_BraTS/nnUNetTrainer__nnUNetPlans__3d_fullres"
PLANS = ZipInfo(f"{MODEL}/plans.json")


def member(name: str, **attributes: int) -> ZipInfo:
    info = ZipInfo("x")
    info.filename = info.orig_filename = name  # as in a file of somebody else's making
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def test_models_and_what_belongs_to_them_are_found():
    names = ["plans.json", "fold_0/checkpoint_final.pth", "fold_0/progress.png", "LICENSE", "MODEL_CARD.md"]
    second = "Dataset137_BraTS/nnUNetTrainer__nnUNetPlans__2d"
    members = [ZipInfo(f"{folder}/{name}") for folder in (MODEL, second) for name in names]
    contents = check_members([ZipInfo("Dataset137_BraTS/"), *members], 1000)
    assert contents.models == (second, MODEL)
    assert contents.members == tuple(members)
    assert not contents.left_out


@pytest.mark.parametrize(
    "name",
    [
        f"{MODEL}/crossval_results_folds_0_1_2_3_4/postprocessing.pkl",
        f"{MODEL}/fold_0/validation/case.nii.gz",
        f"{MODEL}/run.py",
        "Dataset137_BraTS/ensembles/ensemble___a___b/postprocessing.json",
        "Dataset137_BraTS/inference_information.txt",
        "__MACOSX/Dataset137_BraTS/._plans.json",
    ],
)
def test_what_is_no_part_of_a_model_is_left_out(name):
    contents = check_members([PLANS, ZipInfo(name)], 1000)
    assert contents.members == (PLANS,)
    assert contents.left_out == (name,)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/plans.json", "absolute"),
        ("../plans.json", r"such as '\.\.'"),
        (f"{MODEL}/../../../plans.json", r"such as '\.\.'"),
        (f"{MODEL}/.. /plans.json", "ends with a dot or a space"),
        (f"{MODEL}/plans.json.", "ends with a dot or a space"),
        (f"{MODEL}//plans.json", "empty part"),
        (f"{MODEL}/./plans.json", "ends with a dot"),
        ("C:/plans.json", "colon"),
        (f"{MODEL}/plans.json:stream", "colon"),
        ("..\\..\\plans.json", "backslash"),
        (f"{MODEL}/plans.json\0.png", "control character"),
        (f"{MODEL}/plans\n.json", "control character"),
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(name, reason):
    with pytest.raises(ModelArchiveError, match=reason):
        check_members([PLANS, member(name)], 1000)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_special_file_is_refused(kind):
    with pytest.raises(ModelArchiveError, match="link or a special file"):
        check_members([PLANS, member(f"{MODEL}/dataset.json", external_attr=(kind | 0o777) << 16)], 1000)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [({"flag_bits": 1}, "encrypted"), ({"compress_type": zipfile.ZIP_LZMA}, "method 14")],
)
def test_what_cannot_be_read_or_compresses_too_well_is_refused(attributes, reason):
    with pytest.raises(ModelArchiveError, match=reason):
        check_members([PLANS, member(f"{MODEL}/dataset.json", **attributes)], 1000)


@pytest.mark.parametrize("other", ["plans.json", "PLANS.json"])
def test_names_that_overwrite_each_other_are_refused(other):
    with pytest.raises(ModelArchiveError, match="more than once"):
        check_members([PLANS, ZipInfo(f"{MODEL}/{other}")], 1000)


@pytest.mark.parametrize("names", [[], ["plans.json"], ["nnUNetTrainer__nnUNetPlans__2d/plans.json"], ["a.txt"]])
def test_an_archive_of_something_else_is_refused(names):
    with pytest.raises(ModelArchiveError, match="no archive of a model"):
        check_members([ZipInfo(name) for name in names], 1000)


def test_a_bomb_is_refused_and_what_is_just_no_bomb_is_not():
    archive_bytes = HARMLESS_BYTES
    allowed = MAX_RATIO * archive_bytes
    weights = f"{MODEL}/fold_0/checkpoint_final.pth"
    assert check_members([member(weights, file_size=allowed)], archive_bytes).num_bytes == allowed
    with pytest.raises(ModelArchiveError, match="would unpack to"):
        check_members([member(weights, file_size=allowed + 1)], archive_bytes)


def test_a_small_archive_may_compress_well():
    assert check_members([member(f"{MODEL}/plans.json", file_size=HARMLESS_BYTES)], 1000)
