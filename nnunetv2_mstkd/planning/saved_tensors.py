"""The memory of tensors that autograd keeps for a backward pass (L3)."""

from types import TracebackType

import torch
from torch import Tensor, UntypedStorage, nn


class SavedTensors:
    """Counts, as a context manager, what autograd saves within it, each storage once.

    Works on any device, also where there are no data (meta and fake tensors).

    Args:
        networks: whose weights do not count: they are there anyway.
    """

    def __init__(self, *networks: nn.Module) -> None:
        # by address; the storages are held, so that no address is given out again
        self._storages: dict[int, UntypedStorage] = {}
        self._weights = {_address(weight) for network in networks for weight in network.parameters()}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._save, lambda tensor: tensor)

    @property
    def num_bytes(self) -> int:
        """Bytes of what is saved so far."""
        return sum(storage.nbytes() for storage in self._storages.values())

    def __enter__(self) -> "SavedTensors":
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, error, trace)

    def _save(self, tensor: Tensor) -> Tensor:
        if (address := _address(tensor)) not in self._weights:
            self._storages[address] = tensor.untyped_storage()
        return tensor


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # of the storage itself: tensors without data have no address of data
