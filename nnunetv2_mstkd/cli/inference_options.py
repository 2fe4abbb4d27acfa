"""Options that `mstkd predict` and `mstkd benchmark` share: how a model is applied (L4)."""

import argparse

from nnunetv2_mstkd.cli.number import step_size
from nnunetv2_mstkd.inference.engines.names import AUTO, CHOICES


def add_application_options(group: "argparse._ArgumentGroup") -> None:
    """Add device, engine, step size and mirroring."""
    group.add_argument(
        "-device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="auto: cuda if there is one"
    )
    group.add_argument(
        "--engine",
        choices=CHOICES,
        default=AUTO,
        help="of the network on a CPU; auto: the fastest one that decides as torch-float32 (default: %(default)s)",
    )
    group.add_argument(
        "-step_size", type=step_size, default=0.5, help="of the sliding window, in patches (default: %(default)s)"
    )
    group.add_argument("--disable_tta", action="store_true", help="no mirroring: faster, a little less accurate")
