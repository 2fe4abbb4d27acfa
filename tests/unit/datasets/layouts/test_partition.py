"""Partitions of patients that a dataset brings along."""

import pytest

from nnunetv2_mstkd.datasets.layouts.partition import find_partitions, read_partition
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME
from nnunetv2_mstkd.errors import ConversionError

FETS = BY_NAME["fets2022"]


def write(folder, text):
    folder.mkdir(exist_ok=True)
    file = folder / "partitioning_1.csv"
    file.write_text(text)
    return file


def test_columns_may_come_in_any_order(tmp_path):
    file = write(tmp_path, "\ufeffSubject_ID,Partition_ID\nFeTS2022_00001,18\n")
    assert read_partition(file, FETS) == {"FeTS2022_00001": "18"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "must have the columns Partition_ID and Subject_ID"),
        ("Partition_ID,Subject_ID\n1\n", r"line 2: .*'1'"),
        ("Partition_ID,Subject_ID\n1,x\n2,x\n", "line 3: x is in part 1 and in 2"),
    ],
)
def test_a_damaged_partition_is_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(ConversionError, match=message):
        read_partition(write(tmp_path, text), FETS)


def test_two_files_of_one_name_must_agree(tmp_path):
    a = write(tmp_path / "a", "Partition_ID,Subject_ID\n1,x\n")
    b = write(tmp_path / "b", "Partition_ID,Subject_ID\n1,x\n")
    assert find_partitions(FETS, [a, b]) == {"partitioning_1": {"x": "1"}}
    b.write_text("Partition_ID,Subject_ID\n2,x\n")
    with pytest.raises(ConversionError, match="they differ"):
        find_partitions(FETS, [a, b])


def test_layouts_without_partitions_have_none(tmp_path):
    assert find_partitions(BY_NAME["brats2021"], [write(tmp_path, "x")]) == {}
