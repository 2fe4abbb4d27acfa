"""Runs every check of the doctor (L3)."""

from collections.abc import Callable, Iterable, Sequence

from nnunetv2_mstkd.doctor import discovery, folders, hardware, placement, settings, versions
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import Installation

Check = Callable[[Installation], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    versions.check_versions,
    versions.check_copies,
    placement.check_nnunet,
    placement.check_overlays,
    discovery.check_way,
    discovery.check_trainers,
    discovery.check_stock,
    discovery.check_preprocessor,
    discovery.check_planners,
    folders.check_folders,
    settings.check_modalities_variable,
    settings.check_processes,
    hardware.check_device,
    hardware.check_threads,
    hardware.check_bfloat16,
    hardware.check_engines,
)


def diagnose(installation: Installation | None = None, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return the findings of all checks, in their order.

    A check that breaks is a finding too: the doctor is for broken installations, and one check must not hide the rest.

    Args:
        installation: what is installed where; read from this environment if not given.
        checks: the checks to run.
    """
    installed = Installation.read() if installation is None else installation
    return [finding for check in checks for finding in _run(check, installed)]


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Return whether no finding is a problem."""
    return all(finding.status != "problem" for finding in findings)


def _run(check: Check, installation: Installation) -> list[Finding]:
    try:
        return list(check(installation))
    except Exception as error:  # see diagnose
        name = check.__name__.removeprefix("check_").replace("_", " ")
        detail = f"this check could not run ({type(error).__name__}: {error})"
        return [Finding(name, "problem", detail, "mend the problems listed before this one, then run it again")]
