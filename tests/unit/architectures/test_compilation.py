"""torch.compile: a branch is one graph, and another subset of the modalities is no reason to compile again."""

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.distillation.subset_draw import mask_modalities, modality_mask_from_codes
from nnunetv2_mstkd.modalities import Modalities

SUBSETS = Modalities(("T1", "T1ce", "T2", "FLAIR")).subsets()


@pytest.fixture
def branch(network_plan):
    """A branch with deep supervision, and an image."""
    torch._dynamo.reset()
    plan = network_plan(num_stages=3)
    yield MSTKDNetwork(plan.build(True), plan.patch_size), plan.image()
    torch._dynamo.reset()


@pytest.mark.parametrize("features", [(), (True, True), (True, False)], ids=["inference", "step", "fused attention"])
def test_a_branch_is_one_graph(branch, features):
    network, image = branch
    explained = torch._dynamo.explain(network)(image, *features)
    assert explained.graph_count == 1, explained.break_reasons


def test_subsets_do_not_compile_again(branch):
    network, image = branch
    counter = CompileCounter()

    @torch.compile(backend=counter)
    def step(image, mask):
        return network(mask_modalities(image, mask), True, True).logits[0]

    for subset in SUBSETS:
        mask = torch.tensor([subset.present, SUBSETS[-1].present])
        step(image, mask).sum().backward()
    assert counter.frame_count == 1


def test_masks_are_data(branch):
    """The same through the codes that a step draws."""
    network, image = branch
    counter = CompileCounter()
    compiled = torch.compile(network, backend=counter)
    for code in range(1, 16):
        compiled(mask_modalities(image, modality_mask_from_codes(torch.tensor([code, 15]).numpy(), 4)), True, True)
    assert counter.frame_count == 1
