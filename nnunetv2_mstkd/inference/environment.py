"""The environment variable MSTKD_MODALITIES: the one place that reads it (L3)."""

import os

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

MODALITIES_VARIABLE = "MSTKD_MODALITIES"


def subset_from_environment(modalities: Modalities) -> ModalitySubset | None:
    """Return the subset that MSTKD_MODALITIES names, None if the variable is unset.

    Raises:
        ModalityError: if it names none, an unknown modality, or has the wrong length; the message lists the choices.
    """
    text = os.environ.get(MODALITIES_VARIABLE)
    if text is None:
        return None
    try:
        return modalities.subset(text)
    except ModalityError as error:
        raise ModalityError(f"{MODALITIES_VARIABLE}={text!r}: {error}") from None


def refuse_during_training() -> None:
    """Check that MSTKD_MODALITIES is not set.

    Raises:
        ModalityError: if it is: training draws its own subsets, and a forgotten variable would spoil the model.
    """
    refuse_variable(
        "it is for prediction only: training draws its own subsets",
        " For a model of one subset use nnUNetTrainerModalityDropout with the setting fixed_subset.",
    )


def refuse_variable(reason: str, hint: str = "") -> None:
    """Check that MSTKD_MODALITIES is not set.

    Args:
        reason: why it must not be.
        hint: what to do in its place.

    Raises:
        ModalityError: if it is.
    """
    text = os.environ.get(MODALITIES_VARIABLE)
    if text is not None:
        raise ModalityError(
            f"{MODALITIES_VARIABLE}={text!r} is set, but {reason}. Mend: unset {MODALITIES_VARIABLE}.{hint}"
        )
