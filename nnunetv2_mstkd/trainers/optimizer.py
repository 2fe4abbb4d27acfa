"""The optimisers that the settings name, and one step of them (L3)."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import GradScaler, Tensor, nn

MAX_GRADIENT_NORM = 12  # nnU-Net's
_TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "AdamAMSGrad": partial(torch.optim.Adam, amsgrad=True),
    "AdamWAMSGrad": partial(torch.optim.AdamW, amsgrad=True),
}


def build_optimizer(name: str, groups: list[dict[str, Any]], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Build nnU-Net's SGD, or Adam or AdamW with torch's other defaults, over parameter groups."""
    if name == "SGD":
        return torch.optim.SGD(groups, lr, weight_decay=weight_decay, momentum=0.99, nesterov=True)
    return _TORCHS[name](groups, lr, weight_decay=weight_decay)


def optimize(
    loss: Tensor, optimizer: torch.optim.Optimizer, networks: Iterable[nn.Module], scaler: GradScaler | None
) -> None:
    """Backpropagate, clip each network's gradient by itself, and step, as nnU-Net does for its one network."""
    scaled: Any = loss if scaler is None else scaler.scale(loss)
    scaled.backward()
    if scaler is not None:
        scaler.unscale_(optimizer)
    for network in networks:
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()
