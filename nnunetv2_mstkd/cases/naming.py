"""What the name of an image file says: which case, which channel (L1').

A name is taken only if it can mean one thing. What could mean two is an error, even where one meaning is likelier: a
channel in the wrong place gives a segmentation that looks right and is not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnunetv2_mstkd.cases.contrast_word import enhanced_entity
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sequence_name import known_sequence

SEPARATORS = "_-. "

_LABEL_WORD = re.compile("(d|prob)?seg|segm(entation)?|labels?|(brain)?masks?|msk|lesions?|gt|(ground)?truth", re.I)
_CONTRAST_WORD = re.compile("ce|gd|gad(o|olinium)?|(post)?contrast|post|enhanced", re.I)
_NO_CONTRAST_WORD = re.compile("no|non|none|without|pre|native", re.I)
_MOVED_WORD = re.compile("to|in|on|reg|registered", re.I)  # "dwi_to_flair" is a DWI

_TOKEN = re.compile(rf"[^{re.escape(SEPARATORS)}]+")
_INDEXED = re.compile(r"(.+)_([0-9]{4})")
_BIDS = re.compile(r"(sub-[a-z0-9+]+(?:_ses-[a-z0-9+]+)?)((?:_[a-z0-9]+-[a-z0-9+]+)*)_(?![0-9]+$)([a-z0-9]+)", re.I)


@dataclass(frozen=True)
class FileName:
    """What a name says.

    Args:
        case: name of the case; None if the whole name is a modality's: the case is then called as its folder.
        channel: index.
    """

    case: str | None
    channel: int


def parse_name(stem: str, modalities: Modalities) -> FileName:
    """Return what the name of an image says.

    Args:
        stem: the file's name without its ending.
        modalities: of the model.

    Raises:
        CaseError: if the name fits nothing, or more than one thing; the message does not repeat the name.

    Example:
        >>> modalities = Modalities(("T1", "T1ce", "T2", "FLAIR"))
        >>> parse_name("BraTS-GLI-00000-000-t2f", modalities)
        FileName(case='BraTS-GLI-00000-000', channel=3)
        >>> parse_name("sub-01_ses-2_ce-gadolinium_T1w", modalities)
        FileName(case='sub-01_ses-2', channel=1)
    """
    bids = _BIDS.fullmatch(stem)
    by_modality = _by_entities(bids, modalities) if bids else _by_ending(stem, modalities)
    readings = {reading for reading in (_by_index(stem, modalities), by_modality) if reading is not None}
    if len(readings) > 1:
        told = " or ".join(sorted(f"{modalities.names[r.channel]} of case {r.case!r}" for r in readings))
        raise CaseError(f"its name fits {told}: rename it")
    if not readings:
        raise CaseError(_unknown(stem, modalities))
    return readings.pop()


def is_label_name(stem: str, modalities: Modalities) -> bool:
    """Return whether a name is that of a label map: a reference beside the images, none of them."""
    last = _tokens(stem)[-1:]
    return bool(last) and bool(_LABEL_WORD.fullmatch(last[0])) and not modalities.fitting(last[0])


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _runs(text: str) -> Iterator[tuple[int, str]]:
    """Yield (start, text from there to the end) for each token, the longest first."""
    for match in _TOKEN.finditer(text):
        yield match.start(), text[match.start() :].rstrip(SEPARATORS)


def _fitting(text: str, modalities: Modalities) -> tuple[int, ...]:
    return modalities.fitting(text) or modalities.fitting(text.replace(".", ""))


# the three ways of naming -------------------------------------------------------------------------------------------


def _by_index(stem: str, modalities: Modalities) -> FileName | None:
    """Read `case_0000`, nnU-Net's way."""
    match = _INDEXED.fullmatch(stem)
    if match is None or int(match[2]) >= len(modalities):
        return None
    for _, ending in _runs(match[1]):
        if _names_modality(ending, modalities):
            raise CaseError(f"its name has both a modality, {ending!r}, and an index, _{match[2]}: keep one of them")
    return FileName(match[1], int(match[2]))


