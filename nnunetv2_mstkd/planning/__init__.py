"""The planners and the fingerprint extractor, loaded when asked for (L3; this loads the standard library only)."""

from importlib import import_module

from nnunetv2_mstkd.compatibility import require_supported_nnunet

# Public name -> module. nnU-Net seeks a planner by its name (-pl), as it does a trainer.
PLANNERS: dict[str, str] = {
    "nnUNetPlannerMSTKD": "nnunetv2_mstkd.planning.mstkd",
    "nnUNetPlannerMSTKDResEncM": "nnunetv2_mstkd.planning.mstkd",
    "nnUNetPlannerMSTKDResEncL": "nnunetv2_mstkd.planning.mstkd",
    "nnUNetPlannerTiny": "nnunetv2_mstkd.planning.tiny",
}

# The same for -fpe.
FINGERPRINT_EXTRACTORS: dict[str, str] = {
    "MSTKDFingerprintExtractor": "nnunetv2_mstkd.planning.fingerprint",
}

_ALL = {**PLANNERS, **FINGERPRINT_EXTRACTORS}


def planner_names() -> tuple[str, ...]:
    """Return the public planners' names."""
    return tuple(PLANNERS)


def __getattr__(name: str) -> type:
    if name not in _ALL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_supported_nnunet()
    return getattr(import_module(_ALL[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ALL})
