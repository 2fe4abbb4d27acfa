"""Work on each case: the order stays, progress is shown, a killed process is told."""

import os

import pytest

from nnunetv2_mstkd.datasets.conversion.each_case import each_case
from nnunetv2_mstkd.errors import ConversionError


def test_results_come_in_order_with_progress():
    shown = []
    results = list(each_case(str, [3, 1, 2], 1, "checked", lambda *told: shown.append(told)))
    assert results == ["3", "1", "2"]
    assert shown == [("checked", 1, 3), ("checked", 2, 3), ("checked", 3, 3)]


@pytest.mark.slow
def test_a_killed_process_is_told_with_what_to_do():
    with pytest.raises(ConversionError, match=r"^A process was killed.*fewer than 2 --workers"):
        list(each_case(os._exit, [9, 9], 2, "checked"))
