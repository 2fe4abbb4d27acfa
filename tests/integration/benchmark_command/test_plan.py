"""What a benchmark plans before anything is predicted, and which models and cases it refuses."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import BenchmarkError, ModalityError, ModelFolderError, MSTKDError
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import Plan
from nnunetv2_mstkd.inference.benchmark.test_set import TestSet as Source  # pytest takes "Test..." for a test
from nnunetv2_mstkd.inference.benchmark.test_set import plan_test_set
from nnunetv2_mstkd.inference.benchmark.validation import CrossValidation, plan_cross_validation
from nnunetv2_mstkd.inference.model_folder import fold_names

pytestmark = pytest.mark.slow

OPTIONS = BenchmarkOptions(torch.device("cpu"))
SPLITS = [{"train": [], "val": [f"blobTr_{i:03d}" for i in own]} for own in ((0, 1), (2, 3), (4, 5))]


@pytest.fixture
def raw(make_dataset, tmp_path, monkeypatch) -> Path:
    """The raw dataset, a copy that a test may change, with folds of its own."""
    dataset = make_dataset("regions")
    copy = shutil.copytree(dataset.raw, tmp_path / "raw" / dataset.raw.name)
    preprocessed = tmp_path / "preprocessed" / dataset.raw.name
    preprocessed.mkdir(parents=True)
    (preprocessed / "splits_final.json").write_text(json.dumps(SPLITS))
    monkeypatch.setenv("nnUNet_raw", str(copy.parent))
    monkeypatch.setenv("nnUNet_preprocessed", str(preprocessed.parent))
    return copy


@pytest.fixture
def results(raw, random_model, tmp_path) -> Path:
    """A folder of results: folds 0 and 1 of nnU-Net's own trainer, in one configuration that bears two names."""
    plans = json.loads((random_model() / "plans.json").read_text())
    folder = tmp_path / "results" / raw.name
    folder.mkdir(parents=True)
    shutil.rmtree(tmp_path / "models")
    plans["configurations"]["other"] = plans["configurations"]["3d_fullres"]
    made = random_model(folds=(0, 1), plans={"configurations": plans["configurations"]})
    shutil.copytree(made, folder / "nnUNetTrainer__nnUNetPlansTiny__other")
    made.rename(folder / made.name)
    return folder.parent


@pytest.fixture
def plan(raw, results, output) -> Callable[..., Plan]:
    """Return a function that plans a cross-validation."""

    def make(*trainers: str, options: BenchmarkOptions = OPTIONS, **source: object) -> Plan:
        titled = tuple((None, trainer) for trainer in trainers or ("nnUNetTrainer",))
        given = {"configuration": "3d_fullres", "plans": ("nnUNetPlansTiny",), "results": (results,), **source}
        return plan_cross_validation(CrossValidation(raw.name, trainers=titled, **given), output, options)

    return make


@pytest.fixture
def plan_on_test_set(raw, output) -> Callable[..., Plan]:
    """Return a function that plans a benchmark of model folders on the test cases."""

    def make(*models: tuple[str | None, Path], labels: Path | None = None, images: Path | None = None) -> Plan:
        titled = tuple((title, str(folder)) for title, folder in models)
        return plan_test_set(Source(images or raw / "imagesTs", labels or raw / "labelsTs", titled), output, OPTIONS)

    return make


def scored(planned: Plan, output: Path) -> Plan:
    """Write what a finished run leaves: training.json, and a record of each case, without scores."""
    planned.facts.write(output)
    for training, cases in planned.work:
        facts = training.facts(1)
        facts.write(output)
        for case in cases:
            identity = training.identity
            record = CaseRecord(case.name, identity, "2026-01-01", {}, {}, str(case.reference), (1,) * 3, (1,) * 3, {})
            record.write(facts.records(output))
    return planned


def rows(planned: Plan) -> list[tuple[str, int, int, str]]:
    return [(t.title, t.order, t.repeat, "+".join(t.folds)) for t, _ in planned.work]


