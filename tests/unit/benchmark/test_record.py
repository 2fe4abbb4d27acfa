"""The files of a benchmark folder."""

import hashlib
import json
from dataclasses import replace

import pytest
from benchmark_records import MadeUpBenchmark, trainings, write_benchmark

from nnunetv2_mstkd.benchmark.benchmark_facts import BENCHMARK_FILE, BenchmarkFacts
from nnunetv2_mstkd.benchmark.record import CaseRecord, case_files
from nnunetv2_mstkd.benchmark.training_facts import TRAINING_FILE, TrainingFacts, slug, training_files
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.regions import Region

ONE = MadeUpBenchmark(cases=1)


@pytest.fixture
def folder(tmp_path):
    return write_benchmark(tmp_path, ONE)


@pytest.fixture
def training(folder):
    return next(trainings(ONE))


# facts of the whole -------------------------------------------------------------------------------------------------


def test_facts_are_read_as_written(folder):
    assert BenchmarkFacts.read(folder) == ONE.facts
    ONE.facts.write(folder)  # once more: the same benchmark


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tolerance_mm": 2.0}, "tolerance_mm is 1.0 there and 2.0 now"),
        ({"tolerance_mm": 2.0}, r"2\.0 now \(--tolerance\)"),
        ({"step_size": 0.25}, r"step_size is 0\.5 there and 0\.25 now \(-step_size\)"),
        ({"mirroring": False}, r"mirroring is True there and False now \(--disable_tta\)"),
        (
            {"source": {"images": "/i", "labels": "/l"}},
            r"source is None there and {'images': '/i', 'labels': '/l'} now",
        ),
        ({"protocol": "test set"}, "protocol is 'validation folds' there and 'test set' now"),
        ({"regions": ONE.regions[::-1]}, "regions is"),
        ({"regions": (Region("whole_tumor", (1, 2)), *ONE.regions[1:])}, "regions is"),
    ],
)
def test_another_benchmark_in_the_same_folder_is_refused(folder, change, told):
    with pytest.raises(BenchmarkError, match=told) as refused:
        replace(ONE.facts, **change).write(folder)
    assert "another output folder" in str(refused.value)
    assert BenchmarkFacts.read(folder) == ONE.facts


def test_a_folder_that_holds_nothing_yet_fits(tmp_path):
    ONE.facts.require_same(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_benchmark_says_what_to_do(tmp_path):
    with pytest.raises(BenchmarkError, match=r"benchmark\.json is missing: run mstkd benchmark"):
        BenchmarkFacts.read(tmp_path)


def test_another_format_is_refused(folder):
    file = folder / BENCHMARK_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(BenchmarkError, match="format 99"):
        BenchmarkFacts.read(folder)


# trainings ----------------------------------------------------------------------------------------------------------


def test_a_training_is_read_as_written(folder, training):
    assert TrainingFacts.read(training.records(folder) / TRAINING_FILE) == training


def test_records_lie_where_the_documentation_says(folder, training):
    name = "nnUNetTrainernnUNet__nnUNetPlans__3d_fullres"
    model = f"results_0/Dataset901_MadeUp/{name}\ncheckpoint_final.pth"
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    expected = folder / "records" / f"{name}_{digest}" / "fold_0"
    assert training.records(folder) == expected
    assert expected / TRAINING_FILE in training_files(folder)
    assert len(training_files(folder)) == 3


def test_an_ensemble_has_all_folds_in_its_place(training):
    assert replace(training, folds=("0", "1", "4")).place.name == "fold_0_1_4"


@pytest.mark.parametrize(
    "change",
    [{"folder": "elsewhere/nnUNetTrainernnUNet__nnUNetPlans__3d_fullres"}, {"checkpoint": "checkpoint_best.pth"}],
)
def test_a_place_belongs_to_one_folder_and_checkpoint(training, change):
    other = replace(training, **change).place
    assert other != training.place
    assert other.parent.name.startswith("nnUNetTrainernnUNet__nnUNetPlans__3d_fullres_")


def test_a_place_does_not_depend_on_what_a_model_is_called(training):
    assert replace(training, title="Ours", order=4, repeat=2).place == training.place


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "nnU-Net fold 0"),
        ({"repeat": 1}, "nnU-Net repeat 1 fold 0"),
        ({"folds": ("0", "4")}, "nnU-Net folds 0 4"),
    ],
)
def test_a_training_in_a_few_words(training, change, name):
    assert replace(training, **change).name == name


@pytest.mark.parametrize("title", ["MST-KD", "nnU-Net_5epochs", "a.b+c"])
def test_plain_titles_are_their_own_slugs(title):
    assert slug(title) == title


@pytest.mark.parametrize(
    "title", ["../../etc", "..", "", "a/b", "a b", "<script>", "tumör", "x" * 300, ".hidden", "a\n"]
)
def test_other_titles_become_one_safe_folder_name(title):
    name = slug(title)
    assert name != title
    assert "/" not in name
    assert not name.startswith(".")
    assert 0 < len(name.encode()) < 200


def test_different_titles_have_different_slugs():
    titles = ["a b", "a_b", "a/b", "a  b", "a b ", "x" * 130, "x" * 131]
    assert len({slug(title) for title in titles}) == len(titles)


# cases --------------------------------------------------------------------------------------------------------------


def test_a_case_is_read_as_written(folder, training):
    records = training.records(folder)
    (file,) = case_files(records)
    record = CaseRecord.read(file)
    assert file == CaseRecord.file_of(records, record.case)
    again = replace(record, case="other", identity={"weights": {"0": "abc"}, "subsets": ["T1"]})
    assert CaseRecord.read(again.write(records)) == again
    assert [each.name for each in case_files(records)] == ["case_000.json", "other.json"]


def test_leftovers_of_a_kill_are_no_cases(folder, training):
    (training.records(folder) / ".partial_17_case_001.json").write_text("{")
    assert len(list(case_files(training.records(folder)))) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"case": "case_000"}'])
def test_a_damaged_record_is_named_with_what_to_do(folder, training, text):
    file = CaseRecord.file_of(training.records(folder), "case_000")
    file.write_text(text)
    with pytest.raises(BenchmarkError, match=r"case_000\.json is damaged") as refused:
        CaseRecord.read(file)
    assert "Delete it" in str(refused.value)


def test_damaged_facts_of_a_mask_are_named_by_their_file(folder, training):
    file = CaseRecord.file_of(training.records(folder), "case_000")
    content = json.loads(file.read_text())
    content["scores"]["T1"]["whole_tumor"] = {"voxels_reference": "many"}
    file.write_text(json.dumps(content))
    with pytest.raises(BenchmarkError, match=r"case_000\.json is damaged"):
        CaseRecord.read(file)


def test_a_case_called_as_the_file_of_the_training_is_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="rename"):
        CaseRecord.file_of(tmp_path, "training")


def test_nan_is_never_written(folder, training):
    (file,) = case_files(training.records(folder))
    with pytest.raises(ValueError, match="JSON"):
        replace(CaseRecord.read(file), case="other", seconds={"forward": float("nan")}).write(file.parent)
    assert [each.name for each in file.parent.glob("*other*")] == []
