"""Which trainings make up a row of the report."""

from dataclasses import replace

import pytest
from benchmark_records import NNUNET, MadeUpBenchmark, MadeUpModel, trainings, write_benchmark

from nnunetv2_mstkd.benchmark.record import case_files
from nnunetv2_mstkd.benchmark.rows import known_trainings, settled
from nnunetv2_mstkd.errors import BenchmarkError

FIRST = next(trainings(MadeUpBenchmark(models=(NNUNET,), cases=2)))  # results_0, fold 0


def training(title="A", folder="results_0", fold="0", cases=("a",), order=0, repeat=0, **changes):
    return replace(FIRST, title=title, folder=folder, folds=(fold,), cases=cases, order=order, repeat=repeat, **changes)


def rows(found):
    return [(each.title, each.order, each.repeat) for each in found]


def test_known_are_those_with_a_finished_case(tmp_path):
    made_up = MadeUpBenchmark(cases=1, models=(NNUNET, MadeUpModel("Ours")))
    folder = write_benchmark(tmp_path, made_up)
    first, second = trainings(made_up)
    assert {each.title for each in known_trainings(folder)} == {"nnU-Net", "Ours"}
    next(case_files(second.records(folder))).unlink()
    assert known_trainings(folder) == [first]


# order --------------------------------------------------------------------------------------------------------------


def test_rows_are_in_the_order_given():
    assert rows(settled([training("B"), training("A", "other")], [])) == [("B", 0, 0), ("A", 1, 0)]


def test_a_new_row_comes_behind_all_that_are_there():
    known = [training("A", "a", order=0), training("B", "b", order=1)]
    given = [training("new", "n"), training("A", "a"), training("B", "b")]
    assert rows(settled(given, known)) == [("new", 2, 0), ("A", 0, 0), ("B", 1, 0)]


def test_a_model_keeps_its_row_under_another_title():
    known = [training("A", "a", order=0), training("B", "b", order=1)]
    assert rows(settled([training("ours", "b"), training("more", "c")], known)) == [("ours", 1, 0), ("more", 2, 0)]


def test_rows_that_part_do_not_share_a_place():
    known = [training("D", "t1", needs="T1"), training("D", "t2", needs="T2")]
    given = [training("D1", "t1", needs="T1"), training("D2", "t2", needs="T2")]
    assert rows(settled(given, known)) == [("D1", 0, 0), ("D2", 1, 0)]


# repeats ------------------------------------------------------------------------------------------------------------


def test_folders_of_one_model_are_repeats_with_all_their_folds():
    given = [training(folder=folder, fold=fold, cases=(fold,)) for folder in ("x", "y") for fold in ("0", "1")]
    assert [each.repeat for each in settled(given, [])] == [0, 0, 1, 1]


def test_a_repeat_keeps_its_number_wherever_it_is_named():
    known = [training(folder="x", repeat=0), training(folder="y", repeat=1)]
    given = [training(folder="new"), training(folder="y"), training(folder="x")]
    assert [each.repeat for each in settled(given, known)] == [2, 1, 0]


def test_models_that_had_rows_of_their_own_become_repeats():
    known = [training("A", "x", repeat=0), training("B", "y", repeat=0, order=1)]
    assert rows(settled([training("A", "x"), training("A", "y")], known)) == [("A", 0, 0), ("A", 0, 1)]


def test_dedicated_models_are_no_repeats_of_each_other():
    given = [training(folder=needs, needs=needs) for needs in ("T1", "T2")]
    assert rows(settled(given, [])) == [("A", 0, 0), ("A", 0, 0)]


# what cannot be -----------------------------------------------------------------------------------------------------


def test_the_same_training_twice_is_refused():
    with pytest.raises(BenchmarkError, match="A fold 0 is given twice: results_0"):
        settled([training(), training()], [])
    with pytest.raises(BenchmarkError, match="given twice"):
        settled([training(), training("B")], [])


@pytest.mark.parametrize(
    "other",
    [
        {"configuration": "2d"},  # as a second call with -c 2d
        {"plans": "Large"},
        {"trainer": "nnUNetTrainerMSTKD"},
        {"checkpoint": "checkpoint_best.pth"},
        {"needs": "T1"},
    ],
)
def test_a_title_stands_for_one_kind_of_model(other):
    with pytest.raises(BenchmarkError, match=r"was scored before, and one title .* -m TITLE=FOLDER") as refused:
        settled([training(folder="x", **other)], [training()])
    assert "A fold 0 (x): A fold 0 (results_0)" in str(refused.value)
    with pytest.raises(BenchmarkError, match="is given, too, and one title"):
        settled([training(folder="x", **other), training()], [])


def test_a_repeat_that_is_named_alone_is_refused():
    with pytest.raises(BenchmarkError, match="same repeat: name all repeats in one command"):
        settled([training(folder="y")], [training(folder="x")])


def test_folds_that_share_a_case_are_refused():
    given = [training(fold="0", cases=("a", "b")), training(fold="1", cases=("b", "c"))]
    with pytest.raises(BenchmarkError, match="both predict b, which would count twice"):
        settled(given, [])
    with pytest.raises(BenchmarkError, match="both predict b"):
        settled(given[:1], given[1:])
    assert len(settled([given[0], replace(given[1], cases=("c",))], [])) == 2


def test_other_folds_of_an_ensemble_are_refused_under_the_same_title_alone():
    known = [replace(training(cases=("a",)), folds=("0", "1"))]
    with pytest.raises(BenchmarkError, match=r"A folds 0 1 \(results_0\) was scored before, and both predict a"):
        settled([training(cases=("a",))], known)
    assert rows(settled([training("one fold", cases=("a",))], known)) == [("one fold", 1, 0)]


def test_titles_that_differ_in_case_alone_are_refused():
    with pytest.raises(BenchmarkError, match="differ in case alone"):
        settled([training("mst-kd", "x")], [training("MST-KD", "y")])
