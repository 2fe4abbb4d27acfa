"""Problems as people see them."""

from nnunetv2_mstkd.cases.problem import Problem


def test_a_problem_is_one_line_whatever_the_reader_said():
    assert str(Problem("case", "T1 cannot be read:\n sitk::ERROR:\n\tno reader")) == (
        "case: T1 cannot be read: sitk::ERROR: no reader"
    )


def test_a_problem_of_the_whole_folder_has_no_case():
    assert str(Problem("", "no image")) == "no image"


def test_names_that_are_no_text_can_be_printed():
    name = b"p\xff".decode("utf-8", "surrogateescape")  # what Python makes of such a file name
    assert str(Problem(name, "x")).encode() == rb"p\udcff: x"
