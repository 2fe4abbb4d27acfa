"""Re-exports MSTKDFingerprintExtractor where nnU-Net searches (L3).

Nothing is loaded before the name is asked for; see nnunetv2_mstkd.overlay for why.
"""

from types import ModuleType

NAME = "MSTKDFingerprintExtractor"


def __getattr__(name: str) -> type:
    if name != NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_planning(), name)


def _planning() -> ModuleType:
    try:
        from nnunetv2_mstkd import planning
    except Exception as error:  # whatever is wrong with the package, the user learns which one it is and what to do
        raise ImportError(
            f"{NAME} belongs to nnunetv2_mstkd, which cannot be imported ({type(error).__name__}: {error}). "
            f"Mend: install it anew with pip, or remove its files: {__file__}"
        ) from error
    return planning
