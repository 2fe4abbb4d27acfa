"""What a network may see at all, bound to it when it is built (L3)."""

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunetv2_mstkd.inference.input_guard import guard_input
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders, see_only
from nnunetv2_mstkd.inference.preprocessor import check_channel_files_of
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset


def bind_visible(
    network: nn.Module, configuration: ConfigurationManager, modalities: Modalities, visible: ModalitySubset | None
) -> None:
    """Bind a subset to a network and to the preprocessing of its cases.

    Args:
        network: bare; its absent channels are set to zero, its absent encoders do not run.
        configuration: of the plans; its preprocessor checks the channel files from now on.
        modalities: of the model.
        visible: all that the network may see; None = everything. A network with an encoder for each modality has to be
            told of channels that are empty, so cases with one of these among `visible` are refused, unless that names
            all modalities: a user's word that the zeros are an image.
    """
    guard_input(network, modalities, visible)
    see_only(network, visible or modalities.all)
    may_be_empty = visible == modalities.all or not has_modality_encoders(network)
    check_channel_files_of(configuration, None if may_be_empty else visible or modalities.all)