def change_json(file: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


# --- titles, repeats, places -----------------------------------------------------------------------------------------


def test_another_configuration_of_the_same_title_is_refused_at_once(plan, output):
    scored(plan(), output)
    with pytest.raises(BenchmarkError, match=r"nnU-Net fold 0 .*__other\).*was scored before.*different titles"):
        plan(configuration="other")
    assert rows(plan()) == [("nnU-Net", 0, 0, "0"), ("nnU-Net", 0, 0, "1")]  # what was scored goes on


def test_models_keep_records_and_row_when_their_title_changes(plan, results, output):
    before = scored(plan(), output)
    model = results / before.facts.dataset / "nnUNetTrainer__nnUNetPlansTiny__3d_fullres"
    shutil.copytree(model, model.with_name("nnUNetTrainer__Large__3d_fullres"))
    change_json(model.with_name("nnUNetTrainer__Large__3d_fullres") / "plans.json", lambda p: p.update(plans_name="L"))
    after = plan(plans=("nnUNetPlansTiny", "Large"))
    titles = {training.title: training for training, _ in after.work}
    assert set(titles) == {"nnU-Net (nnUNetPlansTiny, 3d_fullres)", "nnU-Net (L, 3d_fullres)"}
    places = {training.place for training, _ in before.work}
    old = [training for training, _ in after.work if training.place in places]
    assert {(training.title, training.order) for training in old} == {("nnU-Net (nnUNetPlansTiny, 3d_fullres)", 0)}
    assert titles["nnU-Net (L, 3d_fullres)"].order == 1


def test_a_new_title_computes_nothing(random_model, raw, output):
    source = ("-i", raw / "imagesTs", "-l", raw / "labelsTs", "--subsets", "T1", "-device", "cpu", "--no-report")
    model, states = random_model(), []
    for title in ("Mine", "Ours"):
        assert main(["benchmark", "-o", str(output), *map(str, source), "-m", f"{title}={model}"]) == 0
        results = read_results(output)
        assert (results.titles, len(results.records), results.passed_over) == ((title,), 2, ())
        states.append({file: file.stat().st_mtime_ns for file in output.rglob("blobTs_*")})
    assert states[0] == states[1]


def test_a_repeat_keeps_its_number(plan, results, output):
    again = shutil.copytree(results, results.with_name("again"))
    scored(plan(), output)
    found = plan(results=(again, results), folds=("0",))
    assert {t.model.folder.parents[1].name: t.repeat for t, _ in found.work} == {"results": 0, "again": 1}
    with pytest.raises(BenchmarkError, match="name all repeats in one command"):
        plan(results=(again,))


def test_models_of_one_title_and_other_trainers_are_no_repeats(plan_on_test_set, random_model):
    models = (random_model(), random_model("nnUNetTrainerModalityDropout"))
    with pytest.raises(BenchmarkError, match="one title stands for one trainer"):
        plan_on_test_set(*(("A", model) for model in models))


# --- cases -----------------------------------------------------------------------------------------------------------


def test_each_fold_has_its_validation_cases(plan):
    found = {(t.folds, t.cases): tuple(case.name for case in cases) for t, cases in plan().work}
    assert found == {
        (("0",), ("blobTr_000", "blobTr_001")): ("blobTr_000", "blobTr_001"),
        (("1",), ("blobTr_002", "blobTr_003")): ("blobTr_002", "blobTr_003"),
    }


def test_a_case_that_two_folds_validate_is_refused(plan, raw, tmp_path):
    file = tmp_path / "preprocessed" / raw.name / "splits_final.json"
    change_json(file, lambda splits: splits[1]["val"].append("blobTr_000"))
    with pytest.raises(BenchmarkError, match="both predict blobTr_000"):
        plan()
    assert len(plan(folds=("1",)).work[0][1]) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["channel_names"].update({"0": "T2", "2": "T1"}), r"\['T2', 'T1ce', 'T1', 'FLAIR'\]"),
        (lambda d: d["labels"].update(tumor_core=[2, 3]), r"'tumor_core': \(2, 3\)"),
        (lambda d: d.update(regions_class_order=[1, 2, 3]), r"'regions_class_order': \[1, 2, 3\]"),
    ],
)
def test_a_raw_dataset_that_is_no_longer_that_of_the_models_is_refused(plan, raw, change, told):
    change_json(raw / "dataset.json", change)
    with pytest.raises(BenchmarkError, match=rf"was trained with .*, but the raw dataset .* has .*{told}"):
        plan()


def test_a_raw_dataset_json_that_is_none_is_told(plan, raw):
    (raw / "dataset.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"dataset\.json is no JSON"):
        plan()


# --- one folder, one benchmark ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mirroring": False}, r"mirroring is True there and False now \(--disable_tta\)"),
        ({"step_size": 0.75}, r"step_size is 0\.5 there and 0\.75 now \(-step_size\)"),
    ],
)
def test_models_that_are_applied_otherwise_need_another_folder(plan, output, change, told):
    scored(plan(), output)
    before = sorted(output.rglob("*.json"))
    with pytest.raises(BenchmarkError, match=told):
        plan(options=replace(OPTIONS, **change))
    assert sorted(output.rglob("*.json")) == before


