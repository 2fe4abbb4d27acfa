"""Every layout is recognised, and each case found with its patient, images and label; what is wrong is told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from source_layouts import MODALITIES, ROWS, write_source

from nnunetv2_mstkd.datasets.conversion.grouped_folds import grouped_folds
from nnunetv2_mstkd.datasets.layouts.ambiguity import settle
from nnunetv2_mstkd.datasets.layouts.described import layout_from_description
from nnunetv2_mstkd.datasets.layouts.label_names import parse_labels
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.scan import scan
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME
from nnunetv2_mstkd.errors import ConversionError

TOLD_BY_USER = {"brats2023-ped": "brats2023-ped"}  # nothing in it tells it from the later ones


def found(dataset: SourceDataset) -> list[tuple]:
    return [
        (c.name, c.patient, {MODALITIES[i]: s.file for i, s in c.images.items()}, c.label, c.note)
        for c in dataset.cases
    ]


def expected(cases) -> list[tuple]:
    return [(c.name, c.patient, dict(c.images), c.label, c.note) for c in cases]


def problems(folder: Path, **options) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for problem in scan(folder, **options).problems:
        told.setdefault(problem.case, []).append(problem.message)
    return told


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("layout", ROWS)
def test_a_dataset_is_recognised_and_each_case_found(tmp_path, layout, ending):
    cases = write_source(tmp_path, layout, ending=ending, num_patients=2)
    scanned = scan(tmp_path, TOLD_BY_USER.get(layout))
    assert scanned.problems == ()
    assert found(scanned) == expected(cases)
    dataset = settle(scanned, {0, *ROWS[layout].values.values()})
    assert dataset.layout == layout
    assert {meaning: value for value, meaning in dataset.label_set.meanings.items()} == dict(ROWS[layout].values)
    assert dataset.modalities.names == MODALITIES


@pytest.mark.parametrize("layout", ROWS)
def test_every_file_is_a_part_of_a_case_or_listed_as_ignored(tmp_path, layout):
    cases = write_source(tmp_path, layout, num_patients=1)
    used = {file for case in cases for file in (*case.images.values(), case.label)}
    ignored = scan(tmp_path).ignored
    assert list(ignored) == sorted(ignored)
    assert {*used, *ignored} == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert not used & set(ignored)


@pytest.mark.parametrize(
    ("layout", "name", "reason"),
    [
        ("brats2021", "._BraTS2021_00001_t1.nii.gz", "hidden"),
        ("fets2022", "partitioning_1.csv", "no image"),
        ("ucsf-pdgm", "UCSF-PDGM-0001_ADC.nii.gz", "no image of this layout"),
        ("brats-ssa", "BraTS-SSA-00999-000-t1n.nii.gz", "left out"),
        ("upenn-gbm", "UPENN-GBM-00001_11_automated_approx_segm.nii.gz", "unused label map"),
    ],
)
def test_what_is_ignored_has_its_reason(tmp_path, layout, name, reason):
    write_source(tmp_path, layout, num_patients=1)
    assert {path.name: why for path, why in scan(tmp_path).ignored.items()}[name] == reason


@pytest.mark.parametrize("layout", [name for name in ROWS if name != "msd-brain"])
def test_a_case_without_a_modality_simply_lacks_it(tmp_path, layout):
    cases = write_source(tmp_path, layout, num_patients=2, absent={0: ("T1ce", "FLAIR")})
    dataset = scan(tmp_path)
    assert dataset.problems == ()
    assert found(dataset) == expected(cases)
    assert set(dataset.cases[0].images) == {0, 2}


def test_volumes_of_a_4d_file_have_the_decathlons_order(tmp_path):
    write_source(tmp_path, "msd-brain", num_patients=1)
    images = scan(tmp_path).cases[0].images
    # FLAIR, T1w, t1gd, T2w in the file; T1, T1ce, T2, FLAIR in the dataset
    assert [images[channel].volume for channel in range(4)] == [1, 2, 3, 0]
    assert {source.num_volumes for source in images.values()} == {4}


def test_visits_are_scans_of_one_patient_and_stay_on_one_side_of_a_split(tmp_path):
    cases = [f"BraTS-GLI-{patient:05d}-{visit:03d}" for patient in range(4) for visit in (0, 1)]
    for case in cases:
        (tmp_path / case).mkdir()
        for ending in ("t1n", "t1c", "t2w", "t2f", "seg"):
            (tmp_path / case / f"{case}-{ending}.nii.gz").touch()
    patients = {case.name: case.patient for case in scan(tmp_path).cases}
    assert patients == {case: case[:-4] for case in cases}
    for fold in grouped_folds(patients, (), folds=4):
        assert not {case[:-4] for case in fold["train"]} & {case[:-4] for case in fold["val"]}


def test_partitions_of_fets_come_along(tmp_path):
    write_source(tmp_path, "fets2022")
    assert scan(tmp_path).partitions["partitioning_1"] == {
        "FeTS2022_00001": "1",
        "FeTS2022_00002": "2",
        "FeTS2022_00003": "1",
    }


def test_labels_that_the_user_gives_count_before_the_layouts(tmp_path):
    write_source(tmp_path, "brats2021", num_patients=1)
    assert scan(tmp_path, labels=parse_labels("1=ED,2=NCR,3=ET")).label_set == LabelSet({1: "ED", 2: "NCR", 3: "ET"})


@pytest.mark.parametrize(
    ("layout", "labels", "name", "title"),
    [
        ("brats2023", "1=NCR,2=ED,3=ET,4=RC", "brats-gli-post", "BraTS 2024-26 GLI, post-treatment"),
        ("brats2023", "1=NCR,2=ED,3=ET", "brats2023", "BraTS 2023 GLI"),
        ("brats2023", "2=ED,4=RC", "brats-gli-post", "BraTS 2024-26 GLI, post-treatment"),
        ("brats-ped", "1=NCR,2=ED,3=ET", "brats2023-ped", "BraTS 2023 PED"),
        ("brats-ped", "1=ET,2=NCR,4=ED", "brats-ped", "BraTS 2024-26 PED"),
        ("brats-ped", "1=ED,2=NCR,3=ET", "brats-ped", "BraTS 2024-26 PED or BraTS 2023 PED"),  # neither has these
    ],
)
def test_labels_that_the_user_gives_tell_the_layout_where_names_do_not(tmp_path, layout, labels, name, title):
    write_source(tmp_path, layout, num_patients=1)
    dataset = scan(tmp_path, labels=parse_labels(labels))
    assert (dataset.layout, dataset.title, dataset.readings) == (name, title, ())


def test_labels_that_make_no_regions_although_they_are_a_tumours_are_told(tmp_path):
    write_source(tmp_path, "brats2021", num_patients=1)
    (warning,) = scan(tmp_path, labels=parse_labels("2=ED,4=ET")).warnings
    assert str(warning).startswith("2=ED, 4=ET become plain labels")
    for labels in (None, parse_labels("1=liver,2=spleen"), parse_labels("1=NCR,2=ED,3=ET,4=RC")):
        assert scan(tmp_path, labels=labels).warnings == ()


def test_the_test_part_is_passed_over(tmp_path):
    write_source(tmp_path, "brats2020", num_patients=1)
    case = "BraTS20_Validation_007"
    home = tmp_path / "MICCAI_BraTS2020_ValidationData" / case
    home.mkdir(parents=True)
    for suffix in ("t1", "t1ce", "t2", "flair"):
        (home / f"{case}_{suffix}.nii.gz").touch()
    dataset = scan(tmp_path)
    assert dataset.problems == ()
    assert [c.name for c in dataset.cases] == ["BraTS20_Training_355"]
    assert dataset.ignored[home / f"{case}_t1.nii.gz"] == "test part"


def touch_case(folder: Path, case: str, *endings: str) -> None:
    for ending in ("_t1", "_t1ce", "_t2", "_flair", *endings):
        (folder / case).mkdir(parents=True, exist_ok=True)
        (folder / case / f"{case}{ending}.nii.gz").touch()


def test_a_training_case_among_the_test_cases_is_not_hidden(tmp_path):
    touch_case(tmp_path / "ValidationData", "BraTS20_Validation_001")
    touch_case(tmp_path / "ValidationData", "BraTS20_Training_002")
    touch_case(tmp_path / "TrainingData", "BraTS20_Training_003", "_seg")
    dataset = scan(tmp_path)
    assert [case.name for case in dataset.cases] == ["BraTS20_Training_002", "BraTS20_Training_003"]
    assert [(problem.case, "no label map" in problem.message) for problem in dataset.problems] == [
        ("BraTS20_Training_002", True)
    ]


def test_labels_in_what_is_called_like_a_test_part_are_told(tmp_path):
    for case, endings in {"BraTS2021_00001": ["_seg"], "BraTS2021_00002": ["_seg"], "BraTS2021_00003": []}.items():
        touch_case(tmp_path / "a/my_validation", case, *endings)
    dataset = scan(tmp_path)
    assert [case.name for case in dataset.cases] == ["BraTS2021_00001", "BraTS2021_00002"]
    (warning,) = dataset.warnings
    assert "a/my_validation is called like a test part, but 2 of 3 cases" in str(warning)
    touch_case(tmp_path, "BraTS2021_00004", "_seg")  # elsewhere: nothing to tell
    assert scan(tmp_path).warnings == dataset.warnings


def test_a_test_case_with_a_label_is_told_wherever_it_lies(tmp_path):
    touch_case(tmp_path / "TrainingData", "BraTS20_Validation_001", "_seg")
    (warning,) = scan(tmp_path).warnings
    assert "TrainingData/BraTS20_Validation_001 is called like a test part" in str(warning)


def test_a_folder_with_the_test_part_alone_is_refused(tmp_path):
    (tmp_path / "BraTS20_Validation_001_t1.nii.gz").touch()
    with pytest.raises(ConversionError, match="test part only"):
        scan(tmp_path)


def test_a_folder_called_like_a_file_stands_for_the_image_in_it(tmp_path):
    (case,) = write_source(tmp_path, "brats2021", num_patients=1)
    folder = case.images["FLAIR"]
    inside = folder / "00000057_brain_flair.nii"
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    (tmp_path / "moved").rename(inside)
    dataset = scan(tmp_path)
    assert dataset.problems == ()
    assert dataset.cases[0].images[3].file == inside


# problems -------------------------------------------------------------------------------------------------------------


def test_a_missing_label_is_a_problem(tmp_path):
    cases = write_source(tmp_path, "brats2021")
    cases[1].label.unlink()
    told = problems(tmp_path)
    assert list(told) == [cases[1].name]
    assert "no label map" in told[cases[1].name][0]


def test_an_image_with_both_endings_is_a_problem(tmp_path):
    (case,) = write_source(tmp_path, "brats2021", num_patients=1)
    shutil.copy(case.images["T2"], case.images["T2"].with_suffix(""))
    (message,) = problems(tmp_path)[case.name]
    assert message.startswith("T2 is there more than once")
    assert f"{case.name}_t2.nii," in message
    assert f"{case.name}_t2.nii.gz" in message


def test_a_case_of_one_name_in_both_grades_is_a_problem(tmp_path):
    case, _ = write_source(tmp_path, "brats2018", num_patients=2)
    copy = tmp_path / "LGG" / case.name
    shutil.copytree(tmp_path / "HGG" / case.name, copy)
    assert any("more than once" in message for message in problems(tmp_path)[case.name])
    # also where no channel is there twice
    for name in ("_t1", "_t2", "_seg"):
        (copy / f"{case.name}{name}.nii.gz").unlink()
    for name in ("_flair", "_t1ce"):
        (tmp_path / "HGG" / case.name / f"{case.name}{name}.nii.gz").unlink()
    assert any("several places, HGG/" in message for message in problems(tmp_path)[case.name])


def test_a_label_that_lies_elsewhere_is_a_problem(tmp_path):
    case, other = write_source(tmp_path, "brats2021", num_patients=2)
    case.label.rename(other.label.with_name(case.label.name))
    assert "does not lie beside its images" in problems(tmp_path)[case.name][0]


def test_a_label_without_images_is_a_problem(tmp_path):
    case, _ = write_source(tmp_path, "upenn-gbm", num_patients=1)
    shutil.rmtree(tmp_path / "NIfTI-files/images_structural" / case.name)
    assert "but no image of" in problems(tmp_path)[case.name][0]


def test_a_folder_of_a_case_without_images_is_a_problem(tmp_path):
    case, _ = write_source(tmp_path, "ucsf-pdgm", num_patients=1)
    for file in (*case.images.values(), case.label):
        file.unlink()
    assert problems(tmp_path) == {case.name: [f"the folder {case.name}_nifti has no image of the layout 'ucsf-pdgm'"]}


def test_an_absent_modality_is_not_taken_for_granted_where_a_file_is_called_like_it(tmp_path):
    (case,) = write_source(tmp_path, "brats2021", num_patients=1)
    case.images["T1ce"].rename(case.images["T1ce"].with_name(f"{case.name}_t1gd.nii.gz"))
    (message,) = problems(tmp_path)[case.name]
    assert message == f"it has no T1ce, but {case.name}_t1gd.nii.gz is called like one: rename it"


def test_cases_whose_names_differ_in_case_only_are_a_problem(tmp_path):
    (case,) = write_source(tmp_path, "brats2021", num_patients=1)
    case.images["T1"].rename(case.images["T1"].with_name(f"{case.name.upper()}_t1.nii.gz"))
    told = problems(tmp_path)
    assert set(told) == {case.name, case.name.upper()}


@pytest.mark.parametrize(
    ("old", "new"), [("_ce-gadolinium_T1w", "_acq-gd_T1w"), ("_ce-gadolinium_T1w", "_ce-none_T1w")]
)
def test_an_unclear_name_of_bids_is_a_problem(tmp_path, old, new):
    case = write_source(tmp_path, "bids", num_patients=1, absent={0: ("T1",)})[0]
    case.images["T1ce"].rename(str(case.images["T1ce"]).replace(old, new))
    assert any("is unclear" in message for message in problems(tmp_path)[case.name])


@pytest.mark.parametrize(("modality", "entity"), [("T1", "_acq-Gd3D"), ("T1", "_acq-mprageC"), ("T1ce", "_acq-native")])
def test_an_entity_of_bids_that_contradicts_the_channel_is_a_problem(tmp_path, modality, entity):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    image = case.images[modality]
    image.rename(image.with_name(image.name.replace(case.name, case.name + entity)))
    (message,) = problems(tmp_path)[case.name]
    assert entity[1:] in message


SIDECAR = "ContrastBolusIngredient"


def write_sidecar(case, modality: str, content: str) -> None:
    Path(str(case.images[modality]).removesuffix(".nii.gz") + ".json").write_text(content)


@pytest.mark.parametrize(
    ("modality", "content", "message"),
    [
        ("T1", {SIDECAR: "GADOLINIUM"}, f"has {SIDECAR} 'GADOLINIUM'"),
        ("T1", {SIDECAR: "UNKNOWN"}, f"has {SIDECAR} 'UNKNOWN'"),
        ("T1ce", {SIDECAR: "None"}, f"has {SIDECAR} 'None'"),
    ],
)
def test_a_sidecar_that_contradicts_the_name_is_a_problem(tmp_path, modality, content, message):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    write_sidecar(case, modality, json.dumps(content))
    told = problems(tmp_path)
    assert list(told) == [case.name]
    assert message in told[case.name][0]


@pytest.mark.parametrize(
    ("modality", "content"),
    [
        ("T1", {SIDECAR: "NONE"}),
        ("T1", {SIDECAR: ""}),
        ("T1", {SIDECAR: None}),
        ("T1ce", {SIDECAR: "GADOLINIUM"}),
        ("T2", {SIDECAR: "GADOLINIUM"}),  # is taken after the agent was given, as often as not
    ],
)
def test_a_sidecar_that_agrees_with_the_name_is_none(tmp_path, modality, content):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    write_sidecar(case, modality, json.dumps(content))
    assert problems(tmp_path) == {}


def test_the_sidecar_of_the_image_without_agent_says_nothing_of_the_other(tmp_path):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    write_sidecar(case, "T1", json.dumps({SIDECAR: "NONE"}))
    Path(str(case.images["T1ce"]).replace(".nii.gz", ".json")).unlink()
    assert problems(tmp_path) == {}


def test_the_nearest_sidecar_that_tells_of_an_agent_counts(tmp_path):
    cases = write_source(tmp_path, "bids", num_patients=1)
    (tmp_path / "T1w.json").write_text(json.dumps({SIDECAR: "GADOLINIUM"}))  # of all, wherever they lie
    assert set(problems(tmp_path)) == {case.name for case in cases}
    for case in cases:
        write_sidecar(case, "T1", json.dumps({SIDECAR: "NONE"}))
    assert problems(tmp_path) == {}


def test_a_damaged_sidecar_is_a_problem(tmp_path):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    write_sidecar(case, "T1", "{")
    assert "cannot be read" in problems(tmp_path)[case.name][0]


def test_a_name_that_means_something_else_to_predict_is_a_problem(tmp_path):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    channels = dict(BY_NAME["bids"].channels)
    swapped = replace(BY_NAME["bids"], channels=channels | {"T2": channels["FLAIR"], "FLAIR": channels["T2"]})
    assert len(problems(tmp_path, described=swapped)[case.name]) == 2


def test_two_runs_of_one_contrast_are_a_problem(tmp_path):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    shutil.copy(case.images["T2"], case.images["T2"].with_name(f"{case.name}_run-2_T2w.nii.gz"))
    assert "T2 is there more than once" in problems(tmp_path)[case.name][0]


def test_two_label_maps_of_a_case_are_a_problem(tmp_path):
    case = write_source(tmp_path, "bids", num_patients=1)[0]
    other = Path(str(case.label).replace("manual", "other"))
    shutil.copy(case.label, other)
    assert "several label maps" in problems(tmp_path)[case.name][0]


def test_labels_of_derivatives_that_we_wrote_are_read_back(tmp_path):
    case, other = write_source(tmp_path, "bids", num_patients=1)
    shutil.rmtree(tmp_path / "derivatives")
    derivatives = tmp_path / "derivatives/mstkd"
    for one in (case, other):
        label = derivatives / one.patient / one.name.rpartition("_")[2] / f"anat/{one.name}_desc-mstkd_dseg.nii.gz"
        label.parent.mkdir(parents=True)
        label.touch()
        label.with_name(label.name.replace(".nii.gz", ".json")).write_text('{"Manual": false}')
    (derivatives / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    (derivatives / "dseg.tsv").write_text(
        "index\tname\tabbreviation\n0\tBackground\tBG\n1\tNecrotic tumour core\tNCR\n"
        "2\tPeritumoural oedema\tED\n3\tEnhancing tumour\tET\n4\tResection cavity\tRC\n5\tCystic component\tCC\n"
    )
    dataset = scan(tmp_path)
    assert dataset.problems == ()
    assert [c.label.name for c in dataset.cases] == [f"{c.name}_desc-mstkd_dseg.nii.gz" for c in (case, other)]
    assert dataset.label_set.meanings == {1: "NCR", 2: "ED", 3: "ET", 4: "RC", 5: "CC"}


def test_labels_of_bids_without_a_table_are_left_to_the_values(tmp_path):
    write_source(tmp_path, "bids", num_patients=1)
    (tmp_path / "derivatives/manual/dseg.tsv").unlink()
    dataset = scan(tmp_path)
    assert dataset.label_set is None
    with pytest.raises(ConversionError, match="which can mean"):
        settle(dataset, {0, 1, 2, 3})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("modality", {"0": "T1w", "1": "t1gd", "2": "T2w", "3": "FLAIR"}, "the volumes are T1w, t1gd, T2w, FLAIR"),
        ("labels", {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing tumor"}, "the labels are"),
    ],
)
def test_a_decathlon_dataset_that_says_something_else_is_refused(tmp_path, key, value, message):
    write_source(tmp_path, "msd-brain", num_patients=1)
    file = tmp_path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(ConversionError, match=message):
        scan(tmp_path)


def test_labels_that_the_user_gives_count_before_those_of_a_decathlon_dataset(tmp_path):
    write_source(tmp_path, "msd-brain", num_patients=1)
    labels = parse_labels("1=NCR,2=ED,3=ET")
    assert scan(tmp_path, labels=labels).label_set == labels


# layouts that are described -------------------------------------------------------------------------------------------

OWN = {
    "images": "scans/{modality}/{case}.nrrd",
    "label": "masks/{case}.nii.gz",
    "modalities": {"CT": "ct", "PET": ["pet", "fdg"], "MR": "mr"},
    "labels": {"1": "lesion", "5": "node"},
    "patient": r"(p\d+)_.*",
}


def write_own(folder: Path, cases=("p1_a", "p1_b", "p2_a")) -> None:
    for case in cases:
        for path in (f"scans/ct/{case}.nrrd", f"scans/fdg/{case}.nrrd", f"masks/{case}.nii.gz"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()


def test_a_described_layout_is_scanned(tmp_path):
    write_own(tmp_path)
    (tmp_path / "scans/ct/notes.txt").touch()
    dataset = scan(tmp_path, described=layout_from_description(OWN))
    assert dataset.problems == ()
    assert [(case.name, case.patient, set(case.images)) for case in dataset.cases] == [
        ("p1_a", "p1", {0, 1}),
        ("p1_b", "p1", {0, 1}),
        ("p2_a", "p2", {0, 1}),
    ]
    assert dataset.modalities.names == ("CT", "PET", "MR")
    assert dataset.label_set.meanings == {1: "lesion", 5: "node"}
    assert dataset.ignored == {tmp_path / "scans/ct/notes.txt": "no image"}


@pytest.mark.parametrize(
    ("cases", "patients", "told"),
    [
        (("BraTS-GLI-00005-100", "BraTS-GLI-00005-101"), ["BraTS-GLI-00005"] * 2, True),
        (("BraTS2021_00005", "BraTS2021_00006"), ["BraTS2021_00005", "BraTS2021_00006"], True),
        (("a_1", "a_2"), ["a_1", "a_2"], False),
    ],
)
def test_without_a_described_patient_names_that_are_known_tell_it(tmp_path, cases, patients, told):
    write_own(tmp_path, cases)
    own = {key: value for key, value in OWN.items() if key != "patient"}
    dataset = scan(tmp_path, described=layout_from_description(own))
    assert dataset.problems == ()
    assert [(case.patient, case.is_patient_told) for case in dataset.cases] == [(patient, told) for patient in patients]


def test_files_that_are_numbered_as_they_were_acquired_are_one_case(tmp_path):
    own = {
        "images": "{case}/*_{modality}.nii.gz",
        "label": "{case}/*_seg.nii.gz",
        "modalities": ["T1=t1", "T1ce=t1ce", "T2=t2"],
    }
    for name in ("3_t1", "12_t1ce", "4_t2", "901_seg"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / f"a/{name}.nii.gz").touch()
    dataset = scan(tmp_path, described=layout_from_description(own))
    assert dataset.problems == ()
    (case,) = dataset.cases
    assert {i: source.file.name for i, source in case.images.items()} == {
        0: "3_t1.nii.gz",
        1: "12_t1ce.nii.gz",
        2: "4_t2.nii.gz",
    }
    # but of two series of one modality it is not clear which one counts
    (tmp_path / "a/7_t2.nii.gz").touch()
    assert "T2 is there more than once" in problems(tmp_path, described=layout_from_description(own))["a"][0]


def test_a_patient_that_the_name_does_not_tell_is_a_problem(tmp_path):
    write_own(tmp_path, ("p1_a", "q_a"))
    told = problems(tmp_path, described=layout_from_description(OWN))
    assert list(told) == ["q_a"]
    assert "does not fit its name" in told["q_a"][0]


def test_a_case_of_one_name_with_two_patients_is_a_problem(tmp_path):
    own = {
        "images": "{patient}/{case}_{modality}.nii",
        "label": "{patient}/{case}.nii",
        "modalities": ["CT=ct", "PET=pet"],
    }
    for path in ("p1/a_ct", "p2/a_pet", "p1/a_seg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / f"{path}.nii").touch()
    assert "several patients, p1, p2" in problems(tmp_path, described=layout_from_description(own))["a"][0]


@pytest.mark.parametrize("name", ["dataset", "x_0000", "a\x07b"])
def test_a_name_that_nnunet_cannot_use_is_a_problem(tmp_path, name):
    own = {key: value for key, value in OWN.items() if key != "patient"}
    write_own(tmp_path, (name, "sound"))
    assert list(problems(tmp_path, described=layout_from_description(own))) == [name]


def test_a_label_may_be_called_as_the_case_alone(tmp_path):
    own = {"images": "{case}_{modality}.nii", "label": "{case}.nii", "modalities": ["CT=ct", "PET=pet"]}
    for name in ("a_ct", "a_pet", "a"):
        (tmp_path / f"{name}.nii").touch()
    dataset = scan(tmp_path, described=layout_from_description(own))
    assert dataset.problems == ()
    assert [(case.name, case.label) for case in dataset.cases] == [("a", tmp_path / "a.nii")]
    # but not if it could be another case's image
    (tmp_path / "a_ct_ct.nii").touch()
    assert any(
        "or another case's image" in problem.message
        for problem in scan(tmp_path, described=layout_from_description(own)).problems
    )
