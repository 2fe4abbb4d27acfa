"""The summary of a benchmark."""

import copy
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from benchmark_records import BRATS, DROPOUT, MSTKD, NNUNET, MadeUpBenchmark, MadeUpModel, write_benchmark
from scipy import stats

from nnunetv2_mstkd.benchmark.headline import headline
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.small_sample import small_sample
from nnunetv2_mstkd.benchmark.summary import summarise
from nnunetv2_mstkd.errors import BenchmarkError, EvaluationError
from nnunetv2_mstkd.regions import Region

SMALL = MadeUpBenchmark(modalities=("CT", "PET"), regions=(Region("kidney", (1,)), Region("tumour", (2,))), cases=8)
CLEAN = replace(SMALL, empty_references=0, missed=0)


def summary_of(folder, benchmark, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return summarise(read_results(write_benchmark(folder, benchmark)), ReportOptions(**options))


def without(folder, title, *cases, repeat=0):
    """Take finished cases of a model away, as if the run had been stopped, and read the rest."""
    for each in read_results(folder).records:
        if (each.training.title, each.training.repeat) == (title, repeat) and each.record.case in cases:
            (each.folder / f"{each.record.case}.json").unlink()
    return read_results(folder)


def one(rows, **wanted):
    (found,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_benchmark(tmp_path_factory.mktemp("benchmark"), replace(SMALL, repeats=2, folds=2))


@pytest.fixture(scope="module")
def results(folder):
    return read_results(folder)


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, ReportOptions())


# the schema ---------------------------------------------------------------------------------------------------------


def test_it_is_json_without_nan(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_what_it_says_of_the_whole(summary):
    assert (summary["num_cases"], summary["repeats"], summary["baseline"]) == (8, 2, "nnU-Net")
    assert summary["subsets"] == ["CT", "PET", "CT+PET"]
    assert [model["title"] for model in summary["models"]] == ["nnU-Net", "Dropout", "MST-KD"]
    assert list(summary["metrics"]) == ["dice", "iou", "sensitivity", "precision", "hd95", "nsd"]
    assert len(summary["how_run"]["trainings"]) == 3 * 2 * 2
    assert summary["how_run"]["seconds"]["forward"] == 2.5 * 3 * 2 * 8


def test_pooled_hd95_takes_the_place_of_the_other(results):
    assert list(summarise(results, ReportOptions(hd95="pooled"))["metrics"])[4] == "hd95_pooled"


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"hd95": "mean"}, BenchmarkError, "'max' or 'pooled', not 'mean'"),
        ({"baseline": "nnUNet"}, BenchmarkError, "Did you mean 'nnU-Net'"),
        ({"policy": "brat"}, EvaluationError, "brats"),
    ],
)
def test_options_that_there_are_not_are_refused(results, options, error, told):
    with pytest.raises(error, match=told):
        summarise(results, ReportOptions(**options))


# cells and averages -------------------------------------------------------------------------------------------------


def test_a_cell_describes_the_patients(results, summary):
    values = results.values("dice")[2, 1, 0]
    cell = one(summary["metrics"]["dice"]["cells"], model="MST-KD", subset="PET", region="kidney")
    expected = {
        "n": 8, "mean": np.mean(values), "sd": np.std(values, ddof=1), "median": np.median(values),
        "q1": np.quantile(values, 0.25), "q3": np.quantile(values, 0.75), "min": values.min(), "max": values.max(),
        "penalised": 0,
    }  # fmt: skip
    assert {key: cell[key] for key in expected} == pytest.approx(expected)


def test_penalised_patients_are_counted_and_two_empty_masks_are_no_penalty(summary):
    cells = summary["metrics"]["hd95"]["cells"]
    # case_000: nnU-Net missed the tumour given CT; case_007 has none: nnU-Net finds none, the others 20 voxels
    counts = {(c["model"], c["subset"]): c["penalised"] for c in cells if c["region"] == "tumour"}
    assert [counts["nnU-Net", subset] for subset in summary["subsets"]] == [1, 0, 0]
    assert [counts["MST-KD", subset] for subset in summary["subsets"]] == [1, 1, 1]


def test_empties_are_counted_in_pairs_of_masks(summary):
    tumour = one(summary["empties"], model="nnU-Net", region="tumour")
    # 8 cases x 3 subsets x 2 repeats; both empty in one case, the prediction alone in one case and subset
    kinds = {key: tumour[key] for key in ("pairs", "both", "reference_empty", "prediction_empty")}
    assert kinds == {"pairs": 48, "both": 6, "reference_empty": 0, "prediction_empty": 2}
    assert one(summary["empties"], model="MST-KD", region="tumour")["reference_empty"] == 6