def test_another_test_set_needs_another_folder(plan_on_test_set, random_model, raw, output, tmp_path):
    model = (None, random_model())
    scored(plan_on_test_set(model), output)
    other = shutil.copytree(raw / "labelsTs", tmp_path / "site_b" / "labels")
    with pytest.raises(BenchmarkError, match=r"source is .*labelsTs.* there and .*site_b.* now \(-i, -l\)"):
        plan_on_test_set(model, labels=other)
    assert plan_on_test_set(model, images=raw / "imagesTr" / ".." / "imagesTs").work  # the same, written otherwise


def test_a_test_set_is_called_after_its_folder_whatever_model_is_first(plan_on_test_set, random_model, raw, tmp_path):
    models = (
        (None, random_model()),
        (None, random_model("nnUNetTrainerModalityDropout", plans={"dataset_name": "Dataset777_Other"})),
    )
    facts = [plan_on_test_set(*order).facts for order in (models, models[::-1])]
    assert facts[0] == facts[1]
    assert facts[0].dataset == raw.name
    labels = shutil.copytree(raw / "labelsTs", tmp_path / "site_b" / "labels")
    assert plan_on_test_set(models[0], labels=labels).facts.dataset == "site_b"


def test_models_that_write_regions_as_other_labels_are_refused(plan_on_test_set, random_model):
    order = {"regions_class_order": [1, 2, 3]}
    models = ((None, random_model()), (None, random_model("nnUNetTrainerModalityDropout", dataset_json=order)))
    with pytest.raises(BenchmarkError, match="have the same channels and labels"):
        plan_on_test_set(*models)


# --- models ----------------------------------------------------------------------------------------------------------


def test_scores_depend_on_weights_plans_and_dataset_json(plan_on_test_set, random_model):
    model = random_model()
    identities = []
    for name in (None, "fold_0/checkpoint_final.pth", "plans.json", "dataset.json"):
        if name is not None:
            with (model / name).open("ab") as file:
                file.write(b" ")
        ((training, _),) = plan_on_test_set((None, model)).work
        identities.append(training.identity)
        assert training.facts(1).identity == training.identity
    changed = [{key for key in now if now[key] != before[key]} for before, now in pairwise(identities)]
    assert changed == [{"weights_sha256"}, {"plans_sha256"}, {"dataset_json_sha256"}]


def test_folders_beside_the_folds_are_no_folds(plan, results):
    (model,) = results.glob("*/*__3d_fullres")
    shutil.copytree(model / "fold_0", model / "fold_0_backup")
    assert fold_names(model, None, "checkpoint_final.pth") == ["0", "1"]
    assert [training.folds for training, _ in plan().work] == [("0",), ("1",)]
    with pytest.raises(ModelFolderError, match="Fold 0_backup has no checkpoint_final"):
        fold_names(model, ["0_backup"], "checkpoint_final.pth")


def test_damaged_plans_are_told_before_anything_is_predicted(plan_on_test_set, random_model):
    model = random_model()
    change_json(model / "plans.json", lambda plans: plans["configurations"]["3d_fullres"].pop("spacing"))
    with pytest.raises(ModelFolderError, match=r"plans\.json or dataset\.json in .* are damaged"):
        plan_on_test_set((None, model))


def test_the_variable_is_refused_before_anything_else(plan, plan_on_test_set, monkeypatch):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1")
    for make in (lambda: plan(results=(Path("nowhere"),)), lambda: plan_on_test_set((None, Path("nowhere")))):
        with pytest.raises(ModalityError, match="benchmark masks by itself; to score some of the subsets use --su"):
            make()


def test_what_is_not_there_is_named(plan, monkeypatch, capsys, output):
    with pytest.raises(ModelFolderError, match="__nnUNetPlansTiny__2d; trained there: nnUNetTrainer__"):
        plan(configuration="2d")
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(MSTKDError, match=r"nnUNet_results is not set: export it, or name the folders .* --results"):
        plan(results=())
    assert main(["benchmark", "-d", "999", "-c", "2d", "-tr", "nnUNetTrainer", "-o", str(output)]) == 1
    assert "nnU-Net knows no dataset '999'" in capsys.readouterr().err
