"""Which tokens attend to which where modalities are absent (L1)."""

import torch
from torch import Tensor


def mask_of_present_keys(modality_mask: Tensor, num_tokens: int) -> Tensor:
    """Return the mask by which all tokens attend to those of the present modalities alone.

    Args:
        modality_mask: bool (B, M).
        num_tokens: N, of each modality.

    Returns:
        bool (B, 1, 1, M * N), on the device of `modality_mask`.
    """
    return modality_mask.repeat_interleave(num_tokens, dim=1)[:, None, None]


def mask_of_fusion_tokens(modality_mask: Tensor, num_tokens: int) -> Tensor:
    """Return the mask of M2FTrans, for the tokens of M modalities with fusion tokens after them.

    A modality attends to itself alone, so that its tokens do not depend on what else is there; fusion tokens attend to
    each other and to the present modalities.

    Args:
        modality_mask: bool (B, M).
        num_tokens: N, of each modality and of the fusion.

    Returns:
        bool (B, 1, (M + 1) * N, (M + 1) * N), on the device of `modality_mask`.
    """
    B, M = modality_mask.shape
    own = torch.eye(M + 1, dtype=torch.bool, device=modality_mask.device).expand(B, -1, -1)
    to_modalities = torch.cat((torch.zeros_like(own[:, :-1, :-1]), modality_mask[:, None]), dim=1)  # (B, M + 1, M)
    allowed = own | torch.nn.functional.pad(to_modalities, (0, 1))
    return allowed.repeat_interleave(num_tokens, dim=1).repeat_interleave(num_tokens, dim=2)[:, None]
