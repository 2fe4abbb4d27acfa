"""The range of nnU-Net versions that the package works with: the one place that knows it (L0)."""

import re
from importlib import metadata

from nnunetv2_mstkd.errors import UnsupportedNNUNetError

# The hooks that we override are no public API of nnU-Net: build_network_architecture(plans_manager, ...) and
# nnUNet_extTrainer came with 2.8; each later minor release has to be tried before it is let in. pyproject.toml pins
# the same range for pip (a test compares the two).
MINIMUM = (2, 8)
BELOW = (2, 9)


def supported_range() -> str:
    """Return the range as pip writes it, ">=2.8,<2.9"."""
    return f">={MINIMUM[0]}.{MINIMUM[1]},<{BELOW[0]}.{BELOW[1]}"


def nnunet_version() -> str | None:
    """Return the version of the installed nnunetv2, None if there is none."""
    try:
        return metadata.version("nnunetv2")
    except metadata.PackageNotFoundError:
        return None


def require_supported_nnunet() -> None:
    """Check the installed nnU-Net.

    Raises:
        UnsupportedNNUNetError: if nnunetv2 is missing or outside the supported range; it gives the pip line that helps.
    """
    version = nnunet_version()
    mend = f"pip install 'nnunetv2{supported_range()}'"
    if version is None:
        raise UnsupportedNNUNetError(f"nnunetv2_mstkd needs nnunetv2, which is not installed. Mend: {mend}")
    release = re.match(r"(\d+)\.(\d+)", version)  # a release candidate of the next minor release counts as that
    if release is None or not MINIMUM <= (int(release[1]), int(release[2])) < BELOW:
        raise UnsupportedNNUNetError(
            f"nnunetv2_mstkd works with nnunetv2{supported_range()}; installed is nnunetv2 {version}. Mend: {mend}"
        )
