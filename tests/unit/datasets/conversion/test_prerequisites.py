"""What is refused before any image is read, and what must not be."""

import json
from dataclasses import replace

import pytest

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.conversion import convert
from nnunetv2_mstkd.datasets.conversion.convert import plan_conversion
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.errors import ConversionError

NAMES = [f"BraTS2021_0000{i}" for i in (1, 2, 3)]


class ImagesWereReadError(Exception):
    """The refusal came too late."""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Return a function that plans a conversion, and fails where it comes to the images."""

    def read(*_, **__):
        raise ImagesWereReadError

    monkeypatch.setattr(convert, "check_dataset", read)

    def make(source, **options):
        out, root = tmp_path / "Dataset137_BraTS", LinkRoot.of(str(source.folder))
        return plan_conversion(source, out, root, ConversionOptions(**options))

    return make


def passes(plan, source, **options) -> None:
    with pytest.raises(ImagesWereReadError):
        plan(source, **options)


def test_a_preset_that_is_not_for_these_labels(make_source, plan):
    source = replace(make_source(), label_set=LabelSet({1: "lesion"}))
    with pytest.raises(ConversionError, match="preset 'nnunet' is for the labels of brain tumours"):
        plan(source, preset="nnunet")
    passes(plan, source)


@pytest.mark.parametrize("skip_faulty", [False, True])
def test_a_partition_that_is_not_there(make_source, plan, skip_faulty):
    with pytest.raises(ConversionError, match="no partition 'p'"):
        plan(make_source(), partition="p", skip_faulty=skip_faulty)


def test_a_partition_that_lacks_a_patient_who_may_not_be_left_out(make_source, plan):
    source = replace(make_source(), partitions={"p": {NAMES[0]: "1", NAMES[1]: "2"}})
    with pytest.raises(ConversionError, match="'p' lacks 1 patient"):
        plan(source, partition="p")
    passes(plan, source, partition="p", skip_faulty=True)  # the patient's images may be unreadable


def test_splits_that_cannot_be_used(make_source, plan, tmp_path):
    file = tmp_path / "splits.json"
    file.write_text(json.dumps([{"train": [NAMES[0], "x"], "val": NAMES[1:]}]))
    with pytest.raises(ConversionError, match=r"train names 1 case \(x\) that the dataset does not have"):
        plan(make_source(), splits=file)
    source = replace(make_source(), problems=(Problem("x", "it has a label map but no image"),))
    passes(plan, source, splits=file)  # else the reason why it is not there would not be told
    with pytest.raises(ConversionError, match="No such file"):
        plan(make_source(), splits=tmp_path / "none.json")


def test_one_patient_only(make_source, plan):
    with pytest.raises(ConversionError, match="1 case of one patient only"):
        plan(make_source(num_patients=1))
    source = make_source(num_patients=2)
    source = replace(source, problems=(Problem(source.cases[0].name, "doubled"),))
    passes(plan, source)  # it is to be mended
    with pytest.raises(ConversionError, match="one patient only"):
        plan(source, skip_faulty=True)


@pytest.mark.parametrize("storage", ["link", "copy", "symlink"])
def test_names_in_which_nnunet_would_replace_a_variable_where_files_are_linked(
    make_source, but, plan, tmp_path, storage
):
    source = make_source()
    images = dict(source.cases[1].images)
    images[2] = replace(images[2], file=tmp_path / "source" / "a$b" / "t2.nii.gz")
    for odd in (but(source, 1, images=images), but(source, 1, name="case$1")):
        if storage == "link":
            with pytest.raises(ConversionError, match="use --copy or --symlink"):
                plan(odd)
        else:
            passes(plan, odd, storage=storage)


def test_names_of_label_maps_count_only_where_these_stay_in_their_place(make_source, but, plan, tmp_path):
    label = tmp_path / "source" / "seg$b.nii.gz"
    with pytest.raises(ConversionError, match=r"here '\$b'"):
        plan(but(make_source("brats2023"), 0, label=label))
    passes(plan, but(make_source("brats2021"), 0, label=label))  # renumbered, so written anew
