"""One training step in one process, or one of several: python ddp_worker.py <case> <rank> <world_size> <folder>.

Run by test_ddp.py, with the functions that the trainer's step is made of. Float64, dropout off. Trainers of networks
with an encoder for each modality run their own step.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.distillation.adversarial import discriminator_loss, judged
from nnunetv2_mstkd.distillation.settings import SHARED, ACNSettings, DistillationSettings, SMUNetSettings
from nnunetv2_mstkd.distillation.step import distillation_terms, needs_attention, segmentation_terms, total_loss
from nnunetv2_mstkd.distillation.step_target import StepTarget
from nnunetv2_mstkd.distillation.subset_draw import mask_modalities
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities
from nnunetv2_mstkd.trainers.teacher import SharedTeacher

BATCH, PATCH, CLASSES, SCALES = 4, (16, 16), 3, 3
CASES = {
    "regions": {},
    "labels": {},
    "co_training": {"co_training": True},
    "noMSTKD": {"use_multiscale_transformer": False},
    "noGSME": {"use_style_matching": False},
    "noSLKD": {"use_logit_distillation": False},
    "shared": {"teacher": "shared"},
    "ACN": vars(ACNSettings()),
    "SMU-Net": vars(SMUNetSettings()),
}
MULTI_ENCODER = ("nnUNetTrainerRAHVED", "nnUNetTrainerRMBTS", "nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans")
PLANS = "plans.pth"  # of a tiny dataset of four modalities with regions, and its dataset.json


def plan_network() -> nn.Module:
    """Build a 2D network of four stages."""
    network = PlainConvUNet(
        input_channels=4, n_stages=4, features_per_stage=[4, 8, 8, 8], conv_op=nn.Conv2d, kernel_sizes=3,
        strides=[1, 2, 2, 2], n_conv_per_stage=1, num_classes=CLASSES, n_conv_per_stage_decoder=1, conv_bias=True,
        norm_op=nn.InstanceNorm2d, norm_op_kwargs={"affine": True, "eps": 1e-5}, nonlin=nn.LeakyReLU,
        deep_supervision=True,
    )  # fmt: skip
    network.apply(network.initialize)
    return network


def segmentation_loss(regions: bool) -> nn.Module:
    """Build nnU-Net's loss; its last deep supervision weight is 1e-6 under DDP, lest a parameter be unused."""
    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": regions, "ddp": False}
    if regions:
        loss = DC_and_BCE_loss({}, dice, dice_class=MemoryEfficientSoftDiceLoss)
    else:
        loss = DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)
    return DeepSupervisionWrapper(loss, [4 / 7, 2 / 7, 1e-6])


def batch(regions: bool) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Draw images, masks (the last sample is complete) and targets of BATCH samples."""
    image = torch.randn(BATCH, 4, *PATCH)
    mask = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
    targets = []
    for scale in range(SCALES):
        grid = [n // 2**scale for n in PATCH]
        if regions:
            targets.append((torch.rand(BATCH, CLASSES, *grid) > 0.5).double())
        else:
            targets.append(torch.randint(CLASSES, (BATCH, 1, *grid)).double())
    return image, mask, targets


def step(case: str, rank: int = 0, world_size: int = 1) -> dict[str, torch.Tensor]:
    """Run a step on this rank's part of the batch; return losses and all gradients."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    settings = DistillationSettings(**CASES[case])
    regions = case != "labels"
    options = {"use_transformer": settings.use_multiscale_transformer, "use_style_fusion": settings.use_style_matching}
    branches = ("student",) if settings.teacher == SHARED else ("teacher", "student")
    bare: dict[str, nn.Module] = {name: MSTKDNetwork(plan_network(), PATCH, **options) for name in branches}
    judges = build_discriminators(settings, bare["student"].encoder, CLASSES)
    bare.update({f"discriminator {term}": judge for term, judge in judges.items()})
    if (regressor := build_regressor(settings, bare["student"].encoder)) is not None:
        bare["regressor"] = regressor
    image, mask, targets = batch(regions)
    for network in bare.values():
        for module in network.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.p = 0.0
    # without DDP every gradient counts once; with it the reducer is asked
    reduced = {name: [0 if world_size > 1 else num_weights(network)] for name, network in bare.items()}
    distributed_parts = {n: distribute(m, reduced[n]) if world_size > 1 else m for n, m in bare.items()}

    size = BATCH // world_size
    mine = slice(rank * size, (rank + 1) * size)
    image, mask, targets = image[mine], mask[mine], [target[mine] for target in targets]
    # of the second sample the teacher itself lacks modalities: the ranks have different numbers of complete ones
    available = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)[mine]
    target = StepTarget(targets, regions, None, mask.all(dim=1), available.all(dim=1))
    images = mask_modalities(image, available), mask_modalities(image, mask)
    if settings.teacher == SHARED:
        teacher, student = SharedTeacher().forward(distributed_parts["student"], *images, needs_attention(settings))
    else:
        networks = distributed_parts["teacher"], distributed_parts["student"]
        teacher, student = (
            network(x, True, needs_attention(settings)) for network, x in zip(networks, images, strict=True)
        )
    terms = {
        **segmentation_terms(teacher, student, target, segmentation_loss(regions), settings),
        **distillation_terms(teacher, student, judges, target, settings, distributed_parts.get("regressor")),
    }
    loss = total_loss(terms, settings, ramp=1.0)
    loss.backward()
    for term in judges:
        name = f"discriminator {term}"
        maps = [judged(term, features, regions, None) for features in (teacher, student)]
        terms[name] = discriminator_loss(distributed_parts[name], *maps, target)
        terms[name].backward()
    result = {f"loss {name}": value.detach() for name, value in {**terms, "total": loss}.items()}
    for name, network in bare.items():
        result.update({f"gradient {name}.{key}": weight.grad for key, weight in network.named_parameters()})
        result[f"reduced {name}"] = torch.tensor(float(reduced[name][0]))
    torch.set_default_dtype(torch.float32)
    return result


