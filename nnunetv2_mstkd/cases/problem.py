"""What is wrong with a case (L1')."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that stops a case.

    Args:
        case: name of the case; where a file belongs to none, its name without ending; "" for the whole folder.
        message: what was found, and what to do about it.
    """

    case: str
    message: str

    def __str__(self) -> str:
        """Return one line that can be printed, whatever is in names and in messages of image libraries."""
        return printable(f"{self.case}: {self.message}" if self.case else self.message)


def printable(text: str) -> str:
    """Return one line that any terminal can print: file names need not be valid Unicode."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")
