"""The trainers by name, loaded when asked for (L3; importing this package loads the standard library only).

Besides the names of TRAINERS, `<trainer>_<N>epochs` (and `<trainer>_1epoch`, as nnU-Net writes it) is served for any
N >= 1: nnU-Net's convention for schedules, without a class for each length.
"""

import re
from importlib import import_module

from nnunetv2_mstkd.compatibility import require_supported_nnunet

# Public name -> module. The names are on-disk identifiers (checkpoints, results folders): never rename one.
TRAINERS: dict[str, str] = {
    "nnUNetTrainerMSTKD": "nnunetv2_mstkd.trainers.mstkd",
    "nnUNetTrainerMSTKD_noMSTKD": "nnunetv2_mstkd.trainers.mstkd_variants",
    "nnUNetTrainerMSTKD_noGSME": "nnunetv2_mstkd.trainers.mstkd_variants",
    "nnUNetTrainerMSTKD_noSLKD": "nnunetv2_mstkd.trainers.mstkd_variants",
    "nnUNetTrainerMSTKDPaper": "nnunetv2_mstkd.trainers.mstkd_variants",
    "nnUNetTrainerModalityDropout": "nnunetv2_mstkd.trainers.modality_dropout",
    "nnUNetTrainerACN": "nnunetv2_mstkd.trainers.acn",
    "nnUNetTrainerSMUNet": "nnunetv2_mstkd.trainers.smunet",
    "nnUNetTrainerRAHVED": "nnunetv2_mstkd.trainers.ra_hved",
    "nnUNetTrainerRMBTS": "nnunetv2_mstkd.trainers.rmbts",
    "nnUNetTrainerMMFormer": "nnunetv2_mstkd.trainers.mmformer",
    "nnUNetTrainerM2FTrans": "nnunetv2_mstkd.trainers.m2ftrans",
}

_SCHEDULE = re.compile(r"(?P<trainer>.+)_(?:(?P<one>1)epoch|(?P<num_epochs>[1-9][0-9]*)epochs)")


def trainer_names() -> tuple[str, ...]:
    """Return the public trainers' names, without the schedules."""
    return tuple(TRAINERS)


def __getattr__(name: str) -> type:
    trainer, num_epochs = _parse(name)
    require_supported_nnunet()
    found = _load(trainer)
    if num_epochs is not None:
        from nnunetv2_mstkd.trainers.schedule import schedule_class

        found = schedule_class(found, name, num_epochs)
    # setdefault is atomic: two threads that ask at once get one class, and pickle finds that one here.
    return globals().setdefault(name, found)


def __dir__() -> list[str]:
    return sorted({*globals(), *TRAINERS})


def _parse(name: str) -> tuple[str, int | None]:
    """Split a requested name into a trainer of the table and its number of epochs, None without the suffix."""
    if name in TRAINERS:
        return name, None
    schedule = _SCHEDULE.fullmatch(name)
    if schedule is None or schedule["trainer"] not in TRAINERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return schedule["trainer"], int(schedule["one"] or schedule["num_epochs"])


def _load(trainer: str) -> type:
    try:
        return getattr(import_module(TRAINERS[trainer]), trainer)
    except AttributeError as error:
        # nnU-Net asks with hasattr: an AttributeError of some dependency's import would read as "no such trainer".
        raise ImportError(f"{trainer} cannot be loaded from {TRAINERS[trainer]}: {error}") from error
