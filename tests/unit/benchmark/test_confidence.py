"""The file in the model folder that says how well the model does."""

import json

import pytest
from benchmark_records import MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.confidence import write_confidence
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files


def test_each_model_folder_gets_the_mean_over_its_own_cases(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the folders of made-up models are relative
    folder = write_benchmark(tmp_path / "benchmark", MadeUpBenchmark(cases=4, folds=2))
    trainings = [TrainingFacts.read(file) for file in training_files(folder)]
    for training in trainings[1:]:
        (tmp_path / training.folder).mkdir(parents=True, exist_ok=True)
    results = read_results(folder)
    written = write_confidence(results)
    assert len(written) == len({training.folder for training in trainings})
    values = results.values("dice")  # models, subsets, regions, cases
    for m, model in enumerate(results.models):
        content = json.loads((tmp_path / model.trainings[0].folder / "mstkd_benchmark.json").read_text())
        assert list(content["subsets"]) == list(results.subsets)
        for s, subset in enumerate(results.subsets):
            for r, region in enumerate(results.regions):
                entry = content["subsets"][subset][region.name]
                assert entry["cases"] == 4
                assert entry["mean_dice"] == pytest.approx(values[m, s, r].mean(), abs=1e-4)


def test_undefined_values_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_benchmark(tmp_path / "benchmark", MadeUpBenchmark(cases=4))
    for training in map(TrainingFacts.read, training_files(folder)):
        (tmp_path / training.folder).mkdir(parents=True)
    first, *_ = write_confidence(read_results(folder), "nan")
    content = json.loads(first.read_text())
    assert content["policy"] == "nan"
    # the last case has no enhancing tumour, and the first model finds none: Dice is 0/0 there
    by_region = {region: entry["cases"] for region, entry in content["subsets"]["T1"].items()}
    assert sorted(by_region.values()) == [3, 4, 4]


def test_folders_that_are_elsewhere_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_confidence(read_results(write_benchmark(tmp_path / "benchmark", MadeUpBenchmark()))) == []
