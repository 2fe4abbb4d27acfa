"""What a training step of nnUNetTrainerMSTKD holds in the memory of a GPU, for planning (L3)."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from nnunetv2_mstkd.architectures import MSTKDNetwork, NetworkFeatures
from nnunetv2_mstkd.distillation.settings import DistillationSettings
from nnunetv2_mstkd.distillation.step import distillation_terms, needs_attention
from nnunetv2_mstkd.distillation.step_target import StepTarget
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.planning.saved_tensors import SavedTensors

FLOAT_BYTES = 4
# of a parameter: itself, its gradient and the optimiser's moments in float32, and autocast's copy of it in float16
STATE_BYTES = {"SGD": 4 * 3 + 2, "Adam": 4 * 4 + 2}


class StepMemory:
    """Counts what both branches, the distillation between them and its modules hold; nothing is computed.

    Args:
        plan_network: the plan's own, on torch's meta device; its parts are taken.
        patch_size: voxels, in the network's axis order.
        settings: of the distillation; None for the defaults of nnUNetTrainerMSTKD. The teacher counts as a second
            network whatever its kind is: the most that is needed.

    Raises:
        UnsupportedNetworkError: if MST-KD cannot be built on the plan's network.
    """

    def __init__(
        self, plan_network: nn.Module, patch_size: Sequence[int], settings: DistillationSettings | None = None
    ) -> None:
        self.patch_size = tuple(patch_size)
        self.settings = settings or DistillationSettings()
        self._plan_parameters = _num_parameters(plan_network)
        with torch.device("meta"):
            self.branch = MSTKDNetwork(
                plan_network,
                patch_size,
                preset=self.settings.preset,
                use_transformer=self.settings.use_multiscale_transformer,
                use_style_fusion=self.settings.use_style_matching,
            )
            encoder = self.branch.encoder
            self.discriminators = build_discriminators(self.settings, encoder, _num_outputs(self.branch))
            self.regressor = build_regressor(self.settings, encoder)

    def num_activations(self, num_channels: int) -> int:
        """Return how many numbers are kept of one sample for the backward pass.

        nnU-Net's measure, `compute_conv_feature_map_size`, counts what the layers put out. In a training on a GPU each
        of these numbers is kept twice in half precision, as the input of the normalisation and of the next layer:
        4 bytes. The distillation terms are computed in single precision, 4 bytes a number: so the counts can be added.

        Args:
            num_channels: modalities.
        """
        branches = 2 * self.branch.compute_conv_feature_map_size(self.patch_size)
        return branches + self._num_kept_by_distillation(num_channels)

    def additional_state_bytes(self, optimizer: str = "SGD") -> int:
        """Return the bytes of all weights and what belongs to each, beyond those of the plan's network alone.

        Args:
            optimizer: of the branches, "SGD" or "Adam".
        """
        regressor = 0 if self.regressor is None else _num_parameters(self.regressor)
        trained = STATE_BYTES[optimizer] * (2 * _num_parameters(self.branch) + regressor)
        discriminators = STATE_BYTES["Adam"] * sum(map(_num_parameters, self.discriminators.values()))
        return trained + discriminators - STATE_BYTES["SGD"] * self._plan_parameters

    def _num_kept_by_distillation(self, num_channels: int) -> int:
        with torch.device("meta"):
            image = torch.empty(1, num_channels, *self.patch_size)
            features: NetworkFeatures = self.branch(image, True, needs_attention(self.settings))
            one = torch.ones(1, dtype=torch.bool)
            # labels or regions, the terms keep about as much
            target = StepTarget(torch.empty(0), regions=False, valid=None, is_complete=~one, teacher_is_complete=one)
            # the teacher's units add a few features at the bottleneck, and need autocast, which meta tensors have not
            settings = replace(self.settings, relative_features=False)
            beside = [*self.discriminators.values(), *([] if self.regressor is None else [self.regressor])]
            with SavedTensors(*beside) as saved:
                # the same features for both: the terms cut the teacher's gradient themselves
                distillation_terms(features, features, self.discriminators, target, settings, self.regressor)
        return saved.num_bytes // FLOAT_BYTES


def _num_outputs(branch: MSTKDNetwork) -> int:
    return int(branch.decoder.seg_layers[-1].out_channels)


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