def test_averages_are_means_over_the_subsets_of_means_over_the_patients(summary):
    content = summary["metrics"]["dice"]
    means = [c["mean"] for c in content["cells"] if c["model"] == "Dropout"]
    assert one(content["averages"], model="Dropout", region="all")["mean"] == pytest.approx(np.mean(means))


def test_the_spread_over_repeats_is_that_of_the_repeats_averages(results, summary):
    by_repeat = results.values_by_repeat("dice")[2].mean(axis=(1, 2, 3))
    row = one(summary["metrics"]["dice"]["averages"], model="MST-KD", region="all")
    assert row["sd_over_repeats"] == pytest.approx(abs(by_repeat[0] - by_repeat[1]) / np.sqrt(2))


def test_the_spread_over_repeats_is_of_the_patients_that_all_repeats_have(tmp_path):
    results = without(write_benchmark(tmp_path, replace(CLEAN, repeats=2)), "MST-KD", "case_000", "case_003", repeat=1)
    row = one(summarise(results, ReportOptions())["metrics"]["dice"]["averages"], model="MST-KD", region="all")
    common = [i for i in range(8) if i not in (0, 3)]
    by_repeat = results.values_by_repeat("dice")[2][..., common].mean(axis=(1, 2, 3))
    assert row["sd_over_repeats"] == pytest.approx(abs(by_repeat[0] - by_repeat[1]) / np.sqrt(2))


# comparisons --------------------------------------------------------------------------------------------------------


def test_a_comparison_is_paired_by_patient(results, summary):
    values = results.values("dice")
    differences = values[2, 1, 0] - values[0, 1, 0]
    row = one(summary["metrics"]["dice"]["comparisons"], model="MST-KD", subset="PET", region="kidney")
    assert row["mean_difference"] == pytest.approx(differences.mean())
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    assert row["ci_low"] < row["mean_difference"] < row["ci_high"]
    assert (row["wins"], row["ties"], row["losses"]) == ((differences > 0).sum(), 0, (differences < 0).sum())


def test_both_means_of_a_comparison_are_of_its_pairs(tmp_path):
    results = without(write_benchmark(tmp_path, CLEAN), "MST-KD", "case_001", "case_002")
    summary = summarise(results, ReportOptions())
    paired = [0, 3, 4, 5, 6, 7]
    own, base = results.values("dice")[2][..., paired], results.values("dice")[0][..., paired]
    for subset, region, place in (("PET", "kidney", (1, 0)), ("all", "kidney", (slice(None), 0)), ("all", "all", ())):
        row = one(summary["metrics"]["dice"]["comparisons"], model="MST-KD", subset=subset, region=region)
        assert row["n"] == 6
        assert row["mean"] == pytest.approx(own[place].mean())
        assert row["baseline_mean"] == pytest.approx(base[place].mean())
        assert row["mean"] - row["baseline_mean"] == pytest.approx(row["mean_difference"])


def test_equal_values_are_zeros_and_ties(tmp_path):
    benchmark = replace(SMALL, models=(NNUNET, replace(MSTKD, effect=0.0)), noise=0.0, empty_references=0, missed=0)
    row = one(summary_of(tmp_path, benchmark)["metrics"]["dice"]["comparisons"], subset="CT", region="kidney")
    assert (row["zeros"], row["ties"], row["wilcoxon_p"], row["rank_biserial"]) == (8, 8, 1.0, 0.0)
    assert (row["ci_low"], row["ci_high"]) == (0.0, 0.0)


def test_of_distances_less_is_better(summary):
    row = one(summary["metrics"]["hd95"]["comparisons"], model="MST-KD", subset="PET", region="kidney")
    assert row["mean_difference"] < 0
    assert row["wins"] > row["losses"]
    assert row["rank_biserial"] > 0


def test_holms_family_is_the_subsets_and_regions_of_one_model(summary):
    rows = [row for row in summary["metrics"]["dice"]["comparisons"] if row["model"] == "MST-KD"]
    family = [row for row in rows if "all" not in (row["subset"], row["region"])]
    assert summary["tests"]["family"] == len(family) == 3 * 2
    assert all(row["holm_p"] is None for row in rows if row not in family)
    smallest = min(family, key=lambda row: row["wilcoxon_p"])
    assert smallest["holm_p"] == pytest.approx(min(1, 6 * smallest["wilcoxon_p"]))


