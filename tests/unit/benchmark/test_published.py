"""The published values."""

import pytest

from nnunetv2_mstkd.benchmark.published.published_values import all_published, mean_over, published_for
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def one(values, **wanted):
    (found,) = [v for v in values if all(getattr(v, key) == value for key, value in wanted.items())]
    return found


def test_a_value_of_the_paper():
    # Table 1, first cell: RA-HVED, WT, T2 alone
    found = one(published_for("BraTS2024", FOUR), metric="dice", region="WT", method="RA-HVED", subset="T2")
    assert (found.value, found.source, found.flag) == (75.4, "Table 1", None)


def test_seven_methods_have_all_subsets_and_two_averages():
    for dataset in ("BraTS2024", "FeTS2024"):
        values = published_for(dataset, FOUR)
        assert len({value.method for value in values}) == 7
        # 7 methods x 2 metrics x 3 regions x (15 subsets + printed and recomputed average)
        assert len(values) == 7 * 2 * 3 * 17
        subsets = {value.subset for value in values if not value.is_average}
        assert subsets == {str(subset) for subset in FOUR.subsets()}


def test_recomputed_averages_are_the_means_of_the_cells():
    values = published_for("FeTS2024", FOUR)
    for average in (v for v in values if v.subset == "avg_recomputed"):
        place = (average.metric, average.region, average.method)
        cells = [v.value for v in values if (v.metric, v.region, v.method) == place and not v.is_average]
        assert average.value == pytest.approx(sum(cells) / 15, abs=0.006)  # two decimals are kept


def test_subsets_bear_ones_own_names_in_ones_own_order():
    values = published_for("BraTS2024", Modalities(("t2f", "t1c", "t1n", "t2w")))
    assert {v.subset for v in values if not v.is_average} >= {"t2f+t1c+t1n+t2w", "t1c+t2w", "t2f"}
    flair = one(values, metric="dice", region="WT", method="RA-HVED", subset="t2f")
    assert flair.value == 71.4  # FLAIR alone


@pytest.mark.parametrize("names", [("CT", "PET"), ("T1", "T1ce", "T2", "DWI"), ("T1", "T1ce", "T2", "FLAIR", "DWI")])
def test_other_modalities_have_no_published_values(names):
    assert published_for("BraTS2024", Modalities(names)) is None


def test_an_unknown_dataset_is_refused_with_the_choices():
    with pytest.raises(BenchmarkError, match="BraTS2024, FeTS2024"):
        published_for("BraTS2023", FOUR)


def test_flags_are_attached():
    fets, brats = published_for("FeTS2024", FOUR), published_for("BraTS2024", FOUR)
    swapped = one(fets, metric="dice", region="WT", method="RMBTS", subset="T1ce")
    assert swapped.flag == "probable T1/T1c column swap; likely belongs to t1"
    # 8 subsets with exactly one of T1 and T1ce, 3 regions, 2 metrics
    assert sum(v.flag is not None and "swap" in v.flag for v in fets) == 48
    uniform = [v for v in brats if v.flag and "uniform" in v.flag]
    assert {v.method for v in uniform} == {"M2FTrans"}
    assert len({v.subset for v in uniform}) == len(uniform) == 15


def test_printed_averages_that_are_not_those_of_their_cells_are_flagged():
    # by hand from the tables: printed average, mean of the 15 cells
    wrong = {
        ("BraTS2024", "ET", "MST-KDNet"): ("59.8", "60.07"),
        ("BraTS2024", "TC", "MST-KDNet"): ("59.5", "59.69"),
        ("FeTS2024", "ET", "M2FTrans"): ("63.0", "61.63"),
        ("FeTS2024", "TC", "M2FTrans"): ("74.3", "74.11"),
        ("FeTS2024", "ET", "ACN"): ("67.3", "67.43"),
    }
    averages = [v for d in ("BraTS2024", "FeTS2024") for v in published_for(d, FOUR) if v.subset == "avg_printed"]
    flags = {(v.dataset, v.region, v.method): v.flag for v in averages if v.flag}
    assert flags.keys() == wrong.keys()
    for place, (printed, mean) in wrong.items():
        assert flags[place] == f"printed as {printed}, but the mean of the 15 printed values is {mean}"


def test_the_mean_over_some_subsets():
    values = [
        v for v in published_for("BraTS2024", FOUR) if (v.metric, v.region, v.method) == ("dice", "WT", "RA-HVED")
    ]
    # Table 1: T2 alone 75.4, FLAIR alone 71.4
    assert mean_over(values, ["T2", "FLAIR"]) == pytest.approx((75.4 + 71.4) / 2)
    assert mean_over(values, ["T2", "DWI"]) is None
    assert mean_over(values, []) is None


def test_a_flag_of_one_of_two_sources_is_not_on_the_other():
    averages = {v.source: v for v in all_published() if v.subset == "avg_printed"
                and (v.dataset, v.metric, v.region, v.method) == ("FeTS2024", "dice", "ET", "mmFormer")}  # fmt: skip
    assert averages["README table"].value == 48.6
    assert averages["README table"].flag
    assert averages["Table 3"].flag is None
