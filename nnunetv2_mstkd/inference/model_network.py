"""The network of a model folder, with the weights of its folds (L3)."""

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_mstkd.errors import CheckpointError


def build_network(
    trainer: Any, plans: PlansManager, configuration: ConfigurationManager, dataset_json: dict[str, Any]
) -> nn.Module:
    """Return the network of a model, as its trainer builds it, without deep supervision."""
    described: tuple[Any, ...] = (plans, configuration)
    if "plans_manager" not in inspect.signature(trainer.build_network_architecture).parameters:
        # what trainers of earlier versions of nnU-Net take; its own predictor asks in the same way
        described = (
            configuration.network_arch_class_name,
            configuration.network_arch_init_kwargs,
            configuration.network_arch_init_kwargs_req_import,
        )
    network: nn.Module = trainer.build_network_architecture(
        *described,
        determine_num_input_channels(plans, configuration, dataset_json),
        plans.get_label_manager(dataset_json).num_segmentation_heads,
        enable_deep_supervision=False,
    )
    return network


def load_weights(network: nn.Module, weights: Sequence[Mapping[str, Any]], files: Sequence[Path]) -> None:
    """Load the weights of each fold, to see that they fit, and those of the first fold last.

    Raises:
        CheckpointError: if they do not fit; the message names the file.
    """
    for state, file in reversed(list(zip(weights, files, strict=True))):
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            told = textwrap.shorten(str(error), 300)
            raise CheckpointError(f"The weights in {file} do not fit the network of its plans: {told}") from error
