"""What a check hands back (part of the doctor, L3)."""

from dataclasses import dataclass
from typing import Literal

# ok: as it should be. warning: works, but may surprise. problem: something asked of the package will fail.
Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One result of one check.

    Args:
        name: what was looked at.
        status: "ok", "warning" or "problem".
        detail: what was found.
        mend: the line that mends it, to be pasted into a shell where that is possible; empty only for "ok".

    Raises:
        ValueError: if something is wrong and no mend is given.
    """

    name: str
    status: Status
    detail: str
    mend: str = ""

    def __post_init__(self) -> None:
        if self.status != "ok" and not self.mend:
            raise ValueError(f"The finding {self.name!r} ({self.status}: {self.detail}) needs a line that mends it")
