"""The licence of a model for others."""

import pytest

from nnunetv2_mstkd.errors import ModelArchiveError
from nnunetv2_mstkd.sharing.licence import licence_text


def test_a_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "LICENCE").write_text("Do what you like.\n")
    assert licence_text(str(tmp_path / "LICENCE")) == "Do what you like.\n"


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"])
def test_an_identifier_becomes_a_sentence(licence):
    assert licence_text(licence) == f"The weights of this model are licensed under: {licence}\n"


def test_without_one_the_text_says_that_the_author_has_to_state_it():
    text = licence_text(None)
    assert "stated no licence" in text
    assert "not covered by the Apache-2.0" in text


@pytest.mark.parametrize("licence", ["missing.txt", "docs/LICENSE.md", " "])
def test_a_file_that_is_not_there_is_no_licence(licence):
    with pytest.raises(ModelArchiveError, match="no licence file"):
        licence_text(licence)


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelArchiveError, match="cannot be read"):
        licence_text(str(tmp_path / "LICENSE"))
