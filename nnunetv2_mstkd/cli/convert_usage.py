"""Which options of `mstkd convert` go together (L4)."""

import argparse
from pathlib import Path

_FOR_CHECK = ("check", "splits", "workers")  # options that a check has
_NO_OPTIONS = ("command", "usage_error", "source", "out")
# option -> those beside which it has no effect
_WITHOUT_EFFECT = {
    "folds": ("splits", "partition"),
    "partition": ("splits",),
    "root_variable": ("copy", "symlink"),
}


def require_usage(args: argparse.Namespace) -> None:
    """End with a usage error where something is missing, or an option would be passed over in silence."""
    given = _given(args)
    if args.check is None:
        _require_conversion(args, given)
    elif args.source is not None:
        args.usage_error("--check takes the dataset alone, without SOURCE and OUT")
    elif others := [_option(name) for name in given if name not in _FOR_CHECK]:
        args.usage_error(f"--check has no use for {', '.join(others)}: leave out one or the other")
    _require_files(args)


def _require_files(args: argparse.Namespace) -> None:
    if args.splits is not None and not args.splits.is_file():
        args.usage_error(f"--splits: there is no file {args.splits}")
    if args.layout is not None and args.layout.lower().endswith(".json") and not Path(args.layout).is_file():
        args.usage_error(f"--layout: there is no file {args.layout}")


def _require_conversion(args: argparse.Namespace, given: list[str]) -> None:
    if args.source is None or args.out is None:
        args.usage_error("name SOURCE and OUT, or a dataset by --check")
    for name in given:
        for other in _WITHOUT_EFFECT.get(name, ()):
            if other in given:
                args.usage_error(f"{_option(name)} has no effect with {_option(other)}: leave out one of the two")


def _given(args: argparse.Namespace) -> list[str]:
    """Return the names of the options that have a value: all but --workers have none unless they are typed."""
    return [name for name, value in vars(args).items() if name not in _NO_OPTIONS and value not in (None, False)]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