def test_the_mean_over_all_is_of_each_patients_mean(results, summary):
    values = results.values("dice")
    differences = (values[2] - values[0]).mean(axis=(0, 1))
    row = one(summary["metrics"]["dice"]["comparisons"], model="MST-KD", subset="all", region="all")
    assert row["mean_difference"] == pytest.approx(differences.mean())
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


def test_undefined_values_are_dropped_by_pairs(tmp_path):
    summary = summary_of(tmp_path, SMALL, policy="nan")
    row = one(summary["metrics"]["hd95"]["comparisons"], model="MST-KD", subset="CT", region="tumour")
    # case_000: nnU-Net found nothing; case_007: nothing is there
    assert row["n"] == 6
    assert one(summary["metrics"]["hd95"]["cells"], model="MST-KD", subset="CT", region="tumour")["n"] == 7


def test_a_known_effect_is_found(tmp_path):
    benchmark = replace(CLEAN, models=(NNUNET, MSTKD), cases=30)
    summary = summary_of(tmp_path, benchmark)
    row = one(summary["metrics"]["dice"]["comparisons"], subset="all", region="all")
    assert row["ci_low"] < MSTKD.effect < row["ci_high"]
    assert all(r["holm_p"] < 0.05 for r in summary["metrics"]["dice"]["comparisons"] if r["holm_p"] is not None)
    assert "significantly better in 6 of 6 pairs of subset and region, worse in none" in summary["headline"]["text"]
    assert summary["small_sample"] is None


# ranks and contributions --------------------------------------------------------------------------------------------


def test_mean_ranks_add_up_and_the_better_model_is_first(summary):
    rows = [row for row in summary["metrics"]["dice"]["ranks"] if row["region"] == "kidney"]
    assert sum(row["mean_rank"] for row in rows) == pytest.approx(1 + 2 + 3)
    assert min(rows, key=lambda row: row["mean_rank"])["model"] == "MST-KD"


@pytest.mark.parametrize("title", ["nnU-Net", "MST-KD"])
def test_shapley_values_add_up_to_all_modalities_less_an_empty_segmentation(summary, title):
    content = summary["metrics"]["dice"]
    # one of the 8 patients has no tumour: an empty segmentation is right there, its Dice is 1
    for region, of_nothing in (("kidney", 0), ("tumour", 1 / 8)):
        values = [r["value"] for r in content["shapley"] if (r["model"], r["region"]) == (title, region)]
        full = one(content["cells"], model=title, region=region, subset="CT+PET")
        assert sum(values) == pytest.approx(full["mean"] - of_nothing)


def test_a_policy_that_leaves_a_patient_out_leaves_it_out_of_shapley_values(tmp_path):
    summary = summary_of(tmp_path, replace(SMALL, missed=0), policy="nan")
    results = read_results(tmp_path)
    values = [r["value"] for r in summary["metrics"]["dice"]["shapley"]
              if (r["model"], r["region"]) == ("MST-KD", "tumour")]  # fmt: skip
    # case_007 has no tumour
    assert sum(values) == pytest.approx(results.values("dice")[2, 2, 1, :7].mean())


def test_two_models_are_not_ranked(tmp_path):
    content = summary_of(tmp_path, replace(CLEAN, models=(NNUNET, MSTKD)))["metrics"]["dice"]
    assert content["ranks"] == []


def test_distances_have_no_shapley_values(summary):
    assert summary["metrics"]["hd95"]["shapley"] == []


# models that were not scored on everything --------------------------------------------------------------------------


def test_a_dedicated_model_is_compared_where_it_was_scored(tmp_path):
    models = (NNUNET, MadeUpModel("dedicated", 0.1, needs="PET"), MSTKD, DROPOUT)
    summary = summary_of(tmp_path, replace(CLEAN, models=models))
    content = summary["metrics"]["dice"]
    rows = [row for row in content["comparisons"] if row["model"] == "dedicated"]
    assert {row["subset"] for row in rows} == {"PET", "all"}
    assert one(content["averages"], model="dedicated", region="all")["mean"] is None
    assert {row["model"] for row in content["ranks"]} == {"nnU-Net", "MST-KD", "Dropout"}
    assert {row["value"] for row in content["shapley"] if row["model"] == "dedicated"} == {None}
    entry = one(summary["models"], title="dedicated")
    assert (entry["dedicated"], entry["scored_subsets"]) == (True, ["PET"])


