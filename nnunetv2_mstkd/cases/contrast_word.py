"""What the entities of a BIDS name say of a contrast agent, beside `ce` itself (L1')."""

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|\+")  # "mprageGd3D": mprage, Gd, 3, D
_OPERATION = re.compile("(pre|post|intra)op", re.IGNORECASE)  # says when, and nothing of an agent
_PART = "gd|gad|[ck]ontrast|enhanc"  # unlikely within another word
_NEGATED = re.compile(f"(pre|non?|un|without)(ce|{_PART})", re.IGNORECASE)
_SEQUENCE = "mp2?rage|rage|spgr|bravo|flash|vibe|space"
_ENHANCED = re.compile(f".*({_PART}).*|c|ce|dce|km|.*post|.*({_SEQUENCE})ce?|ce(t|{_SEQUENCE}).*", re.IGNORECASE)
_NATIVE = re.compile("pre|nativ|native|non?|none|without", re.IGNORECASE)
_SAYS_NOTHING = ("space", "run", "echo")


def enhanced_entity(stem: str) -> str | None:
    """Return the first entity that sounds like a contrast agent, other than `ce`; None if none does.

    Args:
        stem: name of an image in BIDS, without its ending.

    Example:
        >>> enhanced_entity("sub-01_acq-Gd3D_T1w"), enhanced_entity("sub-01_acq-mprageC_T1w")
        ('acq-Gd3D', 'acq-mprageC')
        >>> enhanced_entity("sub-01_acq-SPACE_T1w"), enhanced_entity("sub-01_ses-post_acq-preGd_T1w")
        (None, None)
    """
    for key, value in _entities(stem):
        rest = _NEGATED.sub("", _OPERATION.sub("", value))
        if key != "ce" and any(_ENHANCED.fullmatch(word) for word in _WORD.findall(rest)):
            return f"{key}-{value}"
    return None


def native_entity(stem: str) -> str | None:
    """Return the first entity, `ce` included, that says that there was no contrast agent; None if none does.

    Example:
        >>> native_entity("sub-01_ce-preGd_T1w"), native_entity("sub-01_acq-preOp_ce-gd_T1w")
        ('ce-preGd', None)
    """
    for key, value in _entities(stem):
        rest = _OPERATION.sub("", value)
        if _NEGATED.search(rest) or any(_NATIVE.fullmatch(word) for word in _WORD.findall(rest)):
            return f"{key}-{value}"
    return None


def _entities(stem: str) -> list[tuple[str, str]]:
    """Return the entities that tell something of an image, without subject and session."""
    pairs = [part.partition("-") for part in stem.split("_")]
    return [(key.lower(), value) for key, _, value in pairs if key.lower() not in ("sub", "ses", *_SAYS_NOTHING)]
