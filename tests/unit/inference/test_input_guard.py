"""What stands before a network: channels counted, absent ones zero."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.input_guard import guard_input
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2"))


class Identity(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image, other=None):
        return image if other is None else (image, other)


@pytest.fixture
def network():
    return Identity()


@pytest.mark.parametrize("axes", [2, 3])
def test_absent_channels_are_zero_and_the_rest_is_untouched(network, axes):
    guard_input(network, MODALITIES, MODALITIES.subset("T1,T2"))
    image = torch.randn(2, 3, *(4,) * axes)
    image[:, 1] = torch.nan
    seen = network(image)
    assert (seen[:, 1] == 0).all()
    assert torch.equal(seen[:, [0, 2]], image[:, [0, 2]])
    assert image[:, 1].isnan().all()  # nnU-Net uses one image for all folds and mirrored views


@pytest.mark.parametrize("subset", [None, MODALITIES.all])
def test_nothing_absent_passes_the_very_same_image(network, subset):
    guard_input(network, MODALITIES, subset)
    image = torch.randn(1, 3, 4, 4)
    assert network(image) is image


def test_further_arguments_pass(network):
    guard_input(network, MODALITIES, MODALITIES.subset("T1"))
    assert network(torch.randn(1, 3, 4, 4), "other")[1] == "other"


@pytest.mark.parametrize("channels", [2, 4])
def test_another_number_of_channels_is_refused_with_the_files_needed(network, channels):
    guard_input(network, MODALITIES, None)
    with pytest.raises(ModalityError, match=rf"{channels} channel files.*needs 3: _0000 T1, _0001 T1ce, _0002 T2"):
        network(torch.randn(1, channels, 4, 4))


def test_the_state_dict_is_the_networks_own(network):
    before = list(network.state_dict())
    guard_input(network, MODALITIES, MODALITIES.subset("T1"))
    assert list(network.state_dict()) == before
    network.load_state_dict(Identity().state_dict(), strict=True)
    assert type(network) is Identity
