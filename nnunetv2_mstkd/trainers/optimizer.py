"""The optimisers that the settings name (L3)."""

from typing import Any

import torch


def build_optimizer(name: str, groups: list[dict[str, Any]], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Build nnU-Net's SGD, or Adam or AdamW with torch's defaults, over parameter groups."""
    if name == "SGD":
        return torch.optim.SGD(groups, lr, weight_decay=weight_decay, momentum=0.99, nesterov=True)
    optimizers = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}
    return optimizers[name](groups, lr, weight_decay=weight_decay)
