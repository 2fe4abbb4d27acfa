"""What pyproject.toml cannot say: the wheel also carries the overlay, laid into nnU-Net's search folders."""

import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

OVERLAY = "nnunetv2_mstkd/overlay"  # relative and with slashes, as setuptools wants it
TARGETS = runpy.run_path(str(Path(__file__).parent / OVERLAY / "__init__.py"))["TARGETS"]


class BuildWithOverlay(build_py):
    """Build our packages, and those that lie inside nnU-Net, from nothing."""

    def run(self) -> None:
        """Leave editable builds alone: mapped names would shadow the whole of nnunetv2 there."""
        if not self.editable_mode:
            self._remove_stale_build()
            self._add_overlay()
        super().run()

    def _remove_stale_build(self) -> None:
        # setuptools never deletes from build/lib: a module that was removed or renamed would still be shipped.
        for package in ("nnunetv2_mstkd", "nnunetv2"):
            shutil.rmtree(Path(self.build_lib) / package, ignore_errors=True)

    def _add_overlay(self) -> None:
        self.packages = [*self.packages, *TARGETS.values()]
        self.package_dir = {**self.package_dir, **{dotted: f"{OVERLAY}/{kind}" for kind, dotted in TARGETS.items()}}


setup(cmdclass={"build_py": BuildWithOverlay})
