"""What `mstkd benchmark` predicts, and how it scores it."""

import shutil

import numpy as np
import pytest
from benchmark_folder import benchmark, labels_in, records, scores

from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow

SUBSETS = Modalities(("T1", "T1ce", "T2", "FLAIR")).subsets()


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


def dedicated_to(subset: str) -> dict:
    """Return what a trainer writes into the plans of a model for one subset."""
    return {"mstkd": {"fixed_subset": subset, "channel_names": ["T1", "T1ce", "T2", "FLAIR"]}}


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
