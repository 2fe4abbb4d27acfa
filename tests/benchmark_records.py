"""A benchmark folder as `mstkd benchmark` writes it, with made-up scores of known size: no model is needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK

from nnunetv2_mstkd.benchmark.benchmark_facts import BenchmarkFacts
from nnunetv2_mstkd.benchmark.preview import Preview, preview_stride, sampled
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.regions import Region

BRATS = (Region("whole_tumor", (1, 2, 3)), Region("tumor_core", (2, 3)), Region("enhancing_tumor", (3,)))
SPACING_MM = 4.0
SIZE = 28  # voxels along each axis of the images


@dataclass(frozen=True)
class MadeUpModel:
    """A row of the report.

    Args:
        title: of the model.
        effect: added to the Dice of every subset, region and case.
        trained_for_missing: what its facts say.
        subsets: names of those that it was scored on; None = all.
        needs: subset of a dedicated model; it is scored on that one alone.
    """

    title: str
    effect: float = 0.0
    trained_for_missing: bool = True
    subsets: tuple[str, ...] | None = None
    needs: str | None = None


NNUNET = MadeUpModel("nnU-Net", trained_for_missing=False)
MSTKD = MadeUpModel("MST-KD", 0.08)
DROPOUT = MadeUpModel("Dropout", 0.05)


@dataclass(frozen=True)
class MadeUpBenchmark:
    """What to make up.

    Args:
        models: rows.
        cases: how many; they are spread over the folds.
        folds: of each training.
        repeats: of each model.
        modalities: channel names.
        regions: what is scored; their labels must be nested as those of BRATS are, or single.
        empty_references: so many cases, from the last, lack the last region; the first model finds nothing there
            either, the others find 20 voxels.
        missed: so many cases, from the first, in which the first model finds nothing of the last region with the
            first subset.
        images: write images, references and previews, too.
        noise: standard deviation of the Dice between models and repeats, case by case.
        seed: of the scores.
    """

    models: tuple[MadeUpModel, ...] = (NNUNET, DROPOUT, MSTKD)
    cases: int = 6
    folds: int = 1
    repeats: int = 1
    modalities: Sequence[str] = ("T1", "T1ce", "T2", "FLAIR")
    regions: tuple[Region, ...] = BRATS
    empty_references: int = 1
    missed: int = 1
    images: bool = False
    noise: float = 0.02
    seed: int = 0

    @property
    def facts(self) -> BenchmarkFacts:
        modalities = Modalities(tuple(self.modalities))
        return BenchmarkFacts("Dataset901_MadeUp", modalities, self.regions, None, 1.0, False, "validation folds")

    @property
    def case_names(self) -> list[str]:
        return [f"case_{i:03d}" for i in range(self.cases)]


def write_benchmark(folder: Path, benchmark: MadeUpBenchmark | None = None) -> Path:
    """Write a benchmark folder and return it; equal arguments give equal scores."""
    made_up = benchmark or MadeUpBenchmark()
    made_up.facts.write(folder)
    if made_up.images:
        for i in range(made_up.cases):
            _write_images(folder, made_up, i)
    for training in trainings(made_up):
        training.write(folder)
        for i in range(int(training.folds[0]), made_up.cases, made_up.folds):
            _write_case(folder, made_up, training, i)
    return folder


def trainings(made_up: MadeUpBenchmark) -> Iterator[TrainingFacts]:
    """Yield the facts of every training."""
    for order, model in enumerate(made_up.models):
        trainer = f"nnUNetTrainer{model.title.replace('-', '').replace(' ', '')}"
        needs = None if model.needs is None else f"__{model.needs.replace('+', '_')}"
        for repeat in range(made_up.repeats):
            for fold in range(made_up.folds):
                yield TrainingFacts(
                    title=model.title,
                    order=order,
                    repeat=repeat,
                    folds=(str(fold),),
                    folder=f"results_{repeat}/Dataset901_MadeUp/{trainer}__nnUNetPlans{needs or ''}__3d_fullres",
                    trainer=trainer,
                    plans="nnUNetPlans",
                    configuration="3d_fullres",
                    checkpoint="checkpoint_final.pth",
                    weights_sha256={str(fold): f"{order}{repeat}{fold}".ljust(64, "a")},
                    plans_sha256="b" * 64,
                    dataset_json_sha256="c" * 64,
                    trained_for_missing_modalities=model.trained_for_missing,
                    needs=model.needs,
                    parameters=1_234_567,
                    inference={"device": "cpu", "engine": "pytorch", "step_size": 0.5, "mirroring": False,
                               "subsets_per_forward": 15},
                    versions={"python": "3.12.0", "nnunetv2_mstkd": "0.1.0", "nnunetv2": "2.8.1", "torch": "2.8.0"},
                    hardware={"cpu": "a processor", "cores": 2, "gpu": None},
                    cases=tuple(made_up.case_names[fold :: made_up.folds]),
                )  # fmt: skip


def made_up_dice(made_up: MadeUpBenchmark, model: int, repeat: int, case: int) -> np.ndarray:
    """Return Dice (subsets, regions) as asked, before voxels are counted: more modalities, larger regions are better.

    The case's part is shared by all models, as in a paired comparison.
    """
    subsets = made_up.facts.modalities.subsets()
    sizes = np.array([len(subset) for subset in subsets])[:, None] / len(made_up.modalities)
    regions = np.arange(len(made_up.regions))[None, :]
    of_case = np.random.default_rng([made_up.seed, case]).normal(0, 0.08, (1, len(made_up.regions)))
    noise = np.random.default_rng([made_up.seed, case, model, repeat]).normal(size=(len(subsets), len(made_up.regions)))
    dice = 0.45 + 0.35 * sizes - 0.08 * regions + of_case + made_up.models[model].effect + made_up.noise * noise
    return np.clip(dice, 0.02, 0.99)


def _write_case(folder: Path, made_up: MadeUpBenchmark, training: TrainingFacts, i: int) -> None:
    model, case = made_up.models[training.order], made_up.case_names[i]
    dice = made_up_dice(made_up, training.order, training.repeat, i)
    kept = [(s, str(subset)) for s, subset in enumerate(made_up.facts.modalities.subsets()) if _scored(subset, model)]
    scores = {
        name: {
            region.name: _facts(made_up, training.order, i, s, r, float(dice[s, r]))
            for r, region in enumerate(made_up.regions)
        }
        for s, name in kept
    }
    records = training.records(folder)
    if made_up.images:
        stride = preview_stride([SPACING_MM] * 3)
        maps = [sampled(label_map(made_up, i, float(dice[s].mean())), stride) for s, _ in kept]
        Preview(tuple(name for _, name in kept), np.stack(maps), stride).write(records, case)
    CaseRecord(
        case=case,
        identity=training.identity,
        finished="2026-01-01T12:00:00+00:00",
        seconds={"prepare": 1.0, "forward": 2.5, "score": 0.5},
        images={name: str(folder / "images" / f"{case}_{c:04d}.nii.gz") for c, name in enumerate(made_up.modalities)},
        reference=str(folder / "labels" / f"{case}.nii.gz"),
        spacing_mm=(SPACING_MM,) * 3,
        shape=(SIZE,) * 3,
        scores=scores,
        run={"device": "cpu", "engine": "pytorch", "versions": training.versions, "hardware": training.hardware},
    ).write(records)


def _scored(subset: ModalitySubset, model: MadeUpModel) -> bool:
    if model.needs is not None:
        return str(subset) == model.needs
    return model.subsets is None or str(subset) in model.subsets


def _facts(made_up: MadeUpBenchmark, model: int, case: int, subset: int, region: int, dice: float) -> MaskFacts:
    """Return facts with that Dice: reference and prediction have the same number of voxels."""
    last = region == len(made_up.regions) - 1
    voxels = int(8000 / 2**region * (1 + 0.1 * (case % 5)))
    both = round(dice * voxels)
    one_sided = MaskFacts(
        voxels_reference=voxels, voxels_prediction=0, voxels_both=0, voxel_ml=SPACING_MM**3 / 1000,
        hd95_reference_mm=None, hd95_prediction_mm=None, hd95_pooled_mm=None, nsd=None,
    )  # fmt: skip
    if last and case >= made_up.cases - made_up.empty_references:
        found = 0 if model == 0 else 20
        return replace(one_sided, voxels_reference=0, voxels_prediction=found)
    if last and case < made_up.missed and model == 0 and subset == 0:
        return one_sided
    return replace(
        one_sided,
        voxels_prediction=voxels,
        voxels_both=both,
        hd95_reference_mm=round(40 * (1 - dice), 3),
        hd95_prediction_mm=round(36 * (1 - dice), 3),
        hd95_pooled_mm=round(38 * (1 - dice), 3),
        nsd=round(0.95 * dice, 4),
    )


def label_map(made_up: MadeUpBenchmark, case: int, scale: float = 1.0) -> np.ndarray:
    """Return uint8 (z, y, x): balls in one another, whose volume goes with `scale`; the references have scale 1."""
    centre = SIZE / 2 + np.random.default_rng([made_up.seed, case]).uniform(-3, 3, 3)
    distance = np.linalg.norm(np.indices((SIZE,) * 3).transpose(1, 2, 3, 0) - centre, axis=-1)
    labels = np.zeros((SIZE,) * 3, np.uint8)
    for i, label in enumerate(sorted({label for region in made_up.regions for label in region.labels})):
        labels[distance < scale ** (1 / 3) * (8 - 2 * i)] = label
    return labels


def _write_images(folder: Path, made_up: MadeUpBenchmark, case: int) -> None:
    """Write a reference and one image for each modality: a ball of brain, brighter where the labels are."""
    name, labels = made_up.case_names[case], label_map(made_up, case)
    brain = np.linalg.norm(np.indices((SIZE,) * 3) - (SIZE - 1) / 2, axis=0) < SIZE / 2 - 1
    noise = np.random.default_rng([made_up.seed, case]).normal(0, 4, (SIZE,) * 3)
    _write_image(folder / "labels" / f"{name}.nii.gz", labels)
    for channel in range(len(made_up.modalities)):
        image = np.where(brain, 100 + 20 * (channel + 1) * labels.astype(float) + noise, 0)
        _write_image(folder / "images" / f"{name}_{channel:04d}.nii.gz", image.astype(np.float32))


def _write_image(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((SPACING_MM,) * 3)
    SimpleITK.WriteImage(image, str(file), True)
