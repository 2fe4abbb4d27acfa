"""Plans of strangers: what they name is called when the network is built (L3).

nnU-Net locates the network's class and its operations by the names in plans.json, whatever they are, and calls them
with arguments that stand there too: a `nonlin` of "os.system" would run a command.
"""

import pydoc
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from nnunetv2_mstkd.errors import UntrustedPlansError

_PACKAGES = ("torch.nn.", "dynamic_network_architectures.", "nnunetv2.", "nnunetv2_mstkd.")


def require_safe_plans(plans: Mapping[str, Any]) -> None:
    """Check that plans name network modules of PyTorch, of nnU-Net or of ours, and nothing else.

    Args:
        plans: content of plans.json.

    Raises:
        UntrustedPlansError: if not; the message quotes the name.
    """
    try:
        named = {name for configuration in plans["configurations"].values() for name in _named(configuration)}
    except (AttributeError, KeyError, TypeError) as error:
        raise UntrustedPlansError(f"The plans are not those of nnU-Net ({type(error).__name__}: {error})") from error
    for name in sorted(named):
        if not _is_module(name):
            raise UntrustedPlansError(
                f"The plans are refused: building the network would call {name!r}, which is no network module of "
                f"PyTorch, nnU-Net or this package. If you trust who made the model, --trust-checkpoint "
                f"(trust_checkpoint=True in Python) takes it all the same"
            )


def _named(configuration: Mapping[str, Any]) -> Iterator[str]:
    """Yield what nnU-Net locates; plans of its first versions name nothing but one of two known classes."""
    architecture = configuration.get("architecture")
    if architecture is None:  # or inherited from another configuration, which is checked as well
        return
    yield str(architecture["network_class_name"])
    arguments = architecture["arch_kwargs"]
    yield from (str(arguments[key]) for key in architecture["_kw_requires_import"] if arguments[key] is not None)


def _is_module(name: str) -> bool:
    if not name.startswith(_PACKAGES):
        return False  # locating it would import it
    try:
        found = pydoc.locate(name)
    except pydoc.ErrorDuringImport:
        return False
    # the prefix alone would not do: "torch.nn.functional.torch.os.system" is found, too. What is not found is nothing
    # to call: nnU-Net then seeks a network's class among its own architectures.
    return found is None or (isinstance(found, type) and issubclass(found, nn.Module))
