"""Networks of the plans with other widths and channels (L3)."""

from collections.abc import Callable
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunetv2_mstkd.errors import UnsupportedNetworkError

_WIDTHS = "features_per_stage"


class PlanNetworks:
    """Makes a configuration's U-Net, as nnU-Net does, with other widths, input and output channels.

    Args:
        configuration: of the plans.
        deep_supervision: whether the networks put out logits of all scales.
    """

    def __init__(self, configuration: ConfigurationManager, deep_supervision: bool) -> None:
        self.configuration = configuration
        self.deep_supervision = deep_supervision

    def __call__(self, num_inputs: int, num_outputs: int, width: Callable[[int], int]) -> nn.Module:
        """Build a U-Net.

        Args:
            num_inputs: input channels.
            num_outputs: of the logits.
            width: channels of a stage, from those that are planned.

        Raises:
            UnsupportedNetworkError: if the plans give no width for each stage.
        """
        configuration = self.configuration
        planned: dict[str, Any] = dict(configuration.network_arch_init_kwargs)
        if not isinstance(planned.get(_WIDTHS), list | tuple):
            raise UnsupportedNetworkError(
                f"The plans' network {configuration.network_arch_class_name} has no list {_WIDTHS!r} of channels, of "
                f"which encoders for single modalities could be made. Use plans of another network architecture"
            )
        planned[_WIDTHS] = [width(int(features)) for features in planned[_WIDTHS]]
        network: nn.Module = get_network_from_plans(
            configuration.network_arch_class_name,
            planned,
            configuration.network_arch_init_kwargs_req_import,
            num_inputs,
            num_outputs,
            allow_init=True,
            deep_supervision=self.deep_supervision,
        )
        return network