def multi_encoder_step(name: str, folder: Path, rank: int = 0, world_size: int = 1) -> dict[str, torch.Tensor]:
    """Run a trainer's own step on this rank's part of a batch of two; return losses and all gradients."""
    plans, dataset_json = torch.load(folder / PLANS, weights_only=False)
    trainer = getattr(trainers, name)(plans, "3d_fullres", 0, dataset_json, device=torch.device("cpu"))
    trainer.is_ddp = False  # nnU-Net's DDP is for GPUs: its device, and the wrappers' device_ids
    trainer.device, trainer.local_rank = torch.device("cpu"), 0
    trainer.initialize()
    trainer.on_train_epoch_start()
    weights = trainer.loss.weight_factors
    trainer.loss.weight_factors = tuple(weight or 1e-6 for weight in weights)  # as nnU-Net has it under DDP
    data, target, mask = multi_encoder_batch(trainer)
    size = len(data) // world_size
    mine = slice(rank * size, (rank + 1) * size)
    trainer.training_mask = lambda _: mask[mine]
    trainer.available = trainer_available(trainer)
    bare = {"network": trainer.network}
    if trainer.auxiliary is not None:
        bare["auxiliary"] = trainer.auxiliary
    if getattr(trainer, "adversary", None) is not None:
        bare["discriminator"] = trainer.adversary.discriminator
    for module in bare.values():
        module.double().eval()  # nothing is drawn that would be another for another rank
    reduced = {part: [0 if world_size > 1 else num_weights(module)] for part, module in bare.items()}
    if world_size > 1:
        trainer.network = distribute(bare["network"], reduced["network"])
        if "auxiliary" in bare:
            trainer.auxiliary = distribute(bare["auxiliary"], reduced["auxiliary"])
        if "discriminator" in bare:
            trainer.adversary.discriminator = distribute(bare["discriminator"], reduced["discriminator"])
    losses = trainer.train_step(
        {"data": data[mine], "target": [scale[mine] for scale in target], "keys": ["a", "b"][mine]}
    )
    result = {f"loss {key}": torch.tensor(float(value)) for key, value in losses.items()}
    for part, module in bare.items():
        result.update({f"gradient {part}.{key}": weight.grad for key, weight in module.named_parameters()})
        result[f"reduced {part}"] = torch.tensor(float(reduced[part][0]))
    return result


def multi_encoder_batch(trainer: Any) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Draw images, targets with regions for each scale, and modality masks of two samples."""
    torch.manual_seed(1)
    patch = trainer.configuration_manager.patch_size
    data = torch.randn(2, 4, *patch, dtype=torch.float64)
    target = []
    for scale in trainer._get_deep_supervision_scales():
        grid = [round(n * factor) for n, factor in zip(patch, scale, strict=True)]
        target.append((torch.rand(2, CLASSES, *grid) > 0.5).double())
    return data, target, torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)


def trainer_available(trainer: Any) -> AvailableModalities:
    """Say that of two cases the second one lacks the first modality, which then only one rank has."""
    names = trainer.modalities.names
    subsets = {"a": trainer.modalities.all, "b": trainer.modalities.subset(",".join(names[1:]))}
    return AvailableModalities(Availability(trainer.modalities, subsets))


def num_weights(network: nn.Module) -> int:
    """Return how many gradients a step has."""
    return sum(weight.numel() for weight in network.parameters())


def distribute(network: nn.Module, reduced: list[int]) -> DistributedDataParallel:
    """Wrap a network; `reduced` counts the gradients that are reduced."""

    def count_and_reduce(count: list[int], bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
        count[0] += bucket.buffer().numel()
        return allreduce_hook(None, bucket)

    wrapped = DistributedDataParallel(network)
    wrapped.register_comm_hook(reduced, count_and_reduce)
    return wrapped


def main() -> None:
    """Run as one of several processes, all cases in turn."""
    rank, world_size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    found = {case: step(case, rank, world_size) for case in CASES}
    found.update({name: multi_encoder_step(name, folder, rank, world_size) for name in MULTI_ENCODER})
    torch.save(found, folder / f"rank{rank}.pth")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
