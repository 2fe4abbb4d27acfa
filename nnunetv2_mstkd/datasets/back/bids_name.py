"""Names of BIDS derivatives (L1')."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from nnunetv2_mstkd.errors import ConversionError

DESCRIPTION = "mstkd"  # the entity desc: whose segmentation it is
# Entities that images of a session are told apart by, in the standard's order.
_ENTITIES = re.compile(
    r"(?P<sub>sub-[a-zA-Z0-9]+)(_(?P<ses>ses-[a-zA-Z0-9]+))?"
    r"(?P<others>(_acq-[a-zA-Z0-9]+)?(_rec-[a-zA-Z0-9]+)?(_run-[0-9]+)?)"
)


@dataclass(frozen=True)
class BidsName:
    """Where the derivatives of a case are.

    Args:
        subject: "sub-01".
        session: "ses-1"; empty without sessions.
        others: further entities, "_run-1", or "".
    """

    subject: str
    session: str = ""
    others: str = ""

    @property
    def stem(self) -> PurePosixPath:
        """The path of its files, relative to the dataset, without the ending."""
        entities = "_".join(filter(None, (self.subject, self.session)))
        folder = PurePosixPath(self.subject, *filter(None, (self.session,)), "anat")
        return folder / f"{entities}{self.others}_desc-{DESCRIPTION}_dseg"


def bids_name(case: str) -> BidsName:
    """Return the name for a case: the one that it has in BIDS, else a subject called by its letters and digits.

    Raises:
        ConversionError: if it has neither letters nor digits.

    Example:
        >>> str(bids_name("sub-01_ses-2").stem)
        'sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg'
        >>> str(bids_name("BraTS-GLI-00005-001").stem)
        'sub-BraTSGLI00005001/anat/sub-BraTSGLI00005001_desc-mstkd_dseg'
    """
    if match := _ENTITIES.fullmatch(case):
        return BidsName(match["sub"], match["ses"] or "", match["others"])
    label = re.sub("[^a-zA-Z0-9]", "", case)
    if not label:
        raise ConversionError(f"The case {case!r} has no letter and no digit that BIDS could call a subject by")
    return BidsName(f"sub-{label}")


def bids_names(cases: Iterable[str]) -> dict[str, BidsName]:
    """Return the name of each case.

    Raises:
        ConversionError: if two cases would have the same files, also where upper and lower case are the same.
    """
    names = {case: bids_name(case) for case in cases}
    first: dict[str, str] = {}
    for case, name in names.items():
        other = first.setdefault(str(name.stem).lower(), case)
        if other != case:
            raise ConversionError(f"The cases {other!r} and {case!r} would both be {name.stem} in BIDS: rename one")
    return names
