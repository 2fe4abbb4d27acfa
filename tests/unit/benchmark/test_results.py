"""All records as one array."""

import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, MadeUpModel, made_up_dice, trainings, write_benchmark

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.results import nanmean, read_results
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.regions import Region

TWO = ("CT", "PET")
LABELS = (Region("kidney", (1,)), Region("tumour", (2,)))


def made_up(**changes):
    return MadeUpBenchmark(**{"modalities": TWO, "regions": LABELS, "empty_references": 0, "missed": 0, **changes})


def test_values_are_those_of_the_records(tmp_path):
    benchmark = made_up(models=(NNUNET, MSTKD), cases=3, repeats=2, folds=3)
    results = read_results(write_benchmark(tmp_path, benchmark))
    assert results.titles == ("nnU-Net", "MST-KD")
    assert results.subsets == ("CT", "PET", "CT+PET")
    assert results.cases == ("case_000", "case_001", "case_002")
    found = results.values_by_repeat("dice")
    assert found.shape == (2, 2, 3, 2, 3)
    for model, repeat, case in np.ndindex(2, 2, 3):
        # voxels are whole: Dice is that of the recipe to 1 / 4000
        expected = made_up_dice(benchmark, model, repeat, case)
        assert found[model, repeat, :, :, case] == pytest.approx(expected, abs=1e-3)
    assert results.values("dice") == pytest.approx(found.mean(axis=1))


def test_the_policy_decides_on_empty_masks(tmp_path):
    # the last case has no tumour: nnU-Net finds none, MST-KD 20 voxels
    results = read_results(write_benchmark(tmp_path, made_up(models=(NNUNET, MSTKD), cases=2, empty_references=1)))
    values = {policy: results.values("hd95", policy)[:, 0, 1, 1].tolist() for policy in ("brats", "released", "acn")}
    assert values == {"brats": [0, 373.13], "released": [0, 0], "acn": [0, 1]}
    assert np.isnan(results.values("hd95", "nan")[:, 0, 1, 1]).all()
    assert results.values("dice")[:, 0, 1, 1].tolist() == [1, 0]


def test_what_is_not_there_is_nan(tmp_path):
    benchmark = made_up(models=(NNUNET, MadeUpModel("half", subsets=("PET",))), cases=2)
    folder = write_benchmark(tmp_path, benchmark)
    nnunet, _ = trainings(benchmark)
    CaseRecord.file_of(nnunet.records(folder), "case_001").unlink()
    values = read_results(folder).values("dice")
    assert (~np.isnan(values[0])).any(axis=1).all(axis=0).tolist() == [True, False]
    assert (~np.isnan(values[1])).all(axis=(1, 2)).tolist() == [False, True, False]


def test_dedicated_models_of_one_title_are_one_row(tmp_path):
    models = (NNUNET, MadeUpModel("dedicated", needs="CT"), MadeUpModel("dedicated", needs="PET"))
    results = read_results(write_benchmark(tmp_path, made_up(models=models)))
    assert results.titles == ("nnU-Net", "dedicated")
    assert [training.needs for training in results.models[1].trainings] == ["CT", "PET"]
    assert results.models[1].is_dedicated
    assert not results.models[0].is_dedicated
    assert (~np.isnan(results.values("dice")[1])).all(axis=(1, 2)).tolist() == [True, True, False]


@pytest.mark.parametrize("key", ["weights_sha256", "plans_sha256", "dataset_json_sha256"])
def test_records_of_another_state_of_the_model_are_left_out(tmp_path, key):
    folder = write_benchmark(tmp_path, made_up(models=(NNUNET,), cases=3))
    training = next(trainings(made_up(models=(NNUNET,), cases=3)))
    file = CaseRecord.file_of(training.records(folder), "case_001")
    record = CaseRecord.read(file)
    replace(record, identity={**record.identity, key: {"0": "other"}}).write(file.parent)
    results = read_results(folder)
    assert results.cases == ("case_000", "case_002")
    assert results.passed_over == (file,)


def test_records_of_cases_that_are_no_longer_to_be_predicted_are_left_out(tmp_path):
    folder = write_benchmark(tmp_path, made_up(models=(NNUNET,), cases=3))
    training = next(trainings(made_up(models=(NNUNET,), cases=3)))
    replace(training, cases=("case_000", "case_001", "case_007")).write(folder)
    results = read_results(folder)
    assert results.cases == ("case_000", "case_001")
    assert [file.name for file in results.passed_over] == ["case_002.json"]
    replace(training, cases=()).write(folder)
    with pytest.raises(BenchmarkError, match="no finished case but 3 of other models or cases"):
        read_results(folder)


def test_one_prediction_scored_twice_is_refused(tmp_path):
    folder = write_benchmark(tmp_path, made_up(models=(NNUNET,), cases=1))
    place = next(trainings(made_up(models=(NNUNET,)))).records(folder)
    shutil.copytree(place, place.with_name("fold_0_1"))
    with pytest.raises(
        BenchmarkError, match=r"case_000 was scored twice as 'nnU-Net', repeat 0, CT: also in .*fold_0_1"
    ):
        read_results(folder)


@pytest.mark.parametrize("change", [{"scores": {"MRI": {}}}, {"scores": {"CT": {}}}])
def test_a_record_of_another_benchmark_is_refused(tmp_path, change):
    folder = write_benchmark(tmp_path, made_up(models=(NNUNET,), cases=1))
    file = next((folder / "records").rglob("case_000.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(BenchmarkError, match=r"case_000\.json does not belong to this benchmark"):
        read_results(folder)


def test_a_folder_without_a_finished_case_says_what_to_do(tmp_path):
    made_up().facts.write(tmp_path)
    with pytest.raises(BenchmarkError, match="no finished case: run mstkd benchmark"):
        read_results(tmp_path)


def test_the_order_of_the_models_is_that_of_the_user(tmp_path):
    models = (MadeUpModel("z"), MadeUpModel("a"), MadeUpModel("m"))
    assert read_results(write_benchmark(tmp_path, made_up(models=models))).titles == ("z", "a", "m")


def test_the_mean_of_nothing_is_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(nanmean(np.full((2, 3), np.nan), axis=1)).all()
    assert nanmean(np.array([[1.0, np.nan, 3.0]]), axis=1).tolist() == [2.0]
