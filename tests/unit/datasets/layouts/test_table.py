"""The rows of the table, and what the reference page says of them."""

import re
from pathlib import Path

import pytest

from nnunetv2_mstkd.datasets.layouts.label_set import PRESETS, REGIONS, target_labels
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS, patient_of

PAGE = (Path(__file__).parents[4] / "docs/reference/layouts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("Brats18_2013_10_1", "Brats18_2013_10"),
        ("Brats18_TCIA01_131_1", "Brats18_TCIA01_131"),
        ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
        ("BraTS20_Training_355", "BraTS20_Training_355"),
        ("BraTS2021_00000", "BraTS2021_00000"),
        ("BraTS-GLI-00005-101", "BraTS-GLI-00005"),
        ("BraTS-SSA-00002-000", "BraTS-SSA-00002"),
        ("BraTS-PED-00002-000", "BraTS-PED-00002"),
        ("FeTS2022_01341", "FeTS2022_01341"),
        ("BRATS_001", "BRATS_001"),
        ("UCSF-PDGM-0391", "UCSF-PDGM-0391"),
        ("UCSF-PDGM-0391_FU003d", "UCSF-PDGM-0391"),
        ("UPENN-GBM-00001_21", "UPENN-GBM-00001"),
        ("sub-01_ses-2", "sub-01"),
        ("sub-01", "sub-01"),
        ("case_0001", None),
    ],
)
def test_the_patient_follows_from_the_case(case, patient):
    assert patient_of(case) == patient


def test_every_layout_writes_the_same_channels():
    assert {layout.modalities.names for layout in LAYOUTS} == {("T1", "T1ce", "T2", "FLAIR")}


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
def test_an_expression_for_patients_fits_every_case(layout):
    assert layout.patient == "" or re.compile(layout.patient).groups == 1
    assert layout.prediction_name.count("{case}") == 1


# the page -------------------------------------------------------------------------------------------------------------


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_lists_the_layouts_with_their_labels():
    listed = {row[0].strip("`"): (row[1], row[4]) for row in rows("Known layouts")}
    assert listed == {
        layout.name: (
            layout.title,
            ", ".join(f"{value} {meaning}" for value, meaning in layout.label_set.meanings.items())
            if layout.label_set
            else "`*_dseg.tsv`",
        )
        for layout in LAYOUTS
    }


@pytest.mark.parametrize("row", rows("Known layouts"), ids=lambda row: row[0])
def test_the_examples_of_the_page_are_names_of_the_layout(row):
    layout = BY_NAME[row[0].strip("`")]
    image, label = (cell.strip("`").removesuffix(".nii.gz").removesuffix(".nii") for cell in (row[2], row[3]))
    match = layout.image_pattern.match(image)
    assert match
    case = match.values["case"]
    labels = [found.values["case"] for pattern in layout.label_patterns if (found := pattern.match(label))]
    assert labels == [case]
    assert layout.patient_of(case) == row[5].strip("`")


def test_the_page_lists_what_becomes_of_labels():
    listed = {(row[0], row[1].strip("`")): row[2:] for row in rows("Labels")}
    sets = {tuple(layout.label_set.meanings.items()): layout.label_set for layout in LAYOUTS if layout.label_set}
    wanted = {}
    for meanings, label_set in sets.items():
        for preset in PRESETS:
            target = target_labels(label_set, preset)
            native = ", ".join(f"{value} {meaning}" for value, meaning in meanings)
            mapping = ", ".join(f"{a} to {b}" for a, b in target.values.items() if a != b) or "none"
            wanted[native, preset] = [mapping, ", ".join(map(str, target.regions_class_order))]
    assert listed == wanted


def test_the_page_lists_the_regions_in_their_order():
    listed = [(row[0].strip("`"), tuple(row[1].split(", ")), row[2]) for row in rows("Regions")]
    assert listed == [(name, parts, paints) for name, (parts, paints) in REGIONS.items()]