def test_the_default_baseline_was_scored_on_every_subset(tmp_path):
    plain = MadeUpModel("plain", trained_for_missing=False, subsets=("CT+PET",))
    assert summary_of(tmp_path, replace(CLEAN, models=(DROPOUT, plain, NNUNET)))["baseline"] == "nnU-Net"


def test_without_a_plain_model_the_first_is_the_baseline(tmp_path):
    assert summary_of(tmp_path, replace(CLEAN, models=(DROPOUT, MSTKD)))["baseline"] == "Dropout"


# what is said in words ----------------------------------------------------------------------------------------------


def test_the_headline_gives_model_mean_difference_and_interval(tmp_path):
    summary = summary_of(tmp_path, replace(CLEAN, cases=12))
    text = summary["headline"]["text"]
    content = summary["metrics"]["dice"]
    row = one(content["comparisons"], model="MST-KD", subset="all", region="all")
    mean = one(content["averages"], model="MST-KD", region="all")["mean"]
    assert summary["headline"]["model"] == "MST-KD"
    assert f"mean Dice of {mean:.2f} over all 3 subsets of the modalities and 2 regions of 12 patients" in text
    assert f"{row['mean_difference']:.3f} above nnU-Net" in text
    assert f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}" in text


def test_the_headlines_means_are_of_the_pairs_and_it_says_so(tmp_path):
    results = without(write_benchmark(tmp_path, CLEAN), "MST-KD", "case_001", "case_002")
    text = summarise(results, ReportOptions(baseline="Dropout"))["headline"]["text"]
    own, base = (results.values("dice")[m][..., [0, 3, 4, 5, 6, 7]].mean() for m in (2, 1))
    assert f"reaches a mean Dice of {own:.2f} over all 3 subsets of the modalities and 2 regions of 6 of 8 pat" in text
    assert f"{own - base:.3f} above Dropout ({base:.2f};" in text
    assert "the values that both models have, of 6 of the 8 patients for each subset and region." in text


def test_the_headline_says_when_a_policy_leaves_pairs_out(tmp_path):
    text = summary_of(tmp_path, SMALL, policy="nan")["headline"]["text"]
    # of each patient the kidney is there, but case_007 has no tumour, and no model has a Dice where nnU-Net has none
    assert "2 regions of 8 patients," in text
    assert "of 7 to 8 of the 8 patients for each subset and region." in text


def test_the_best_of_several_models_is_corrected_for_the_choice(results, summary):
    made_up = copy.deepcopy(summary)
    rows = [r for r in made_up["metrics"]["dice"]["comparisons"] if r["subset"] == r["region"] == "all"]
    for row in rows:
        row.update(ci_low=0.01, ci_high=0.09, wilcoxon_p=0.03 if row["model"] == "MST-KD" else 0.2)
    found = headline(results, made_up)
    # Holm: the smaller of two times 2
    assert (found["wilcoxon_p"], found["holm_p"], found["candidates"]) == (0.03, pytest.approx(0.06), 2)
    assert "shows no clear difference (Wilcoxon p = 0.060, Holm over 2 models)" in found["text"]
    rows[0]["wilcoxon_p"] = rows[1]["wilcoxon_p"] = 0.0001
    assert "differs from that of nnU-Net (Wilcoxon p < 0.001, Holm over 2 models)" in headline(results, made_up)["text"]


def test_a_mean_that_the_ranks_contradict_is_no_clear_difference(results, summary):
    made_up = copy.deepcopy(summary)
    for row in made_up["metrics"]["dice"]["comparisons"]:
        row.update(ci_low=0.01, ci_high=0.09, wilcoxon_p=0.001, rank_biserial=0.5)
    assert "no clear difference" not in headline(results, made_up)["text"]
    for row in made_up["metrics"]["dice"]["comparisons"]:
        row["rank_biserial"] = -0.5
    assert "no clear difference" in headline(results, made_up)["text"]


def test_the_headline_says_that_one_training_shows_nothing_of_another(tmp_path, summary):
    text = summary_of(tmp_path, CLEAN)["headline"]["text"]
    assert "for these trainings: there is one repeat of each model" in text
    assert "repeat" not in summary["headline"]["text"]  # there are two of each


def test_one_model_has_nothing_to_be_compared_with(tmp_path):
    summary = summary_of(tmp_path, replace(CLEAN, models=(MSTKD,)))
    assert summary["headline"]["model"] == "MST-KD"
    assert "nothing to compare it with" in summary["headline"]["text"]
    content = summary["metrics"]["dice"]
    assert content["comparisons"] == content["ranks"] == []
    assert "Wilcoxon" not in summary["small_sample"]


