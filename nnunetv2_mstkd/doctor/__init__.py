"""Checks of an installation: what is wrong, and the line that mends it (L3)."""

from nnunetv2_mstkd.doctor.diagnosis import diagnose, is_healthy
from nnunetv2_mstkd.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "diagnose", "is_healthy"]