def _by_ending(stem: str, modalities: Modalities) -> FileName | None:
    """Read `case_t1ce`, `case-t2_flair`, `t1`: the longest ending that is a modality counts."""
    for start, ending in _runs(stem):
        fitting = _fitting(ending, modalities)
        if fitting:
            case = stem[:start].rstrip(SEPARATORS)
            _require_no_other(case, ending, modalities)
            _require_no_doubt(case, ending)
            return FileName(case or None, _only(fitting, ending, modalities))
    return None


def _by_entities(bids: re.Match[str], modalities: Modalities) -> FileName | None:
    """Read `sub-01_ses-2_acq-3D_ce-gadolinium_T1w`, the way of BIDS: the suffix is the modality."""
    case, middle, suffix = bids.groups()
    entities = dict(entity.lower().split("-") for entity in middle.split("_")[1:])
    agent = entities.pop("ce", None)
    modality = suffix if agent is None else f"ce{suffix}"
    _require_clear_entities(bids[0], entities, agent, suffix, modality)
    fitting = _fitting(modality, modalities)
    return FileName(case, _only(fitting, modality, modalities)) if fitting else None


# doubts -------------------------------------------------------------------------------------------------------------


def _names_modality(text: str, modalities: Modalities) -> bool:
    """Return whether a part of a case's name is a modality, the model's or a well-known one; numbers are not."""
    return not text.isdigit() and bool(known_sequence(text) or _fitting(text, modalities))


def _only(fitting: tuple[int, ...], text: str, modalities: Modalities) -> int:
    if len(fitting) > 1:
        names = [modalities.names[channel] for channel in fitting]
        raise CaseError(f"{text!r} fits several modalities, {names}: use an exact name")
    return fitting[0]


def _require_no_other(case: str, ending: str, modalities: Modalities) -> None:
    """Refuse a name whose ending is not the only modality in it."""
    tokens = _tokens(case)
    parts = ("_".join(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1))
    for part in parts:
        if _names_modality(part, modalities):
            raise CaseError(f"its name has two modalities, {part!r} and {ending!r}: keep one of them")


def _require_clear_entities(stem: str, entities: dict[str, str], agent: str | None, suffix: str, modality: str) -> None:
    """Refuse entities that make something else of the suffix, as `acq-gd` may make a T1 a contrast-enhanced one."""
    if agent is not None and _NO_CONTRAST_WORD.fullmatch(agent):
        raise CaseError(f"'ce-{agent}' is unclear: ce names a contrast agent. Leave it out where there is none")
    for key, value in entities.items():
        if key != "space" and known_sequence(value) not in (None, known_sequence(suffix), known_sequence(modality)):
            raise CaseError(f"'{key}-{value}' before {suffix!r} is unclear: a contrast agent is written as ce-{value}")
    if known_sequence(modality) == "T1" and (entity := enhanced_entity(stem)):
        raise CaseError(f"{entity!r} before {suffix!r} is unclear: a contrast agent is written as ce-gadolinium")


def _require_no_doubt(case: str, modality: str) -> None:
    """Refuse a name in which the word before the modality makes something else of it."""
    last = "".join(_tokens(case)[-1:])
    if _LABEL_WORD.fullmatch(last):
        raise CaseError(f"{last!r} before {modality!r} is unclear: is it an image, or a label map? Rename it")
    if _MOVED_WORD.fullmatch(last):
        raise CaseError(f"{last!r} before {modality!r} is unclear: is it another image in that space? Rename it")
    if _CONTRAST_WORD.fullmatch(last) and known_sequence(modality) == "T1":
        raise CaseError(f"{last!r} before {modality!r} is unclear: is it contrast-enhanced? Rename it: t1ce or t1")


def _unknown(stem: str, modalities: Modalities) -> str:
    """Say what is wrong with a name that fits nothing."""
    match = _INDEXED.fullmatch(stem)
    if match:
        return f"the model has no channel _{match[2]}: its channels are {modalities.channel_files()}"
    endings = [ending for _, ending in _runs(stem) if not ending.isdigit()]
    nearest = next(filter(None, (modalities.nearest(ending) for ending in reversed(endings[-3:]))), None)
    hint = f" (did you mean {nearest!r}?)" if nearest else ""
    return f"its name ends in no modality{hint}: it must end in an index or a name of {modalities.channel_files()}"
