"""Names of MRI sequences, under which aliases they go, and when two names mean the same (L0: standard library only)."""

import re

# Every name on a line means the same sequence; the first is what our messages call it.
ALIASES: tuple[tuple[str, ...], ...] = (
    ("T1", "t1n", "t1w", "t1pre", "t1native"),
    ("T1ce", "t1c", "t1gd", "t1post", "t1wce", "cet1w", "cegadoliniumt1w"),
    ("T2", "t2w"),
    ("FLAIR", "t2f", "t2flair", "fla", "fluid"),
)

SEQUENCE_BY_ALIAS = {alias.lower(): names[0].lower() for names in ALIASES for alias in names}


def normalize(name: str) -> str:
    """Return a name without case and separators, as names are compared."""
    return re.sub(r"[\s_\-]", "", name).lower()


def sequence_of(name: str) -> str:
    """Return what identifies the sequence that `name` stands for: equal for all aliases of one sequence."""
    normalized = normalize(name)
    return SEQUENCE_BY_ALIAS.get(normalized, normalized)


def known_sequence(name: str) -> str | None:
    """Return the sequence that an alias stands for, as our messages call it ("T1ce"); None if it is no alias."""
    normalized = normalize(name)
    return next((names[0] for names in ALIASES if normalized in map(str.lower, names)), None)
