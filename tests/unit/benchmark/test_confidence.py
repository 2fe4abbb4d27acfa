"""The file in the model folder that says how well the model does."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.confidence import CONFIDENCE_FILE, write_confidence
from nnunetv2_mstkd.benchmark.record import CaseRecord, case_files
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.errors import BenchmarkError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """The folders of made-up models are relative."""
    monkeypatch.chdir(tmp_path)


def give_checkpoint(folder: Path, training: TrainingFacts) -> TrainingFacts:
    """Write the checkpoint of a training of one fold, and put its hash into all that the benchmark has of it."""
    (fold,) = training.folds
    file = Path(training.folder) / f"fold_{fold}" / training.checkpoint
    file.parent.mkdir(parents=True)
    file.write_text(training.name)
    made = replace(training, weights_sha256={fold: hashlib.sha256(training.name.encode()).hexdigest()})
    made.write(folder)
    for record in map(CaseRecord.read, case_files(made.records(folder))):
        replace(record, identity=made.identity).write(made.records(folder))
    return made


def benchmark(path: Path, **changes) -> tuple[Path, list[TrainingFacts]]:
    """Return a benchmark folder, and its trainings with checkpoints."""
    folder = write_benchmark(path / "benchmark", MadeUpBenchmark(**changes))
    return folder, [give_checkpoint(folder, TrainingFacts.read(file)) for file in training_files(folder)]


def test_each_model_folder_gets_the_mean_over_its_own_cases(tmp_path):
    folder, trainings = benchmark(tmp_path, cases=4, folds=2)
    results = read_results(folder)
    written = write_confidence(results)
    assert len(written) == len({training.folder for training in trainings})
    values = results.values("dice")  # models, subsets, regions, cases
    for m, model in enumerate(results.models):
        content = json.loads((tmp_path / model.trainings[0].folder / "mstkd_benchmark.json").read_text())
        assert list(content["subsets"]) == list(results.subsets)
        assert content["folds"] == ["0", "1"]
        assert content["checkpoint"] == "checkpoint_final.pth"
        digests = {fold: hashlib.sha256(f"{model.title} fold {fold}".encode()).hexdigest() for fold in "01"}
        assert content["weights_sha256"] == digests
        for s, subset in enumerate(results.subsets):
            for r, region in enumerate(results.regions):
                entry = content["subsets"][subset][region.name]
                assert entry["cases"] == 4
                assert entry["mean_dice"] == pytest.approx(values[m, s, r].mean(), abs=1e-4)


def test_undefined_values_are_left_out(tmp_path):
    folder, _ = benchmark(tmp_path, cases=4)
    written = {file.parent.name: json.loads(file.read_text()) for file in write_confidence(read_results(folder), "nan")}
    content = written["nnUNetTrainernnUNet__nnUNetPlans__3d_fullres"]
    assert content["policy"] == "nan"
    # the last case has no enhancing tumour, and the first model finds none: Dice is 0/0 there
    by_region = {region: entry["cases"] for region, entry in content["subsets"]["T1"].items()}
    assert by_region == {"whole_tumor": 4, "tumor_core": 4, "enhancing_tumor": 3}


def test_folders_that_are_elsewhere_are_passed_over(tmp_path):
    assert write_confidence(read_results(write_benchmark(tmp_path / "benchmark", MadeUpBenchmark()))) == []


@pytest.mark.parametrize("change", [lambda file: file.write_text("trained again"), Path.unlink])
def test_a_checkpoint_that_is_not_the_one_that_was_scored_is_refused(tmp_path, change):
    folder, trainings = benchmark(tmp_path, models=(NNUNET, MSTKD), cases=2)
    last = max(trainings, key=lambda training: training.order)
    change(Path(last.folder, "fold_0", "checkpoint_final.pth"))
    with pytest.raises(BenchmarkError, match=r"checkpoint_final\.pth is not the checkpoint that was scored"):
        write_confidence(read_results(folder))
    assert not list(tmp_path.rglob(CONFIDENCE_FILE))  # of the other model neither


def test_a_folder_that_was_scored_as_two_models_is_refused(tmp_path):
    folder, (training,) = benchmark(tmp_path, models=(NNUNET,), cases=1)
    best = replace(training, title="best", order=1, checkpoint="checkpoint_best.pth")
    best.write(folder)
    record = CaseRecord.read(CaseRecord.file_of(training.records(folder), "case_000"))
    record.write(best.records(folder))
    with pytest.raises(BenchmarkError, match=r"'best' with checkpoint_best\.pth, 'nnU-Net' with checkpoint_final\.pth"):
        write_confidence(read_results(folder))
