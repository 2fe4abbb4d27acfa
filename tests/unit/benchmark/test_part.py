"""The cuts of a benchmark's work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_mstkd.benchmark.part import Block, blocks_of_part
from nnunetv2_mstkd.errors import BenchmarkError


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 20))
def test_every_case_is_in_one_part(counts, parts):
    blocks = [block for part in range(parts) for block in blocks_of_part(counts, part, parts)]
    found = [(block.training, case) for block in blocks for case in block.cases]
    assert sorted(found) == [(training, case) for training, count in enumerate(counts) for case in range(count)]


def test_few_parts_are_whole_trainings():
    assert blocks_of_part([3, 2, 4], 0, 2) == [Block(0, range(3))]
    assert blocks_of_part([3, 2, 4], 1, 2) == [Block(1, range(2)), Block(2, range(4))]


def test_as_many_parts_as_trainings_are_a_training_each():
    assert [blocks_of_part([3, 0, 4], part, 3) for part in range(3)] == [
        [Block(0, range(3))],
        [Block(1, range(0))],
        [Block(2, range(4))],
    ]


def test_many_parts_are_cases_of_one_training_in_proportion():
    # 5 blocks for 8 + 2 cases: one each at first, then always where blocks are largest: 8, 4, 8/3 against 2
    parts = [blocks_of_part([8, 2], part, 5) for part in range(5)]
    assert parts == [
        [Block(0, range(0, 2))],
        [Block(0, range(2, 4))],
        [Block(0, range(4, 6))],
        [Block(0, range(6, 8))],
        [Block(1, range(0, 2))],
    ]


def test_parts_beyond_the_cases_have_nothing_to_do():
    assert blocks_of_part([1, 1], 3, 4) == []


@pytest.mark.parametrize("part", [-1, 3])
def test_a_part_that_is_not_there_is_refused(part):
    with pytest.raises(BenchmarkError, match=f"no part {part} of 3: they are numbered from 0 to 2"):
        blocks_of_part([1, 1], part, 3)
