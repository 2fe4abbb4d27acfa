"""The demonstration's commands, from the cohort to the Dice values (L2)."""

from collections.abc import Iterator
from dataclasses import replace

from nnunetv2_mstkd.demo.folder import CONFIGURATION, DATASET_ID, PLANS, DemoFolder
from nnunetv2_mstkd.demo.recipe import Model, Recipe
from nnunetv2_mstkd.demo.step import Step
from nnunetv2_mstkd.modalities import ModalitySubset

COHORT, PLAN = "cohort", "plan_and_preprocess"
FOLD = "0"
ZERO_FILL_COMMENT = (
    "nnU-Net's own trainer does not read MSTKD_MODALITIES: it gets files full of zeros for what is absent."
)


def steps_of(recipe: Recipe, folder: DemoFolder, device: str, processes: int) -> list[Step]:
    """Return all steps in the order in which they are run.

    Args:
        recipe: what to compare.
        folder: where.
        device: cpu, cuda or mps, as for nnU-Net's commands.
        processes: of planning and preprocessing.
    """
    subsets = recipe.modality_subsets()
    steps = [_cohort(recipe, folder), _plan(recipe, folder, processes)]
    steps += [_train(recipe, folder, device, model) for model in recipe.models]
    if not all(model.reads_mask for model in recipe.models):
        fills = [_zero_fill(folder, subset) for subset in subsets if subset.absent_names]
        steps += [replace(fill, comment=ZERO_FILL_COMMENT) for fill in fills[:1]] + fills[1:]
    for model in recipe.models:
        for subset in subsets:
            steps += _predict_and_evaluate(recipe, folder, device, model, subset)
    return steps


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
        name=f"train_{trainer}",
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


def _zero_fill(folder: DemoFolder, subset: ModalitySubset) -> Step:
    target = folder.inputs / str(subset)
    return Step(
        name=f"zero_fill_{subset}",
        command=(
            *("python", "-m", "nnunetv2_mstkd.demo.zero_fill", str(folder.raw / "imagesTs"), str(target)),
            *("--present", ",".join(subset.names)),
        ),
        produces=(target,),
        needs=(COHORT,),
    )


def _predict_and_evaluate(
    recipe: Recipe, folder: DemoFolder, device: str, model: Model, subset: ModalitySubset
) -> Iterator[Step]:
    trainer, images = recipe.trainer_name(model), folder.test_images(model, subset)
    output = folder.prediction(recipe, model, subset)
    predict = Step(
        name=f"predict_{trainer}_{subset}",
        command=(
            *("nnUNetv2_predict", "-d", DATASET_ID, "-c", CONFIGURATION, "-f", FOLD, "-tr", trainer, "-p", PLANS),
            *("-device", device, "-i", str(images), "-o", str(output), "--disable_tta"),
        ),
        produces=(output,),
        needs=(f"train_{trainer}", *((f"zero_fill_{subset}",) if images.parent == folder.inputs else ())),
        environment={"MSTKD_MODALITIES": ",".join(subset.names)} if model.reads_mask and subset.absent_names else {},
        tuning=("-npp", "0", "-nps", "0"),  # in one process: for a few small cases, starting others takes longer
    )
    evaluate = Step(
        name=f"evaluate_{trainer}_{subset}",
        command=(
            *("nnUNetv2_evaluate_folder", str(folder.raw / "labelsTs"), str(output)),
            *("-djfile", str(output / "dataset.json"), "-pfile", str(output / "plans.json")),
        ),
        produces=(output / "summary.json",),
        needs=(predict.name,),
        tuning=("-np", "1"),
    )
    yield predict
    yield evaluate
