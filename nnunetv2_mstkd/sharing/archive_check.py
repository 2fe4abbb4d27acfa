"""What of an archive may be unpacked, decided by its table of contents before anything is written (L3)."""

import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from nnunetv2_mstkd.errors import ModelArchiveError

LICENCE_FILE = "LICENSE"
MODEL_FOLDER = re.compile(r"Dataset\d{3}_[^/]+/[^/]+__[^/]+__[^/]+")

# Weights hardly compress, plans do by a factor of ten or so. Below the first number nobody is harmed.
HARMLESS_BYTES = 100_000_000
MAX_RATIO = 20

_MEMBER = re.compile(rf"(?P<model>{MODEL_FOLDER.pattern})/.+")
_ENDINGS = (".json", ".pth", ".md", ".txt", ".pdf", ".png")
# backslash and colon are Windows' separators; a zero ends a name early for some readers
_FORBIDDEN = re.compile(r"[\\:\x00-\x1f\x7f]")


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive has for us.

    Args:
        models: `<dataset>/<trainer>__<plans>__<configuration>`, sorted.
        members: to be unpacked, all within these.
        left_out: names of the others.
    """

    models: tuple[str, ...]
    members: tuple[ZipInfo, ...]
    left_out: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """Size of the members, unpacked."""
        return sum(member.file_size for member in self.members)


def check_members(members: Sequence[ZipInfo], archive_bytes: int) -> ArchiveContents:
    """Sort an archive's members into those to unpack and those to leave out.

    Left out is what is in no model folder, and what is no JSON, checkpoint, text or picture: not needed to predict, and
    nnU-Net would unpickle a .pkl, which executes code from it.

    Args:
        members: of the archive.
        archive_bytes: size of the archive.

    Raises:
        ModelArchiveError: if any member is unsafe to unpack, all together are too large, or none belongs to a model.
    """
    for member in members:
        if reason := _danger(member):
            raise ModelArchiveError(f"{member.orig_filename!r} is not unpacked: {reason}. Nothing was written")
    files = [member for member in members if not member.is_dir()]
    if repeated := _repeated([member.filename for member in files]):
        raise ModelArchiveError(f"The archive holds {repeated} more than once. Nothing was written")
    taken = [member for member in files if _is_wanted(member)]
    models = {match["model"] for member in taken if (match := _MEMBER.fullmatch(member.filename))}
    if not models:
        raise ModelArchiveError(
            "This is no archive of a model, or it is cut off: nothing in it is called DatasetXXX_Name/"
            f"<trainer>__<plans>__<configuration>/...; it has {[member.filename for member in files][:5]}"
        )
    left_out = [member.filename for member in files if not _is_wanted(member)]
    contents = ArchiveContents(tuple(sorted(models)), tuple(taken), tuple(left_out))
    if contents.num_bytes > max(HARMLESS_BYTES, MAX_RATIO * archive_bytes):
        raise ModelArchiveError(
            f"The archive of {archive_bytes:,} bytes would unpack to {contents.num_bytes:,}, more than {MAX_RATIO} "
            f"times as much, which no model does. Nothing was written"
        )
    return contents


def _danger(member: ZipInfo) -> str | None:
    kind = stat.S_IFMT(member.external_attr >> 16)  # of Unix; 0 where the archive was made elsewhere
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a special file"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return f"its compression (method {member.compress_type}) is not one that nnU-Net uses"
    # orig_filename: zipfile tidies the other one
    if _FORBIDDEN.search(member.orig_filename):
        return "its name has a backslash, a colon or a control character"
    parts = member.orig_filename.removesuffix("/").split("/")
    if parts[0] == "":
        return "its path is absolute"
    # Windows takes dots and spaces away from the end of a name: ".. " is ".." there
    if any(part == "" or part != part.rstrip(". ") for part in parts):
        return "its path has an empty part, or one that ends with a dot or a space, such as '..'"
    return None


def _repeated(names: Sequence[str]) -> str | None:
    """Return a name that comes twice, on a file system that does not tell case, too."""
    count = Counter(name.casefold() for name in names)
    return next((name for name in names if count[name.casefold()] > 1), None)


def _is_wanted(member: ZipInfo) -> bool:
    name = member.filename
    is_known = name.lower().endswith(_ENDINGS) or name.endswith(f"/{LICENCE_FILE}")
    return _MEMBER.fullmatch(name) is not None and is_known
