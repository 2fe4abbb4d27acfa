"""Names of files, as nnU-Net reads them."""

import pytest

from nnunetv2_mstkd.datasets.audit.finding import Finding
from nnunetv2_mstkd.datasets.audit.raw_dataset import RawCase, find_cases, read_json_object
from nnunetv2_mstkd.errors import ConversionError
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
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii"), "1 files have another name (a_0001.nii)"),
        (("imagesTr/a_0000.nii.gz", "imagesTr/._a_0000.nii.gz"), "1 files are hidden (._a_0000.nii.gz)"),
        (("imagesTr/a.nii.gz",), "holds no images of the name <case>_0000.nii.gz"),
        (("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/b.nii.gz"), "1 labels have no images (b)"),
    ],
)
def test_names_that_nnunet_would_misread_are_told(found, files, message):
    assert any(message in line for line in found(*files)[1])


@pytest.mark.parametrize(
    "listing", [{}, [], {"a": {"images": ["x"]}}, {"a": {"images": "x", "label": "y"}}, {"a": None}]
)
def test_a_damaged_key_dataset_is_told(found, listing):
    assert any("'dataset'" in line for line in found(dataset=listing)[1])


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_damaged_json_is_refused_with_its_name(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConversionError, match=r"dataset\.json"):
        read_json_object(tmp_path / "dataset.json")
