"""`mstkd benchmark` on tiny models: what is scored, what is computed again, and what is not."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch

import nnunetv2_mstkd
from nnunetv2_mstkd.benchmark.preview import Preview
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.inference.benchmark import input_facts, job_writer
from nnunetv2_mstkd.inference.benchmark.jobs import Jobs
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow

SUBSETS = Modalities(("T1", "T1ce", "T2", "FLAIR")).subsets()


@pytest.fixture(autouse=True)
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "benchmark"


@pytest.fixture
def test_set(make_dataset, output) -> Callable[..., int]:
    """Return a function that benchmarks models on the test cases of a dataset."""

    def run(*models: object, variant: str = "regions", options: tuple[object, ...] = ()) -> int:
        raw = make_dataset(variant).raw
        source = ("-i", raw / "imagesTs", "-l", raw / "labelsTs", "-m", *models)
        return benchmark(output, *source, "--disable_tta", *options)

    return run


@pytest.fixture
def cross_validation(make_dataset, output, random_model, tmp_path, trained_model) -> Callable[..., int]:
    """Return a function that benchmarks random models of trainers on the validation cases of folds."""
    trained_model()  # a training writes splits_final.json
    dataset = make_dataset("regions")

    def run(*trainers: str, folds: tuple[int, ...] = (0, 1), options: tuple[object, ...] = ()) -> int:
        for trainer in (trainer.rpartition("=")[2] for trainer in trainers):
            target = tmp_path / "results" / dataset.raw.name / f"{trainer}__{dataset.plans_name}__3d_fullres"
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(random_model(trainer, folds=(0, 1)), target)
        source = ("-d", dataset.number, "-c", "3d_fullres", "-p", dataset.plans_name, "-tr", *trainers)
        return benchmark(output, *source, "--results", tmp_path / "results", "--disable_tta", "-f", *folds, *options)

    return run


def benchmark(output: Path, *options: object, report: bool = False) -> int:
    arguments = ["-o", output, "-device", "cpu", *options, *([] if report else ["--no-report"])]
    return main(["benchmark", *map(str, arguments)])


@pytest.fixture
def forward_passes(monkeypatch) -> list[tuple[str, ...]]:
    """The subsets of each forward pass, as they happen."""
    calls: list[tuple[str, ...]] = []
    original = SubsetPredictor.predict_logits

    def counted(self, image, subsets):
        calls.append(tuple(map(str, subsets)))
        return original(self, image, subsets)

    monkeypatch.setattr(SubsetPredictor, "predict_logits", counted)
    return calls


def records(output: Path) -> dict[str, CaseRecord]:
    """Every record of a benchmark, by "title/repeat/folds/case"."""
    found = {}
    for training in map(TrainingFacts.read, training_files(output)):
        for file in training.records(output).glob("*.json"):
            if file.name != "training.json":
                found[f"{training.title}/{training.repeat}/{'+'.join(training.folds)}/{file.stem}"] = CaseRecord.read(
                    file
                )
    return found


def scores(output: Path) -> dict:
    return {name: record.scores for name, record in records(output).items()}


def dedicated_to(subset: str) -> dict:
    """Return what a trainer writes into the plans of a model for one subset."""
    return {"mstkd": {"fixed_subset": subset, "channel_names": ["T1", "T1ce", "T2", "FLAIR"]}}


def labels_in(file: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))


# --- what is predicted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainer", "options", "batched"),
    [
        ("nnUNetTrainerMSTKD_1epoch", {}, True),
        ("nnUNetTrainerModalityDropout_1epoch", {"configuration": "2d", "folds": (0, 1)}, False),
        ("nnUNetTrainer", None, False),
    ],
)
def test_labels_are_those_of_files_that_are_absent(
    trainer, options, batched, make_dataset, trained_model, random_model, output
):
    dataset = make_dataset("regions")
    model = random_model(trainer) if options is None else trained_model(trainer, **options)
    source = ("-i", dataset.raw / "imagesTs", "-l", dataset.raw / "labelsTs", "-m", f"model={model}")
    together = () if batched else ("--subsets-per-forward", 1)
    assert benchmark(output, *source, "--keep-predictions", *together) == 0
    predictor = MissingModalityPredictor(model, device="cpu")
    case, files, found = dataset.test_cases[0], dataset.test_files(dataset.test_cases[0]), set()
    for subset in SUBSETS:
        given = {name: files[channel] for name, channel in zip(subset.names, subset.channels, strict=True)}
        expected = predictor.predict_case(given)
        (file,) = output.glob(f"predictions/*/*/{subset}/{case}.nii.gz")
        assert np.array_equal(labels_in(file), expected.labels), str(subset)
        found.add(expected.labels.tobytes())
    assert len(found) > 1  # or a mask that does nothing would pass
    assert len(records(output)) == len(dataset.test_cases)


def test_folds_of_a_test_set_are_averaged(test_set, random_model, make_dataset, output):
    model, dataset = random_model(folds=(0, 1)), make_dataset("regions")
    assert test_set(f"model={model}", options=("--keep-predictions", "--subsets", "T1", "T1ce,FLAIR")) == 0
    case = dataset.test_cases[0]
    files = dataset.test_files(case)
    given = {"T1ce": files[1], "FLAIR": files[3]}
    (file,) = output.glob(f"predictions/*/fold_0_1/T1ce+FLAIR/{case}.nii.gz")
    labels = {
        folds: MissingModalityPredictor(model, folds=folds, device="cpu", mirroring=False).predict_case(given).labels
        for folds in ((0, 1), (0,), (1,))
    }
    assert np.array_equal(labels_in(file), labels[0, 1])
    assert not np.array_equal(labels[0,], labels[1,])  # or nothing was shown


def test_a_case_is_read_and_preprocessed_once_for_all_models(test_set, random_model, trained_model, monkeypatch):
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    from nnunetv2_mstkd.inference.image_reader import ImageReader

    calls = []
    for owner, name in ((ImageReader, "read"), (ImageReader, "read_label_map"), (DefaultPreprocessor, "run_case_npy")):
        original = getattr(owner, name)

        def counted(*args, original=original, name=name):
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(owner, name, counted)
    plane = trained_model("nnUNetTrainerModalityDropout_1epoch", configuration="2d", folds=(0, 1))
    models = (f"A={random_model()}", f"B={random_model('nnUNetTrainerModalityDropout')}", f"2D={plane}")
    assert test_set(*models, options=("--subsets", "T1", "T1,T2", "--subsets-per-forward", 1)) == 0
    counts = {name: calls.count(name) for name in set(calls)}
    # two cases of four channels; the two 3D models share an input, the 2D one has its own
    assert counts == {"read": 2 * 4, "read_label_map": 2, "run_case_npy": 2 * 2}


def test_subsets_together_give_what_they_give_alone(test_set, random_model, output):
    model = random_model()
    assert test_set(f"model={model}") == 0
    together = scores(output)
    shutil.rmtree(output)
    assert test_set(f"model={model}", options=("--subsets-per-forward", 1)) == 0
    assert scores(output) == together


def test_scores_are_those_of_nnunets_own_evaluation(test_set, random_model, output, make_dataset):
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    dataset = make_dataset("regions")
    assert test_set(f"model={random_model()}", options=("--keep-predictions", "--subsets", "T1", "T2,FLAIR")) == 0
    regions = {"whole_tumor": (1, 2, 3), "tumor_core": (1, 3), "enhancing_tumor": (3,)}
    compared = 0
    for name, record in records(output).items():
        case = name.rpartition("/")[2]
        for subset, found in record.scores.items():
            (file,) = output.glob(f"predictions/*/*/{subset}/{case}.nii.gz")
            reference = dataset.raw / "labelsTs" / f"{case}.nii.gz"
            theirs = compute_metrics(str(reference), str(file), SimpleITKIO(), list(regions.values()))["metrics"]
            for region, labels in regions.items():
                counts = theirs[labels]
                assert found[region].voxels_both == counts["TP"]
                assert found[region].voxels_prediction == counts["n_pred"]
                assert found[region].voxels_reference == counts["n_ref"]
                compared += bool(counts["TP"])
    assert compared  # or nothing was shown


def test_a_dedicated_model_is_scored_on_its_subset(test_set, random_model, output):
    model = random_model("nnUNetTrainerModalityDropout", plans=dedicated_to("T1ce,FLAIR"))
    assert test_set(f"Dedicated={model}") == 0
    assert {tuple(record.scores) for record in records(output).values()} == {("T1ce+FLAIR",)}
    assert TrainingFacts.read(training_files(output)[0]).needs == "T1ce+FLAIR"


def test_dedicated_models_share_a_row(test_set, random_model, output):
    models = []
    for names in ("T1", "T2"):
        made = random_model("nnUNetTrainerModalityDropout", plans=dedicated_to(names))
        models.append(made.rename(made.with_name(f"nnUNetTrainerModalityDropout__Plans{names}__3d_fullres")))
    assert test_set(*(f"Dedicated={model}" for model in models), options=("--subsets", "T1", "T2", "FLAIR")) == 0
    results = read_results(output)
    assert results.titles == ("Dedicated",)
    assert results.subsets == ("T1", "T2")


@pytest.mark.parametrize("variant", ["labels_ignore", "two_modalities"])
def test_labels_without_regions_and_other_channels(variant, test_set, trained_model, output, make_dataset):
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", variant)
    assert test_set(f"model={model}", variant=variant) == 0
    results = read_results(output)
    assert [region.name for region in results.regions] == ["necrosis", "oedema", "enhancing"]
    assert results.benchmark.ignore_label == (4 if variant == "labels_ignore" else None)
    assert len(results.subsets) == (15 if variant == "labels_ignore" else 3)


# --- what is computed again ------------------------------------------------------------------------------------------


def test_a_second_run_computes_nothing(cross_validation, forward_passes, output, capsys):
    assert cross_validation("nnUNetTrainer") == 0
    assert len(records(output)) == 3  # fold 0 of 5 has two of the six cases, fold 1 one
    forward_passes.clear()
    assert cross_validation("nnUNetTrainer") == 0
    assert forward_passes == []
    assert "3 predictions of cases, 3 of them done before" in capsys.readouterr().out


def test_a_run_that_was_stopped_goes_on(cross_validation, forward_passes, output, monkeypatch, capsys):
    """Each case has one forward pass: all subsets fit into one."""
    original = SubsetPredictor.predict_logits

    def stopped(self, image, subsets):
        if len(forward_passes) == 2:
            raise KeyboardInterrupt
        return original(self, image, subsets)

    with monkeypatch.context() as patch:
        patch.setattr(SubsetPredictor, "predict_logits", stopped)
        assert cross_validation("nnUNetTrainer", "nnUNetTrainerModalityDropout") == 1
    assert "run the same command" in capsys.readouterr().err
    whole = scores(output)
    assert len(whole) == 2
    forward_passes.clear()
    assert cross_validation("nnUNetTrainer", "nnUNetTrainerModalityDropout") == 0
    assert len(forward_passes) == 6 - 2
    assert whole.items() <= scores(output).items()


def test_a_new_trainer_or_fold_computes_only_what_is_new(cross_validation, forward_passes, output):
    assert cross_validation("nnU-Net=nnUNetTrainer", folds=(0,)) == 0
    before = len(forward_passes)
    assert cross_validation("nnU-Net=nnUNetTrainer", "nnUNetTrainerModalityDropout", folds=(0,)) == 0
    assert len(forward_passes) == 2 * before
    assert cross_validation("nnUNetTrainerModalityDropout", folds=(0, 1)) == 0
    assert len(forward_passes) == 2 * before + 1
    assert read_results(output).titles == ("nnU-Net", "ModalityDropout")


def test_folders_of_results_are_repeats(cross_validation, output, tmp_path, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    shutil.copytree(tmp_path / "results", tmp_path / "again")
    source = ("-d", 901, "-c", "3d_fullres", "-p", "nnUNetPlansTiny", "-tr", "nnUNetTrainer", "-f", 1)
    options = ("--disable_tta", "--subsets", "T1", "--results", tmp_path / "results", tmp_path / "again")
    assert benchmark(output, *source, *options) == 0
    assert "2 predictions of cases, 1 of them done before" in capsys.readouterr().out
    results = read_results(output)
    assert (results.titles, results.repeats) == (("nnU-Net",), (0, 1))


def test_trainers_need_not_have_been_trained_with_all_plans(cross_validation, output, tmp_path, capsys):
    options = ("--subsets", "T1", "-p", "nnUNetPlansTiny", "Other")
    assert cross_validation("nnUNetTrainer", folds=(1,), options=options) == 0
    assert read_results(output).titles == ("nnU-Net",)
    assert benchmark(output, "-d", 901, "-c", "2d", "-tr", "nnUNetTrainer", "--results", tmp_path / "results") == 1
    error = capsys.readouterr().err
    assert "nnUNetTrainer__nnUNetPlans__2d; trained there: nnUNetTrainer__nnUNetPlansTiny__3d_fullres" in error


def test_validation_cases_that_are_not_known_are_an_error(cross_validation, make_dataset, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    splits = make_dataset("regions").preprocessed / "splits_final.json"
    splits.rename(splits.with_suffix(".away"))
    try:
        assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 1
    finally:
        splits.with_suffix(".away").rename(splits)
    assert "splits_final.json, which says what the validation cases are" in capsys.readouterr().err


def test_a_changed_checkpoint_is_noticed(cross_validation, forward_passes, output, tmp_path, capsys):
    assert cross_validation("nnUNetTrainer") == 0
    forward_passes.clear()
    before = scores(output)
    (file,) = tmp_path.glob("results/*/*/fold_1/checkpoint_final.pth")
    checkpoint = torch.load(file, weights_only=False)
    checkpoint["network_weights"] = {k: w + 0.3 * torch.randn_like(w) for k, w in checkpoint["network_weights"].items()}
    torch.save(checkpoint, file)
    assert cross_validation("nnUNetTrainer") == 0
    assert len(forward_passes) == 1
    assert "nnU-Net fold 1: checkpoint changed: 1 case computed anew" in capsys.readouterr().out
    after = scores(output)
    assert {name for name in after if after[name] != before[name]} == {name for name in after if "/1/" in name}


def test_more_subsets_are_added_to_a_record(cross_validation, forward_passes, output):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "FLAIR")) == 0
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1ce", "T1")) == 0
    assert forward_passes == [("T1", "FLAIR"), ("T1ce",)]
    (record,) = records(output).values()
    assert list(record.scores) == ["T1", "T1ce", "FLAIR"]
    (file,) = training_files(output)
    assert Preview.read(file.parent, record.case).subsets == ("T1", "T1ce", "FLAIR")


def test_subsets_whose_previews_are_lost_are_predicted_again(cross_validation, forward_passes, output):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "FLAIR")) == 0
    (preview,) = output.glob("records/*/*/*.npz")
    preview.unlink()
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1ce")) == 0
    assert forward_passes == [("T1", "FLAIR"), ("T1", "T1ce", "FLAIR")]
    assert preview.is_file()


def test_records_of_other_weights_stay_until_they_are_replaced(cross_validation, output, tmp_path, monkeypatch):
    assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 0
    before = set(output.glob("records/*/*/*.json"))
    (file,) = tmp_path.glob("results/*/*/fold_0/checkpoint_final.pth")
    checkpoint = torch.load(file, weights_only=False)
    torch.save({**checkpoint, "current_epoch": 7}, file)

    def stopped(self, image, subsets):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SubsetPredictor, "predict_logits", stopped)
        assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 1
    assert set(output.glob("records/*/*/*.json")) == before
    assert len(read_results(output).records) == 1  # of the fold that is as it was
    assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 0
    assert len(read_results(output).records) == 3


def test_label_maps_are_added_to_a_finished_run(test_set, random_model, forward_passes, output):
    model = f"model={random_model()}"
    assert test_set(model, options=("--subsets", "T1", "T2")) == 0
    assert not (output / "predictions").exists()
    before = scores(output)
    keep = ("--subsets", "T1", "T2", "--keep-predictions")
    assert test_set(model, options=keep) == 0
    files = sorted(output.glob("predictions/*/*/*/*.nii.gz"))
    assert len(files) == 2 * 2
    files[0].unlink()
    forward_passes.clear()
    assert test_set(model, options=keep) == 0
    assert forward_passes == [("T1",)]
    assert files[0].is_file()
    assert scores(output) == before


def test_a_label_map_does_not_outlive_its_scores(test_set, random_model, output):
    model = random_model()
    assert test_set(f"model={model}", options=("--subsets", "T1", "--keep-predictions")) == 0
    files = sorted(output.glob("predictions/*/*/*/*.nii.gz"))
    before = [labels_in(file) for file in files]
    checkpoint_file = next(model.glob("fold_*/checkpoint_final.pth"))
    checkpoint = torch.load(checkpoint_file, weights_only=False)
    checkpoint["network_weights"] = {k: w + 0.3 * torch.randn_like(w) for k, w in checkpoint["network_weights"].items()}
    torch.save(checkpoint, checkpoint_file)
    assert test_set(f"model={model}", options=("--subsets", "T1")) == 0
    assert any(not np.array_equal(labels_in(file), old) for file, old in zip(files, before, strict=True))


def test_files_are_read_again_only_if_they_were_touched(make_dataset, random_model, output, tmp_path, monkeypatch):
    images, labels = (
        shutil.copytree(make_dataset("regions").raw / name, tmp_path / name) for name in ("imagesTs", "labelsTs")
    )
    run = partial(benchmark, output, "-i", images, "-l", labels, "-m", f"model={random_model()}", "--subsets", "T1")
    assert run() == 0
    hashed: list[str] = []
    original = input_facts.sha256_of
    monkeypatch.setattr(input_facts, "sha256_of", lambda file: hashed.append(file.name) or original(file))
    finished = {name: record.finished for name, record in records(output).items()}
    assert run() == 0
    assert hashed == []
    os.utime(labels / "blobTs_000.nii.gz", (0, 0))
    assert run() == 0
    assert "blobTs_000.nii.gz" in hashed
    assert "blobTs_001.nii.gz" not in hashed
    assert {name: record.finished for name, record in records(output).items()} == finished


def test_the_same_folder_takes_no_other_benchmark(cross_validation, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "--tolerance", 2)) == 1
    assert "tolerance_mm is 1.0 there and 2.0 now" in capsys.readouterr().err


def test_the_commands_of_a_dry_run_do_the_same(cross_validation, output, capsys, external_trainers, tmp_path):
    trainers = ("nnU-Net=nnUNetTrainer", "nnUNetTrainerModalityDropout")
    options = ("--subsets", "T1", "T1ce,FLAIR", "--engine", "torch-float32")
    assert cross_validation(*trainers, options=options) == 0
    expected = scores(output)
    shutil.rmtree(output)
    capsys.readouterr()
    assert cross_validation(*trainers, options=(*options, "--dry-run", "--parts", 2)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not output.exists()
    assert lines[0] == "# nnU-Net fold 0: 2 cases, 2 left"
    commands = [line for line in lines if not line.startswith("#")]
    assert len(commands) == 3
    assert commands[-1] == f"mstkd report {output}"
    environment = {**os.environ, **external_trainers}
    tested = Path(nnunetv2_mstkd.__file__).parents[1]
    if tested != Path(sysconfig.get_path("purelib")):  # first there, it would hide modules of Python's own
        environment["PYTHONPATH"] = str(tested)
    start = f"{sys.executable} -c 'from nnunetv2_mstkd.cli.main import main; raise SystemExit(main())'"
    processes = [
        subprocess.Popen(command.replace("mstkd", start, 1), shell=True, env=environment, cwd=tmp_path)
        for command in commands[:-1]
    ]  # at once
    assert [process.wait(120) for process in processes] == [0, 0]
    assert scores(output) == expected
    assert read_results(output).titles == ("nnU-Net", "ModalityDropout")


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_case_that_fails_does_not_stop_the_others(make_dataset, random_model, output, tmp_path, capsys):
    images, labels = (
        shutil.copytree(make_dataset("regions").raw / name, tmp_path / name) for name in ("imagesTs", "labelsTs")
    )
    (labels / "blobTs_000.nii.gz").unlink()
    strange = SimpleITK.ReadImage(str(labels / "blobTs_001.nii.gz")) * 7
    for channel in range(4):
        shutil.copy(images / f"blobTs_001_{channel:04d}.nii.gz", images / f"third_{channel:04d}.nii.gz")
        shutil.copy(images / f"blobTs_001_{channel:04d}.nii.gz", images / f"fourth_{channel:04d}.nii.gz")
    shutil.copy(labels / "blobTs_001.nii.gz", labels / "third.nii.gz")
    SimpleITK.WriteImage(strange, str(labels / "fourth.nii.gz"))
    strange = SimpleITK.ReadImage(str(labels / "blobTs_001.nii.gz"))
    strange.SetSpacing((1, 1, 1))
    SimpleITK.WriteImage(strange, str(labels / "blobTs_001.nii.gz"))
    code = benchmark(output, "-i", images, "-l", labels, "-m", f"model={random_model()}", "--subsets", "T1")
    assert code == 1
    assert list(records(output)) == ["model/0/0/third"]
    error = capsys.readouterr().err
    assert "3 cases could not be scored" in error
    assert "blobTs_000: has no reference: there is no" in error
    assert "blobTs_001: model fold 0: its images and the reference blobTs_001.nii.gz differ: spacing" in error
    assert "the reference fourth.nii.gz has the labels [7, 14, 21], but dataset.json has only [0, 1, 2, 3]" in error


def test_a_case_without_memory_leaves_the_others(test_set, random_model, output, monkeypatch, capsys):
    original = SubsetPredictor._forward
    calls = []

    def failing(self, image, subsets):
        calls.append(len(subsets))
        if len(calls) <= 4:
            raise RuntimeError("CUDA out of memory")
        return original(self, image, subsets)

    monkeypatch.setattr(SubsetPredictor, "_forward", failing)
    assert test_set(f"model={random_model()}", options=("--subsets-per-forward", 8)) == 1
    assert [name.rpartition("/")[2] for name in records(output)] == ["blobTs_001"]
    # the other portion of the first case is not tried, and the second case starts with what was left of the memory
    assert calls == [8, 4, 2, 1] + 15 * [1]
    assert "RuntimeError: CUDA out of memory, even for one subset at a time" in capsys.readouterr().err


def test_with_little_memory_the_scores_are_the_same(test_set, random_model, output, monkeypatch):
    model = random_model()
    assert test_set(f"model={model}") == 0
    expected = scores(output)
    shutil.rmtree(output)
    original = SubsetPredictor._forward

    def failing(self, image, subsets):
        if len(subsets) > 3:
            raise RuntimeError("out of memory")
        return original(self, image, subsets)

    monkeypatch.setattr(SubsetPredictor, "_forward", failing)
    assert test_set(f"model={model}") == 0
    assert scores(output) == expected


def test_an_input_that_cannot_be_read_is_told_as_such(test_set, random_model, output, monkeypatch, capsys):
    original = input_facts.sha256_of

    def failing(file):
        if file.name == "blobTs_000_0001.nii.gz":
            raise OSError(5, "Input/output error", str(file))
        return original(file)

    monkeypatch.setattr(input_facts, "sha256_of", failing)
    assert test_set(f"model={random_model()}", options=("--subsets", "T1")) == 1
    assert [name.rpartition("/")[2] for name in records(output)] == ["blobTs_001"]
    error = capsys.readouterr().err
    assert "blobTs_000_0001.nii.gz cannot be read" in error
    assert "cannot be written" not in error


def test_a_case_that_shows_none_of_the_subsets_is_left_out(make_dataset, random_model, output, tmp_path, capsys):
    dataset = make_dataset("regions")
    images = shutil.copytree(dataset.raw / "imagesTs", tmp_path / "imagesTs")
    empty = SimpleITK.ReadImage(str(images / "blobTs_000_0002.nii.gz")) * 0
    SimpleITK.WriteImage(empty, str(images / "blobTs_000_0002.nii.gz"))
    source = ("-i", images, "-l", dataset.raw / "labelsTs", "-m", f"model={random_model()}")
    assert benchmark(output, *source, "--subsets", "T2") == 0
    assert [name.rpartition("/")[2] for name in records(output)] == ["blobTs_001"]
    shown = capsys.readouterr().out
    assert "blobTs_000: T2 (blobTs_000_0002.nii.gz) is 0 everywhere: it counts as absent" in shown
    assert "left out: has T1+T1ce+FLAIR alone, which shows none of the subsets" in shown


def test_what_is_written_is_not_held(test_set, random_model, monkeypatch):
    """A run of thousands of cases holds its jobs to the end, but not what they found."""
    held, previews = [], []
    left, sampled = Jobs.left, job_writer.sampled

    def jobs_left(self):
        held.append(left(self))
        return held[-1]

    def kept(labels, stride):
        previews.append(weakref.ref(found := sampled(labels, stride)))
        return found

    monkeypatch.setattr(Jobs, "left", jobs_left)
    monkeypatch.setattr(job_writer, "sampled", kept)
    assert test_set(f"model={random_model()}", options=("--subsets", "T1", "T2")) == 0
    assert len(previews) == 2 * 2
    assert all(found() is None for found in previews)


def test_a_case_is_scored_on_what_it_can_show(make_dataset, random_model, output, tmp_path, forward_passes):
    dataset = make_dataset("regions")
    images = shutil.copytree(dataset.raw / "imagesTs", tmp_path / "imagesTs")
    (images / "blobTs_000_0000.nii.gz").unlink()
    empty = SimpleITK.ReadImage(str(images / "blobTs_000_0002.nii.gz")) * 0
    SimpleITK.WriteImage(empty, str(images / "blobTs_000_0002.nii.gz"))
    source = ("-i", images, "-l", dataset.raw / "labelsTs", "-m", f"model={random_model()}")
    assert benchmark(output, *source) == 0
    found = records(output)
    assert list(found["model/0/0/blobTs_000"].scores) == ["T1ce", "FLAIR", "T1ce+FLAIR"]
    assert len(found["model/0/0/blobTs_001"].scores) == 15
    forward_passes.clear()
    assert benchmark(output, *source) == 0
    assert forward_passes == []


def test_cascades_and_models_of_all_cases_are_refused(test_set, random_model, cross_validation, tmp_path, capsys):
    assert test_set(random_model(cascade=True)) == 1
    assert "second stage of a cascade" in capsys.readouterr().err
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    (fold,) = tmp_path.glob("results/*/*/fold_1")
    fold.rename(fold.with_name("fold_all"))
    assert cross_validation("nnUNetTrainer", folds=("all",)) == 1
    assert "fold_all was trained on every case" in capsys.readouterr().err


def test_models_that_do_not_go_together_are_refused(test_set, random_model, capsys):
    model = random_model()
    assert test_set(model, model) == 1
    assert "nnU-Net fold 0 is given twice" in capsys.readouterr().err
    names = {"channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "ADC"}}
    assert test_set(model, random_model("nnUNetTrainerModalityDropout", dataset_json=names)) == 1
    assert "Models of one benchmark have the same channels and labels" in capsys.readouterr().err


def test_a_folder_that_is_named_after_another_trainer_is_refused(test_set, random_model, capsys):
    model = random_model()
    renamed = model.rename(model.with_name(model.name.replace("nnUNetTrainer", "nnUNetTrainerModalityDropout")))
    assert test_set(renamed) == 1
    error = capsys.readouterr().err
    assert "named after nnUNetTrainerModalityDropout and 3d_fullres, but its checkpoints are of nnUNetTrainer" in error


def test_a_folder_with_a_name_of_its_own_tells_its_trainer_by_the_checkpoint(test_set, random_model, output):
    model = random_model("nnUNetTrainerModalityDropout")
    assert test_set(model.rename(model.with_name("ours")), options=("--subsets", "T1")) == 0
    assert read_results(output).titles == ("ModalityDropout",)


# --- what else is written --------------------------------------------------------------------------------------------


def test_the_confidence_file_reaches_mstkd_predict(test_set, random_model, output, make_dataset, tmp_path):
    from nnunetv2_mstkd.benchmark.confidence import write_confidence

    dataset, model = make_dataset("regions"), random_model()
    assert test_set(f"model={model}", options=("--subsets", "T1ce,FLAIR")) == 0
    assert write_confidence(read_results(output)) == [model / "mstkd_benchmark.json"]
    content = json.loads((model / "mstkd_benchmark.json").read_text())
    assert (content["dataset"], content["protocol"], content["policy"]) == (dataset.raw.name, "test set", "brats")
    arguments = ["-m", model, "-i", dataset.raw / "imagesTs", "-o", tmp_path / "out", "--modalities", "T1ce,FLAIR"]
    assert main(["predict", *map(str, arguments), "-device", "cpu", "--disable_tta"]) == 0
    sidecar = json.loads((tmp_path / "out" / "blobTs_000.mstkd.json").read_text())
    facts = [record.scores["T1ce+FLAIR"]["whole_tumor"] for record in records(output).values()]
    dice = [2 * fact.voxels_both / (fact.voxels_reference + fact.voxels_prediction) for fact in facts]
    assert sidecar["confidence"]["regions"]["whole_tumor"]["cases"] == 2
    assert sidecar["confidence"]["regions"]["whole_tumor"]["mean_dice"] == pytest.approx(np.mean(dice), abs=1e-4)


def test_facts_of_a_training(cross_validation, output, tmp_path):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    (training,) = map(TrainingFacts.read, training_files(output))
    (checkpoint,) = tmp_path.glob("results/*/*/fold_1/checkpoint_final.pth")
    weights = torch.load(checkpoint, weights_only=False)["network_weights"]
    # the decoder of nnU-Net's network holds the encoder again
    own = {name: w for name, w in weights.items() if not name.startswith("decoder.encoder.")}
    # and each convolution block holds convolution and norm a second time, as parts of all_modules
    own = {name: w for name, w in own.items() if ".all_modules." not in name}
    assert training.parameters == sum(w.numel() for w in own.values())
    assert (training.trainer, training.configuration, training.folds) == ("nnUNetTrainer", "3d_fullres", ("1",))
    assert training.inference["mirroring"] is False
    (record,) = records(output).values()
    assert (record.run["device"], record.run["engine"]) == ("cpu", "torch-float32")
    assert record.run["hardware"] == training.hardware
    assert record.run["versions"] == training.versions
    assert training.hardware["cores"] == os.cpu_count()
    assert set(training.versions) >= {"nnunetv2_mstkd", "nnunetv2", "torch"}


def test_the_command_ends_with_the_report(test_set, random_model, output, capsys, make_dataset):
    raw = make_dataset("regions").raw
    models = ("-m", f"nnU-Net={random_model()}", f"Dropout={random_model('nnUNetTrainerModalityDropout')}")
    source = ("-i", raw / "imagesTs", "-l", raw / "labelsTs", *models)
    options = ("--write-confidence", "--disable_tta", "--subsets", "T1", "T1ce,FLAIR", "1111")
    assert benchmark(output, *source, *options, report=True) == 0
    assert (output / "report" / "report.html").is_file()
    shown = capsys.readouterr().out
    assert "[4/4] blobTs_001 Dropout fold 0: 3 subsets" in shown
    assert str(output / "report" / "report.html") in shown
    assert len(list(output.parent.glob("models/*/mstkd_benchmark.json"))) == 2
    summary = json.loads((output / "report" / "summary.json").read_text())
    assert (summary["baseline"], summary["protocol"], summary["num_cases"]) == ("nnU-Net", "test set", 2)
    shutil.rmtree(output / "report")
    assert main(["report", str(output), "--baseline", "Dropout"]) == 0
    assert json.loads((output / "report" / "summary.json").read_text())["baseline"] == "Dropout"
