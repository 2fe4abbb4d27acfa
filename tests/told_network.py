"""A network with an encoder for each modality, as its trainer builds it, and what it is told."""

import torch


def build(trainer, deep_supervision=False):
    """Return a network as the trainer builds it."""
    return trainer.build_network_architecture(
        trainer.plans_manager,
        trainer.configuration_manager,
        len(trainer.modalities),
        trainer.label_manager.num_segmentation_heads,
        deep_supervision,
    )


def shaken(network):
    """Return the network with weights that are no zeros and ones, so that whatever is lost would show."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def image_of(trainer, batch=1, size=None):
    patch = size or tuple(trainer.configuration_manager.patch_size)
    return torch.randn(batch, len(trainer.modalities), *patch)


def masks_of(modalities):
    """Every non-empty subset: bool (2^M - 1, M)."""
    return torch.tensor([subset.present for subset in modalities.subsets()])


def with_nan(image, mask):
    """Return the image (B, M, *patch) with NaN in what the mask (B, M) leaves out."""
    return image.masked_fill(~mask.reshape(*mask.shape, *(1,) * (image.ndim - 2)), torch.nan)


def assert_near(found, expected):
    """Check that logits differ by the rounding of sums alone."""
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)
