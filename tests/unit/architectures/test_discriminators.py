"""The discriminators of ACN: any size, any number of axes."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.architectures import EntropyDiscriminator, KnowledgeDiscriminator

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}


@pytest.mark.parametrize("size", [(1, 1, 1), (10, 32, 7), (33, 2, 1)])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("kind", [EntropyDiscriminator, KnowledgeDiscriminator])
def test_one_score_a_sample_for_any_size(kind, axes, size):
    discriminator = kind(CONVOLUTIONS[axes], 4)
    image = torch.randn(3, 4, *size[:axes], requires_grad=True)
    scores = discriminator(image)
    assert scores.shape == (3,)
    scores[1].backward()
    assert image.grad[1].any()
    assert not image.grad[[0, 2]].any()  # no statistics across samples
    assert all(weight.grad is not None for weight in discriminator.parameters())


def test_widths_are_the_released_ones_at_the_released_size():
    knowledge = KnowledgeDiscriminator(nn.Conv3d, 128)
    assert [(layer.in_channels, layer.out_channels, layer.stride[0]) for layer in knowledge.layers] == [
        (128, 256, 1),
        (256, 512, 1),
        (512, 1, 2),
    ]
    entropy = EntropyDiscriminator(nn.Conv3d, 3)
    assert [layer.out_channels for layer in entropy.layers] == [64, 128, 256, 512, 1]
    assert {layer.stride for layer in entropy.layers} == {(2, 2, 2)}


def test_a_wide_plan_does_not_make_a_wider_one():
    widths = [layer.out_channels for layer in KnowledgeDiscriminator(nn.Conv2d, 512).layers]
    assert widths == [256, 512, 1]
    assert [layer.out_channels for layer in KnowledgeDiscriminator(nn.Conv2d, 16).layers] == [32, 64, 1]
