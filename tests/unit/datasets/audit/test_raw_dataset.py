"""Names of files, as nnU-Net reads them."""

import pytest

from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases
from nnunetv2_mstkd.modalities import Modalities

TWO = Modalities(("T1", "T2"))


@pytest.fixture
def found(tmp_path):
    """Return a function that gives the cases, and the findings, of a folder with these files."""

    def find(*files: str, **dataset_json) -> tuple[list[RawCase], list[str]]:
        for file in files:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).touch()
        content = {"file_ending": ".nii.gz", "numTraining": 1, **dataset_json}
        listed = find_cases(tmp_path, content, TWO)
        cases = [case for case in listed if isinstance(case, RawCase)]
        return cases, [str(finding) for finding in listed if isinstance(finding, Finding)]

    return find


def test_channels_are_grouped_by_case(found, tmp_path):
    files = (
        "imagesTr/a_1_0001.nii.gz",
        "imagesTr/a_1_0000.nii.gz",
        "labelsTr/a_1.nii.gz",
    )
    cases, findings = found(*files)
    images = {channel: tmp_path / f"imagesTr/a_1_000{channel}.nii.gz" for channel in (0, 1)}
    assert cases == [RawCase("a_1", images, tmp_path / "labelsTr/a_1.nii.gz")]
    assert findings == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_0002.nii.gz"), "error: a: has no file for the channels 0001 (T2)"),
        (
            ("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "imagesTr/a_0002.nii.gz"),
            "error: a: has the channels 0002, but dataset.json has 2 (T1, T2)",
        ),
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii"), "error: a: has no file for the channels 0001 (T2)"),
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_1.nii.gz"), "error: imagesTr: 1 file of another name (a_1.nii.gz)"),
        (("imagesTr/a_0000.nii.gz", "imagesTr/._a_0000.nii.gz"), "1 hidden file (._a_0000.nii.gz)"),
        (("imagesTr/a.nii.gz",), "holds no images of the name <case>_0000.nii.gz"),
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/b.nii.gz"), "1 label map without images (b)"),
    ],
)
def test_names_that_nnunet_would_misread_are_told(found, files, message):
    assert any(message in line for line in found(*files)[1])


def test_what_nnunet_passes_over_is_a_note(found):
    files = ("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "imagesTr/notes.txt", "imagesTr/a_0000.json")
    told = "note: imagesTr: nnU-Net passes over what does not end in .nii.gz: 2 files (a_0000.json, notes.txt)"
    assert found(*files, "imagesTr/.DS_Store")[1] == [told]


def test_links_that_lead_nowhere_belong_to_their_case(found, tmp_path):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr/a_0001.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    cases, findings = found("imagesTr/a_0000.nii.gz")
    assert list(cases[0].images) == [0, 1]
    assert findings == []


def test_a_variable_that_is_not_set_is_told_once(found, monkeypatch):
    monkeypatch.setenv("SET", "/data")
    monkeypatch.delenv("UNSET", raising=False)
    entry = {"images": ["$UNSET/a_0.nii.gz", "${UNSET}/a_1.nii.gz"], "label": "$SET/a.nii.gz"}
    listing = {"a": entry, "b": entry, "c": {"images": ["$SET/0", "$SET/1"], "label": "l"}}
    cases, findings = found(dataset=listing, numTraining=3)
    assert [case.unset for case in cases] == [("$UNSET", "${UNSET}"), ("$UNSET", "${UNSET}"), ()]
    assert findings == [
        "error: dataset.json: names files of 2 cases by $UNSET, which is not set: export it, as for the training",
        "error: dataset.json: names files of 2 cases by ${UNSET}, which is not set: export it, as for the training",
    ]


def test_a_dollar_in_a_name_that_is_there_is_no_variable(found, tmp_path):
    (tmp_path / "US$").mkdir()
    entry = {"images": ["US$/a_$0.nii.gz", "US$/a_$ABSENT.nii.gz"], "label": "US$/a.nii.gz"}
    cases, findings = found("US$/a_$0.nii.gz", "US$/a_$ABSENT.nii.gz", "US$/a.nii.gz", dataset={"a": entry})
    assert cases[0].unset == ()
    assert findings == []


@pytest.mark.parametrize(
    "listing", [{}, [], {"a": {"images": ["x"]}}, {"a": {"images": "x", "label": "y"}}, {"a": None}]
)
def test_a_damaged_key_dataset_is_told(found, listing):
    assert any("'dataset'" in line for line in found(dataset=listing)[1])
