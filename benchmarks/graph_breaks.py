"""Where torch.compile breaks the graph of a branch, and why; nothing is compiled to machine code.

    python benchmarks/graph_breaks.py

As teacher and student are called in a training step (features and attention maps asked for), as the student is at
inference, and the plan's own network for comparison. A graph is compiled anew for another shape of its input, not for
another subset of the modalities: absent channels are zeros in the image. tests/unit/architectures holds this.
"""

from typing import Any

import torch
from network_size import CHANNELS, brats_plan_network

from nnunetv2_mstkd.architectures import MSTKDNetwork

PATCH = (64, 64, 32)


def main() -> None:
    """Print graphs, breaks and their reasons."""
    student = MSTKDNetwork(brats_plan_network(), PATCH)
    image = torch.randn(1, CHANNELS, *PATCH)
    calls: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "plan's network": (brats_plan_network(), (image,)),
        "student, inference": (student, (image,)),
        "branch, training step": (student, (image, True, True)),
        "branch, training step, fused attention": (student, (image, True, False)),
    }
    for name, (network, arguments) in calls.items():
        torch._dynamo.reset()
        explained = torch._dynamo.explain(network)(*arguments)
        print(f"{name}: {explained.graph_count} graphs, {explained.graph_break_count} breaks")
        for broken in explained.break_reasons:
            print(f"  {broken.reason}\n    {broken.user_stack[-1] if broken.user_stack else ''}")


if __name__ == "__main__":
    main()
