"""JSON objects on disk."""

import pytest

from nnunetv2_mstkd.datasets.json_object import read_json_object
from nnunetv2_mstkd.errors import ConversionError


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_damaged_json_is_refused_with_its_name(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConversionError, match=r"dataset\.json"):
        read_json_object(tmp_path / "dataset.json")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConversionError, match=r"dataset\.json cannot be read .*right folder"):
        read_json_object(tmp_path / "dataset.json")
