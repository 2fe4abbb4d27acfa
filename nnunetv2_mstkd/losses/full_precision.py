"""Full precision for the mathematics of a loss, whatever autocast says (L1)."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, cast

import torch
from torch import Tensor

P = ParamSpec("P")

_HALF = (torch.float16, torch.bfloat16)


def in_full_precision(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Decorate a function so that it runs without autocast, its float16 and bfloat16 arguments cast to float32.

    Squares and products of features leave the range of float16, and differences of probabilities its resolution.
    Positional arguments only; float32, float64 and everything that is no floating-point tensor pass unchanged. The
    gradient comes back in the dtype of the input.

    Args:
        function: takes tensors, or sequences of tensors, as positional arguments; at least one of them a tensor.

    Returns:
        The decorated function.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        arguments = [_upcast(argument) for argument in args]
        device_type = _device_type(arguments)
        call = cast("Callable[..., Tensor]", function)
        # Some devices know no autocast at all; entering it would warn or raise there, even to switch it off.
        if not torch.amp.is_autocast_available(device_type):
            return call(*arguments, **kwargs)
        with torch.autocast(device_type, enabled=False):
            return call(*arguments, **kwargs)

    return wrapped


def _upcast(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return argument.float() if argument.dtype in _HALF else argument
    if isinstance(argument, (list, tuple)):
        return [_upcast(element) for element in argument]
    return argument


def _device_type(arguments: list[Any]) -> str:
    for argument in arguments:
        first = argument[0] if isinstance(argument, list) else argument
        if isinstance(first, Tensor):
            return first.device.type
    raise TypeError("a loss needs at least one tensor as a positional argument")