def test_a_model_of_one_subset_does_not_take_the_headline(tmp_path):
    models = (NNUNET, MadeUpModel("dedicated", 0.3, needs="PET"), MSTKD)
    headline = summary_of(tmp_path, replace(CLEAN, models=models))["headline"]
    assert headline["model"] == "MST-KD"
    assert headline["text"].startswith("MST-KD reaches a mean Dice of")


def test_a_model_of_one_subset_alone_is_compared_on_that_one(tmp_path):
    models = (NNUNET, MadeUpModel("it reaches", 0.3, needs="PET"))
    text = summary_of(tmp_path, replace(CLEAN, models=models))["headline"]["text"]
    assert text.startswith("it reaches reaches a mean Dice of")
    assert "over the subset PET and 2 regions of 8 patients" in text


def test_a_worse_model_is_said_to_be_worse(tmp_path):
    worse = MadeUpModel("worse", -0.1)
    text = summary_of(tmp_path, replace(CLEAN, models=(NNUNET, worse), cases=30))["headline"]["text"]
    assert "below nnU-Net" in text
    assert "differs from that of nnU-Net (Wilcoxon p < 0.001)" in text
    assert "significantly better in 0 of 6" in text
    assert "worse in 6." in text


def test_equal_models_are_said_to_be_equal(tmp_path):
    same = MadeUpModel("same", 0.0)
    text = summary_of(tmp_path, replace(CLEAN, models=(NNUNET, same), noise=0.0))["headline"]["text"]
    assert "as nnU-Net does" in text
    assert "no clear difference" in text
    assert "None of the 6 pairs" in text


@pytest.mark.parametrize("cases", [1, 2, 5])
def test_so_few_patients_show_nothing_however_large_the_effect(tmp_path, cases):
    summary = summary_of(tmp_path, replace(CLEAN, models=(NNUNET, MadeUpModel("huge", 0.4)), cases=cases))
    # 2 / 2^n times 6 comparisons is above 0.05
    assert "no single comparison can be significant" in summary["small_sample"]
    assert "no clear difference" in summary["headline"]["text"]
    json.dumps(summary, allow_nan=False)


def test_a_sample_can_be_small_and_still_reach_significance(tmp_path):
    # 2 / 2^8 = 0.0078, times 6 = 0.047 < 0.05
    summary = summary_of(tmp_path, replace(CLEAN, cases=8))
    assert "cannot give a p below 0.0078." in summary["small_sample"]


def sample(metric="dice", **pairs):
    """Cells and comparisons of one metric: for each model the pairs of each comparison."""
    rows = [
        {"model": model, "subset": str(i), "region": "kidney", "n": n}
        for model, counts in pairs.items()
        for i, n in enumerate(counts)
    ]
    extra = [{"model": model, "subset": "all", "region": "all", "n": 1} for model in pairs]  # not of the family
    return {metric: {"cells": [{"n": 60}], "comparisons": [*rows, *extra]}}


def test_the_smallest_comparison_warns():
    text = small_sample(sample(unified=[40] * 15, dedicated=[40, 12]), 0.05)
    assert text.startswith("As few as 12 patients in some comparisons")
    assert "With 12 pairs" in text  # 2 / 2^12 = 0.00049
    assert "below 0.00049." in text


def test_what_cannot_be_significant_is_said_of_that_model_alone():
    # dedicated: 2 / 2^5 = 0.0625 is above 0.05 whatever the family; unified: 2 / 2^8 times 3 = 0.023
    text = small_sample(sample(unified=[8, 8, 8], dedicated=[5]), 0.05)
    assert "With 5 pairs the Wilcoxon test cannot give a p below 0.062" in text
    assert "no single comparison of dedicated can be significant" in text


def test_a_family_is_judged_by_its_own_size():
    # 2 / 2^8 = 0.0078: times 6 it is 0.047, times 7 0.055
    text = small_sample({**sample("dice", one=[8] * 6), **sample("hd95", one=[8] * 7)}, 0.05)
    assert "no single comparison of one in HD95 can be significant" in text


def test_enough_pairs_need_no_warning():
    assert small_sample(sample(unified=[20, 40]), 0.05) is None


def test_the_fifteen_columns_of_the_paper(tmp_path):
    summary = summary_of(tmp_path, MadeUpBenchmark(cases=3, models=(NNUNET, MSTKD)))
    assert len(summary["subsets"]) == 15
    assert [region["short"] for region in summary["regions"]] == ["WT", "TC", "ET"]
    assert summary["tests"]["family"] == 15 * len(BRATS)
