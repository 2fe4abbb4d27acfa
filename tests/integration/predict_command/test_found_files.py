"""What `mstkd predict` finds in a folder: names, layouts, formats, and what it is told to use of them."""

import csv

import numpy as np
import pytest
import SimpleITK
from prediction_folder import labels_of, sidecar_of

from nnunetv2_mstkd.cli.predict import NOT_ALL_DONE

pytestmark = pytest.mark.slow


def test_folders_that_mix_names_and_layouts_are_understood(predict, input_folder):
    input_folder("flat", [1, 3])
    input_folder("BraTS-GLI-00001-000", [0, 2], name="{case}/{case}-{brats}")
    folder = input_folder("sub-01", [1], name="sub-01/anat/sub-01_ce-gadolinium_T1w")
    code, output = predict(folder)
    assert code == 0
    used = {case: sidecar_of(output, case)["modalities"]["used"] for case in ("flat", "BraTS-GLI-00001-000", "sub-01")}
    assert used == {"flat": ["T1ce", "FLAIR"], "BraTS-GLI-00001-000": ["T1", "T2"], "sub-01": ["T1ce"]}


def test_names_do_not_matter_to_the_result(predict, input_folder):
    input_folder("a", [1, 3])
    folder = input_folder("b", [1, 3], name="b/{brats}")
    _, output = predict(folder)
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_other_formats_of_the_reader_give_the_same(predict, input_folder, ending):
    folder = input_folder("a", [1, 3])
    for channel in (1, 3):
        image = SimpleITK.ReadImage(str(folder / f"a_000{channel}.nii.gz"))
        SimpleITK.WriteImage(image, str(folder / f"b_000{channel}{ending}"))
    code, output = predict(folder)
    assert code == 0
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))


def test_all_cases_can_be_restricted(predict, input_folder):
    folder = input_folder("a", range(4))
    input_folder("b", [1, 3])
    _, output = predict(folder, "--modalities", "t1gd,t2f")
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))
    assert sidecar_of(output, "a")["modalities"] == {"used": ["T1ce", "FLAIR"], "absent": ["T1", "T2"]}


def test_a_restriction_never_invents_a_file(predict, input_folder, capsys):
    code, output = predict(input_folder("a", [0]), "--modalities", "T1ce")
    assert code == 1
    assert not output.exists()
    assert "a:" in capsys.readouterr().err


def test_a_table_says_it_for_each_case(predict, input_folder, tmp_path):
    input_folder("a", range(4))
    folder = input_folder("b", range(4))
    table = tmp_path / "cases.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([["case", "modalities"], ["a", "T1ce+FLAIR"], ["b", "T2"]])
    code, output = predict(folder, "--modality-table", table)
    assert code == 0
    assert sidecar_of(output, "a")["modalities"]["used"] == ["T1ce", "FLAIR"]
    assert sidecar_of(output, "b")["modalities"]["used"] == ["T2"]


def test_four_dimensional_files_are_read_by_their_channel_order(predict, make_dataset, input_folder, tmp_path):
    dataset = make_dataset("regions")
    images = [SimpleITK.ReadImage(file) for file in dataset.test_files(dataset.test_cases[0])]
    folder = tmp_path / "4d"
    folder.mkdir()
    SimpleITK.WriteImage(SimpleITK.JoinSeries([images[3], images[0], images[1]]), str(folder / "case.nii.gz"))
    _, output = predict(folder, "--channel-order", "FLAIR,-,T1ce")
    _, expected = predict(input_folder("case", [1, 3]), output="expected")
    assert np.array_equal(labels_of(output, "case"), labels_of(expected, "case"))


def test_an_empty_channel_counts_as_absent_with_a_warning(predict, input_folder, capsys):
    folder = input_folder("case", [1, 3])
    zeros = SimpleITK.ReadImage(str(folder / "case_0003.nii.gz")) * 0
    SimpleITK.WriteImage(zeros, str(folder / "case_0003.nii.gz"))
    _, output = predict(folder)
    assert sidecar_of(output, "case")["modalities"]["used"] == ["T1ce"]
    assert "FLAIR" in sidecar_of(output, "case")["warnings"][0]
    assert "warning" in capsys.readouterr().out


def test_a_dedicated_model_gets_its_subset_and_refuses_less(predict, input_folder, trained_model, capsys):
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", settings={"fixed_subset": "T1ce,FLAIR"})
    input_folder("less", [1])
    folder = input_folder("more", range(4))
    code, output = predict(folder, "--on-error", "skip", model=model)
    assert code == NOT_ALL_DONE
    assert sidecar_of(output, "more")["modalities"]["used"] == ["T1ce", "FLAIR"]
    assert "less: has T1ce" in capsys.readouterr().out.replace("less: less", "less")
