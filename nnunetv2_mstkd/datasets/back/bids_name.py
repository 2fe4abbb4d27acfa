"""Names of BIDS derivatives (L1')."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from nnunetv2_mstkd.datasets.patient_name import patient_in
from nnunetv2_mstkd.errors import ConversionError

DESCRIPTION = "mstkd"  # the entity desc: whose segmentation it is
# Entities that the standard has between session and description, in its order.
_ENTITIES = (
    *("sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec", "dir", "run", "mod", "echo"),
    *(
        "flip",
        "inv",
        "mt",
        "part",
        "proc",
        "hemi",
        "space",
        "split",
        "recording",
        "chunk",
        "seg",
        "res",
        "den",
        "label",
    ),
)
_INDICES = ("run", "echo", "flip", "inv", "split", "chunk")  # whose labels are numbers
_PART = re.compile(f"(ses|{'|'.join(_ENTITIES)})-([a-zA-Z0-9+]+)")


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
    """Return the name for a case: its entities if it is called by them, else its patient as subject.

    What else tells the scan, and is no entity, becomes the session, or a part of it.

    Raises:
        ConversionError: if there is no letter and no digit to call a subject by.

    Example:
        >>> str(bids_name("sub-01_ses-2").stem)
        'sub-01/ses-2/anat/sub-01_ses-2_desc-mstkd_dseg'
        >>> str(bids_name("BraTS-GLI-00005-001").stem)
        'sub-BraTSGLI00005/ses-001/anat/sub-BraTSGLI00005_ses-001_desc-mstkd_dseg'
    """
    if case.startswith("sub-"):
        patient, *parts = case.removeprefix("sub-").split("_")
    else:
        known = patient_in(case)
        patient, parts = (known, [case.removeprefix(known)]) if case.startswith(known) else (case, [])
    subject = _label(patient)
    if not subject:
        raise ConversionError(f"The case {case!r} has no letter and no digit that BIDS could call a subject by")
    labels, rest = _entities(parts)
    session = labels.get("ses", "") + rest
    others = "".join(f"_{entity}-{labels[entity]}" for entity in _ENTITIES if entity in labels)
    return BidsName(f"sub-{subject}", f"ses-{session}" if session else "", others)


def _entities(parts: Iterable[str]) -> tuple[dict[str, str], str]:
    """Return entity -> label, each entity once, and the letters and digits of all other parts."""
    labels: dict[str, str] = {}
    rest = ""
    for part in parts:
        match = _PART.fullmatch(part)
        if match and match[1] not in labels and (match[1] not in _INDICES or match[2].isdecimal()):
            labels[match[1]] = match[2]
        else:
            rest += _label(part)
    return labels, rest


def _label(text: str) -> str:
    return re.sub("[^a-zA-Z0-9+]", "", text)


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
            raise ConversionError(
                f"The cases {other!r} and {case!r} would both be {name.stem} in BIDS: rename the label map of one, and "
                "its .mstkd.json"
            )
    return names
