"""Re-exports the planners and the fingerprint extractor of nnunetv2_mstkd where nnU-Net searches (L3).

Nothing is loaded before one of our names is asked for; see nnunetv2_mstkd.overlay for why.
"""

from types import ModuleType

NAMES = (
    "nnUNetPlannerMSTKD",
    "nnUNetPlannerMSTKDResEncM",
    "nnUNetPlannerMSTKDResEncL",
    "nnUNetPlannerTiny",
    "MSTKDFingerprintExtractor",  # for -fpe, the others for -pl
)


def __getattr__(name: str) -> type:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_planning(name), name)


def _planning(name: str) -> ModuleType:
    try:
        from nnunetv2_mstkd import planning
    except Exception as error:  # whatever is wrong with the package, the user learns which one it is and what to do
        raise ImportError(
            f"{name} belongs to nnunetv2_mstkd, which cannot be imported ({type(error).__name__}: {error}). "
            f"Mend: install it anew with pip, or remove its files: {__file__}"
        ) from error
    return planning
