"""The demonstration's commands, from the cohort to the report (L2)."""

from pathlib import Path

from nnunetv2_mstkd.demo.folder import CONFIGURATION, DATASET_ID, PLANS, DemoFolder
from nnunetv2_mstkd.demo.recipe import Model, Recipe
from nnunetv2_mstkd.demo.step import Step

COHORT, PLAN, PREDICT, BENCHMARK = "cohort", "plan_and_preprocess", "predict", "benchmark"
FOLD = "0"


def steps_of(recipe: Recipe, folder: DemoFolder, device: str, processes: int) -> list[Step]:
    """Return all steps in the order in which they are run.

    Args:
        recipe: what to compare.
        folder: where.
        device: cpu, cuda or mps, as for nnU-Net's commands.
        processes: of planning and preprocessing.
    """
    return [
        _cohort(recipe, folder),
        _plan(recipe, folder, processes),
        *(_train(recipe, folder, device, model) for model in recipe.models),
        _predict(recipe, folder, device),
        _benchmark(recipe, folder, device),
    ]


def _cohort(recipe: Recipe, folder: DemoFolder) -> Step:
    size = ("--cases", str(recipe.cases), "--test-cases", str(recipe.test_cases), "--spacing", f"{recipe.spacing_mm:g}")
    command = ("mstkd", "cohort", str(folder.raw), *size, "--seed", str(recipe.seed))
    return Step(COHORT, command, produces=(folder.raw,))


def _plan(recipe: Recipe, folder: DemoFolder, processes: int) -> Step:
    target = recipe.gpu_memory_target_gb
    memory = () if target is None else ("-gpu_memory_target", f"{target:g}")
    command = ("nnUNetv2_plan_and_preprocess", "-d", DATASET_ID, "-c", CONFIGURATION, "-pl", "nnUNetPlannerTiny")
    workers = ("-npfp", str(processes), "-np", str(processes))
    return Step(PLAN, (*command, *memory), produces=(folder.preprocessed,), needs=(COHORT,), tuning=workers)


def _train(recipe: Recipe, folder: DemoFolder, device: str, model: Model) -> Step:
    trainer, fold = recipe.trainer_name(model), folder.model(recipe, model) / f"fold_{FOLD}"
    return Step(
        name=_training(recipe, model),
        command=(
            *("nnUNetv2_train", DATASET_ID, CONFIGURATION, FOLD, "-tr", trainer, "-p", PLANS),
            *("-device", device),
        ),
        produces=(folder.model(recipe, model),),
        needs=(PLAN,),
        # the final one is there when the training was interrupted in nnU-Net's validation of the whole cases
        checkpoints=(fold / "checkpoint_latest.pth", fold / "checkpoint_final.pth"),
        epochs=recipe.epochs,
    )


def _predict(recipe: Recipe, folder: DemoFolder, device: str) -> Step:
    model = recipe.models[-1]
    return Step(
        name=PREDICT,
        command=(
            *("mstkd", "predict", "-m", str(folder.model(recipe, model)), "-f", FOLD, "-device", device),
            *("-i", str(folder.test_images), "-o", str(folder.predictions), "--modalities", recipe.present),
            "--disable_tta",
        ),
        produces=(folder.predictions,),
        needs=(_training(recipe, model),),
        tuning=("--continue_prediction",),
        comment=f"These patients have all sequences; --modalities leaves out all but {recipe.present}.",
    )


def _benchmark(recipe: Recipe, folder: DemoFolder, device: str) -> Step:
    models = [f"{model.title}={folder.model(recipe, model)}" for model in recipe.models]
    return Step(
        name=BENCHMARK,
        command=(
            *("mstkd", "benchmark", "-i", str(folder.test_images), "-l", str(folder.test_labels), "-m", *models),
            *("-f", FOLD, "-o", str(folder.benchmark), "--baseline", recipe.models[0].title),
            *("-device", device, "--disable_tta"),
        ),
        produces=(folder.benchmark,),
        needs=tuple(_training(recipe, model) for model in recipe.models),
        comment="Every subset of the sequences, every model, every test patient:",
    )


def _training(recipe: Recipe, model: Model) -> str:
    """Return the name of a model's training step."""
    return f"train_{recipe.trainer_name(model)}"


def report_of(folder: DemoFolder) -> Path:
    """Return the report that the last step writes."""
    return folder.root / folder.benchmark / "report" / "report.html"
