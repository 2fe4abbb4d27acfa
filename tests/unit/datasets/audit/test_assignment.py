"""Which thing plays which role, on numbers made by hand."""

import pytest

from nnunetv2_mstkd.datasets.audit.assignment import Order, better_assignment, odd_cases, uncompared

ORDERS = (
    Order("size", "big", "middle", 1.0),
    Order("size", "middle", "small", 1.0),
    Order("size", "big", "small", 1.0),
)
DECLARED = {0: "big", 1: "middle", 2: "small"}


def case(*sizes: float | None) -> dict[int, dict[str, float]]:
    return {thing: {"size": size} for thing, size in enumerate(sizes) if size is not None}


def test_what_is_declared_right_is_left_alone():
    assert better_assignment([case(3, 2, 1)] * 5, DECLARED, ORDERS) is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((2, 3, 1), {0: "middle", 1: "big", 2: "small"}),
        ((1, 2, 3), {0: "small", 1: "middle", 2: "big"}),
        ((2, 1, 3), {0: "middle", 1: "small", 2: "big"}),
    ],
)
def test_the_way_that_fits_is_found(sizes, expected):
    verdict = better_assignment([case(*sizes)] * 4 + [case(3, 2, 1)], DECLARED, ORDERS)
    assert verdict is not None
    assert verdict.roles == expected
    assert (verdict.agreeing, verdict.cases) == (4, 5)


def test_few_cases_and_a_minority_are_not_believed():
    assert better_assignment([case(1, 2, 3)] * 2, DECLARED, ORDERS) is None
    assert better_assignment([case(1, 2, 3)] * 3 + [case(3, 2, 1)] * 2, DECLARED, ORDERS) is None


@pytest.mark.parametrize("third", [2.1, 2.2])  # the orders gain 0.2 and 0.4 by an exchange
def test_a_small_difference_is_not_believed(third):
    assert better_assignment([case(3, 2.0, third)] * 9, DECLARED, ORDERS) is None


def test_one_wild_case_does_not_outweigh_the_others():
    assert better_assignment([case(3, 2, 1)] * 4 + [case(-1e6, 0, 1e6)], DECLARED, ORDERS) is None
    assert better_assignment([case(1, 2, 3)] * 4 + [case(1e6, 0, -1e6)], DECLARED, ORDERS) is not None


def test_nothing_is_said_where_nothing_is_measured():
    assert better_assignment([case(None, 1, None)] * 5, DECLARED, ORDERS) is None
    assert better_assignment([], DECLARED, ORDERS) is None


def test_what_a_case_lacks_does_not_count():
    verdict = better_assignment([case(1, None, 3)] * 3, DECLARED, ORDERS)
    assert verdict is not None
    assert verdict.roles == {0: "small", 1: "middle", 2: "big"}


def test_the_smallest_change_wins_and_the_others_are_told():
    """0 and 1 look alike: which of the two is which cannot be told, only that 2 is none of them."""
    verdict = better_assignment(
        [case(1, 1, 5)] * 3, {0: "a", 1: "big", 2: "b"}, [Order("size", "big", "a", 1), Order("size", "big", "b", 1)]
    )
    assert verdict is not None
    assert verdict.roles == {0: "a", 1: "b", 2: "big"}
    assert set(verdict.fitting[1]) == {"a", "b"}
    assert verdict.fitting[2] == ("big",)


def test_what_no_case_has_gets_no_role_from_what_is_there():
    # only the first two are there, and they are right; dealing the second the role of the absent one costs nothing else
    orders = (*ORDERS, Order("size", "small", "big", 1.0))
    assert better_assignment([case(2.0, 2.6, None)] * 6, DECLARED, (Order("size", "big", "middle", 1.0),)) is not None
    assert better_assignment([case(3, 2, None)] * 6, DECLARED, orders) is None
    assert better_assignment([case(3, None, 2)] * 6, DECLARED, (Order("size", "small", "big", 1.0),)) is not None
    # as if the second were the small one, which is absent
    assert better_assignment([case(3, 2, None)] * 6, DECLARED, (Order("size", "big", "small", 1.0),)) is None
    verdict = better_assignment([case(1, 3, None)] * 6, DECLARED, orders)
    assert verdict is not None
    assert verdict.roles[2] == "small"


def test_cases_that_are_odd_alike_go_together():
    cases = [case(3, 2, 1), case(1, 2, 3), case(2, 3, 1), case(1, 2, 3)]
    assert odd_cases(cases, DECLARED, ORDERS, 2.0) == {
        ((0, ("small",)), (2, ("big",))): [1, 3],
        ((0, ("middle",)), (1, ("big",))): [2],
    }


def test_pairs_that_too_few_cases_compare_are_counted():
    cases = [case(3, 2, 1)] * 2 + [case(3, 2, None)] * 5
    assert uncompared(cases, DECLARED, ORDERS) == {(0, 2): 2, (1, 2): 2}
    assert uncompared(cases, DECLARED, ORDERS[:2]) == {(0, 2): 0, (1, 2): 2}
    assert uncompared([case(3, 2, 1)] * 3, DECLARED, ORDERS) == {}
