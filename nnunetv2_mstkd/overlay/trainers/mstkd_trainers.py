"""Re-exports the trainers of nnunetv2_mstkd, any schedule included, where nnU-Net searches (L3).

Nothing is loaded before one of our names is asked for; see nnunetv2_mstkd.overlay for why.
"""

from types import ModuleType

PREFIXES = (
    "nnUNetTrainerMSTKD",
    "nnUNetTrainerModalityDropout",
    "nnUNetTrainerACN",
    "nnUNetTrainerM2FTrans",
    "nnUNetTrainerMMFormer",
    "nnUNetTrainerRAHVED",
    "nnUNetTrainerRMBTS",
    "nnUNetTrainerSMUNet",
)


def __getattr__(name: str) -> type:
    if not name.startswith(PREFIXES):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_trainers(name), name)


def _trainers(name: str) -> ModuleType:
    try:
        from nnunetv2_mstkd import trainers
    except Exception as error:  # whatever is wrong with the package, the user learns which one it is and what to do
        raise ImportError(
            f"{name} is a trainer of nnunetv2_mstkd, which cannot be imported ({type(error).__name__}: {error}). "
            f"Mend: install it anew with pip, or remove its files: {__file__}"
        ) from error
    return trainers
