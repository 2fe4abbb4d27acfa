"""Cases of `mstkd benchmark` that fail, and what the others have of it; and what it holds in memory."""

import shutil
import weakref

import pytest
import SimpleITK
from benchmark_folder import benchmark, records, scores

from nnunetv2_mstkd.inference.benchmark import input_facts, job_writer
from nnunetv2_mstkd.inference.benchmark.jobs import Jobs
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor

pytestmark = pytest.mark.slow


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
