"""Parameters, FLOPs and checkpoint sizes of the student beside the plan's own network, for nnU-Net's BraTS plan.

Nothing is run: everything is on torch's meta device. FLOPs are of one forward pass of one patch, two per multiply-add.

    python benchmarks/network_size.py
"""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nnunetv2_mstkd.architectures import MSTKDNetwork, StyleDiscriminator

PATCH = (128, 160, 112)
CHANNELS, REGIONS = 4, 3


def brats_plan_network() -> nn.Module:
    """Return the network that nnU-Net's default planner gives BraTS."""
    return PlainConvUNet(
        input_channels=CHANNELS,
        n_stages=6,
        features_per_stage=[32, 64, 128, 256, 320, 320],
        conv_op=nn.Conv3d,
        kernel_sizes=[[3, 3, 3]] * 6,
        strides=[[1, 1, 1], *[[2, 2, 2]] * 4, [2, 2, 1]],
        n_conv_per_stage=[2] * 6,
        num_classes=REGIONS,
        n_conv_per_stage_decoder=[2] * 5,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=False,
    )


def measure(network: nn.Module) -> tuple[float, float]:
    """Return millions of parameters and GFLOP of one forward pass."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, CHANNELS, *PATCH))
    return sum(p.numel() for p in network.parameters()) / 1e6, counter.get_total_flops() / 1e9


def main() -> None:
    """Print the table."""
    with torch.device("meta"):
        plain_parameters, plain_flops = measure(brats_plan_network())
        print("| network | parameters (M) | ratio | GFLOP | ratio | student-only checkpoint (MB) |")
        print("|---|---|---|---|---|---|")
        print(f"| plan | {plain_parameters:.1f} | 1 | {plain_flops:.0f} | 1 | {4 * plain_parameters:.0f} |")
        student_parameters, _ = measure(MSTKDNetwork(brats_plan_network(), PATCH))
        for preset in ("plan", "paper"):
            parameters, flops = measure(MSTKDNetwork(brats_plan_network(), PATCH, preset=preset))
            ratios = parameters / plain_parameters, flops / plain_flops
            print(
                f"| student, preset `{preset}` | {parameters:.1f} | {ratios[0]:.2f} | {flops:.0f} | {ratios[1]:.3f} "
                f"| {4 * parameters:.0f} |"
            )
        discriminator = StyleDiscriminator(nn.Conv3d, 320)
        count = sum(p.numel() for p in discriminator.parameters()) / 1e6
    print(f"\nIn training only: a second such network (the teacher) and the discriminator, {count:.1f} M parameters.")
    # weights and SGD momentum of both branches; weights and the two moments of Adam of the discriminator
    training = 4 * (2 * 2 * student_parameters + 3 * count)
    print(f"checkpoint_latest.pth (preset `plan`, with all of the training state): about {training:.0f} MB.")
    print(f"Stock nnU-Net's checkpoints (weights and momentum): about {4 * 2 * plain_parameters:.0f} MB.")


if __name__ == "__main__":
    main()
