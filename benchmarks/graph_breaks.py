"""Where torch.compile breaks the graph of a branch, and why; nothing is compiled to machine code.

    python benchmarks/graph_breaks.py [--json FILE]

As teacher and student are called in a training step (features and attention maps asked for), as the student is at
inference, and the plan's own network for comparison. A graph is compiled anew for another shape of its input, not for
another subset of the modalities: absent channels are zeros in the image. tests/unit/architectures holds this.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from brats_plan import BratsPlan

from nnunetv2_mstkd.architectures import MSTKDNetwork

PATCH = (64, 64, 32)


def main() -> None:
    """Print graphs, breaks and their reasons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    rows = []
    for row in count_graphs(BratsPlan(PATCH)):
        print(f"{row['call']}: {row['graphs']} graphs, {row['breaks']} breaks")
        for reason in row["reasons"]:
            print(f"  {reason}")
        rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps({"torch": torch.__version__, "calls": rows}, indent=1))


def count_graphs(plan: BratsPlan) -> Iterator[dict[str, Any]]:
    """Yield graphs, breaks and their reasons of each call."""
    student = MSTKDNetwork(plan.network(), plan.patch)
    image = torch.randn(1, plan.channels, *plan.patch)
    calls: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "plan's network": (plan.network(), (image,)),
        "student, inference": (student, (image,)),
        "branch, training step": (student, (image, True, True)),
        "branch, training step, fused attention": (student, (image, True, False)),
    }
    for call, (network, arguments) in calls.items():
        yield {"call": call, **explain(network, arguments)}


def explain(network: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return graphs, breaks and their reasons of a network that is called with arguments."""
    torch._dynamo.reset()
    explained = torch._dynamo.explain(network)(*arguments)
    places = [(broken.reason, broken.user_stack[-1:]) for broken in explained.break_reasons]
    reasons = [" at ".join((reason, *map(str, place))) for reason, place in places]
    return {"graphs": explained.graph_count, "breaks": explained.graph_break_count, "reasons": reasons}


if __name__ == "__main__":
    main()
