"""A training step of each trainer, as one of several processes: -m integration.ddp_worker <rank> <world_size> <folder>.

Run by test_ddp.py, which also calls `step` for one process. Trainers are built, started and stepped by their own code;
in float64, and in evaluation mode: nothing is drawn that would be another for another rank.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from integration.ddp_cases import CASES, Case, draw_batch, part_of_rank, what_cases_have
from torch import distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.distillation.terms import DISCRIMINATORS
from nnunetv2_mstkd.unwrap import unwrap

WRAPPERS = (
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer.DDP",
    "nnunetv2_mstkd.trainers.settings_trainer.DistributedDataParallel",
)
PLANS = "plans.pth"  # of a tiny dataset of four modalities; and its dataset.json, by whether it has regions


class CountingDDP(DistributedDataParallel):
    """Wraps a module on a CPU, where nnU-Net names a GPU, and counts the gradients that are reduced."""

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None) -> None:
        super().__init__(module)
        self.num_reduced = [0]
        self.register_comm_hook(self.num_reduced, count_and_reduce)


def count_and_reduce(count: list[int], bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Add to the count, and reduce as DDP does."""
    count[0] += bucket.buffer().numel()
    return allreduce_hook(None, bucket)


def step(name: str, folder: Path, rank: int = 0, world_size: int = 1) -> dict[str, torch.Tensor]:
    """Run a step of one of CASES on this rank's part of the batch.

    Returns:
        by "<what> <name>": each "loss"; each "gradient" and, after the step, "weight" of each part; and of the part
        whether its weights "moved", whether it is "wrapped" for DDP, and how many gradients "count": without DDP all
        of them, with it those that were reduced.
    """
    with default_float64():
        trainer = started_trainer(CASES[name], folder)
        batch, mask = part_of_rank(draw_batch(trainer, CASES[name].batch_size), rank, world_size)
        trainer.training_mask = lambda _: mask
        modules = parts(trainer)
        before = {part: weights(module) for part, module in modules.items()}
        losses = trainer.train_step(batch)
    result = {f"loss {term}": torch.tensor(float(value)) for term, value in losses.items()}
    for part, module in modules.items():
        result |= facts(part, module, before[part])
    return result


def started_trainer(case: Case, folder: Path) -> Any:
    """Build a trainer and start its first epoch."""
    plans, descriptions = torch.load(folder / PLANS, weights_only=False)
    settings = dict(case.settings)
    if "teacher_checkpoint" in settings:
        settings["teacher_checkpoint"] = str(folder / settings["teacher_checkpoint"])
    plans |= {"mstkd": settings, "continue_training": False}
    cpu = torch.device("cpu")
    trainer = getattr(trainers, case.trainer)(plans, case.configuration, 0, descriptions[case.regions], device=cpu)
    trainer.device, trainer.grad_scaler = cpu, None  # under DDP nnU-Net takes a GPU, whatever device it is given
    trainer.available = what_cases_have(trainer)
    trainer.get_dataloaders = lambda: (None, None)  # the batch is drawn once, for all ranks
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    if not trainer.is_ddp:
        weigh_as_under_ddp(trainer.loss)
    for module in parts(trainer).values():
        module.eval()
    return trainer


def weigh_as_under_ddp(loss: Any) -> None:
    """Give the coarsest scale the weight that nnU-Net gives it under DDP, lest its parameters be unused."""
    *others, _ = loss.weight_factors
    factors = [*others, 1e-6 * others[0]]
    loss.weight_factors = tuple(factor / sum(factors) for factor in factors)


def parts(trainer: Any) -> dict[str, nn.Module]:
    """Return the networks of a trainer and what is trained beside them, in DDP's wrappers where it has them."""
    beside = {name: getattr(trainer, name, None) for name in ("auxiliary", "regressor")}
    adversaries = getattr(trainer, "adversaries", {})
    judges = {DISCRIMINATORS[term]: adversary.discriminator for term, adversary in adversaries.items()}
    found = {**trainer.branches(), **beside, **judges}
    return {name: module for name, module in found.items() if module is not None}


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a module's weights, by name."""
    return {name: value.clone() for name, value in unwrap(module).state_dict().items()}


def facts(part: str, module: nn.Module, before: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what `step` says of a part."""
    after = weights(module)
    gradients = {name: weight.grad for name, weight in unwrap(module).named_parameters() if weight.grad is not None}
    count = sum(gradient.numel() for gradient in gradients.values())
    if distributed.is_initialized():
        count = module.num_reduced[0] if isinstance(module, CountingDDP) else 0
    return {
        **{f"gradient {part}.{name}": gradient for name, gradient in gradients.items()},
        **{f"weight {part}.{name}": value for name, value in after.items()},
        f"moved {part}": torch.tensor(any(not torch.equal(before[name], value) for name, value in after.items())),
        f"wrapped {part}": torch.tensor(isinstance(module, DistributedDataParallel)),
        f"count {part}": torch.tensor(count),
    }


@contextmanager
def default_float64() -> Iterator[None]:
    """Let what is built and drawn be in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def main() -> None:
    """Run as one of several processes, all cases in turn."""
    rank, world_size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    with patch(WRAPPERS[0], CountingDDP), patch(WRAPPERS[1], CountingDDP):
        found = {name: step(name, folder, rank, world_size) for name in CASES}
    torch.save(found, folder / f"rank{rank}.pth")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
