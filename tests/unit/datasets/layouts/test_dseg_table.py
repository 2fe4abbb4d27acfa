"""What BIDS tables say of labels."""

import pytest

from nnunetv2_mstkd.datasets.layouts.dseg_table import label_set_of_tables, read_dseg_table
from nnunetv2_mstkd.errors import ConversionError

ROWS = "0\tBackground\n1\tNecrosis\n2\tEdema\n3\tEnhancing tumor\n"


def table(folder, path, text=f"index\tname\n{ROWS}"):
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_table_is_read(tmp_path):
    assert read_dseg_table(table(tmp_path, "dseg.tsv")).meanings == {1: "NCR", 2: "ED", 3: "ET"}


def test_other_columns_and_a_byte_order_mark_do_not_matter(tmp_path):
    text = "\ufeffname\tcolor\tindex\nlesion\t#ff0000\t4\n"
    assert read_dseg_table(table(tmp_path, "dseg.tsv", text)).meanings == {4: "lesion"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tname\n1\ta\n", "columns index and name"),
        ("", "columns index and name"),
        ("index\tname\nx\ta\n", r"line 2: 'x' is no whole number"),
        ("index\tname\n1\ta\n1\tb\n", "line 3"),
        ("index\tname\n1\n", "line 2"),
    ],
)
def test_a_damaged_table_is_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(ConversionError, match=message):
        read_dseg_table(table(tmp_path, "dseg.tsv", text))


def test_the_nearest_table_counts(tmp_path):
    far = table(tmp_path, "dseg.tsv", "index\tname\n9\tother\n")
    near = table(tmp_path, "derivatives/manual/desc-expert_dseg.tsv")
    foreign = table(tmp_path, "derivatives/other/dseg.tsv", "index\tname\n9\tother\n")
    entity = table(tmp_path, "derivatives/manual/desc-aseg_dseg.tsv", "index\tname\n9\tother\n")
    label = tmp_path / "derivatives/manual/sub-01/anat/sub-01_desc-expert_dseg.nii.gz"
    assert label_set_of_tables([label], [far, near, foreign, entity]) == read_dseg_table(near)


def test_no_table_says_nothing(tmp_path):
    assert label_set_of_tables([tmp_path / "sub-01_dseg.nii.gz"], [tmp_path / "participants.tsv"]) is None
    foreign = table(tmp_path, "other/dseg.tsv")
    assert label_set_of_tables([tmp_path / "own/sub-01_dseg.nii.gz"], [foreign]) is None


def test_tables_that_differ_are_refused(tmp_path):
    files = [table(tmp_path, f"{name}/dseg.tsv", f"index\tname\n1\t{name}\n") for name in ("a", "b")]
    labels = [file.with_name("sub-01_dseg.nii.gz") for file in files]
    with pytest.raises(ConversionError, match="differ in what labels mean"):
        label_set_of_tables(labels, files)


def test_labels_of_which_some_have_no_table_are_refused(tmp_path):
    file = table(tmp_path, "a/dseg.tsv")
    with pytest.raises(ConversionError, match=r"has no dseg\.tsv, others have"):
        label_set_of_tables([tmp_path / "a/sub-01_dseg.nii.gz", tmp_path / "b/sub-02_dseg.nii.gz"], [file])
