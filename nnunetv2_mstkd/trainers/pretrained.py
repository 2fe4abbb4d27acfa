"""`nnUNetv2_train -pretrained_weights`, from a stock checkpoint and for two branches (L3)."""

from collections import OrderedDict
from typing import Any

from torch import nn


class _PlanWeightsFirst(OrderedDict[str, Any]):
    """A state dict of which `items()` shows only the plan's own weights.

    nnU-Net's load_pretrained_weights walks `items()` and asserts that each is in the checkpoint. A stock checkpoint
    has none of the transformer's or the fusion's, which are then left as initialised; ours has them, and they are
    taken since all else (`keys`, `update`, copies) sees the whole.
    """

    def items(self) -> Any:
        return [(name, self[name]) for name in self if name.startswith(("encoder.", "decoder."))]

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, ([(name, self[name]) for name in self],)  # pickled whole: pickle too walks items()


class PretrainedStart:
    """Accept pretrained weights between initialisation and the first epoch.

    Until `end` the student's state dict can be filled from a stock checkpoint, and what is loaded into the student
    is loaded into the teacher as well.

    Args:
        student: bare, not wrapped.
        teacher: likewise; None if it takes no such weights.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module | None) -> None:
        self.student = student

        def state_dict(*args: Any, **kwargs: Any) -> _PlanWeightsFirst:
            return _PlanWeightsFirst(type(student).state_dict(student, *args, **kwargs))

        def load_state_dict(weights: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            whole = {name: weights[name] for name in weights}
            if teacher is not None:
                teacher.load_state_dict(whole, *args, **kwargs)
            return type(student).load_state_dict(student, whole, *args, **kwargs)

        self.student.__dict__.update(state_dict=state_dict, load_state_dict=load_state_dict)

    def end(self) -> None:
        """Give the student its own methods back; calling it again does nothing."""
        for method in ("state_dict", "load_state_dict"):
            self.student.__dict__.pop(method, None)
