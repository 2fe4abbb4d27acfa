"""Label sets from names that people give to values (L1')."""

import re
from collections import Counter
from collections.abc import Mapping

from nnunetv2_mstkd.cases.voxels import LABEL_MAX_VALUE
from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC, LabelSet
from nnunetv2_mstkd.errors import ConversionError, EvaluationError
from nnunetv2_mstkd.regions import Region

# Short form of a label's name, by regions.py and as challenges write it -> meaning
_MEANINGS = {"NCR": NCR, "NETC": NCR, "NET": NCR, "NC": NCR, "NCR/NET": NCR, "ED": ED, "SNFH": ED}
_MEANINGS.update({"ET": ET, "RC": RC, "CC": CC, "NECROTICANDNONENHANCINGTUMORCORE": NCR})
_BACKGROUND = "background"
_IGNORE = "ignore"  # nnU-Net's own name for what is not annotated


def parse_labels(text: str) -> LabelSet:
    """Return the label set that a user typed.

    Args:
        text: "1=NCR,2=ED,4=ET"; the background need not be named.

    Raises:
        ConversionError: if a part is not value=name, or a value or a name comes twice.

    Example:
        >>> parse_labels("1=necrosis, 2=oedema, 4=enhancing tumour").meanings
        {1: 'NCR', 2: 'ED', 4: 'ET'}
    """
    names: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d+)\s*=\s*(.+)", part)
        if match is None:
            raise ConversionError(f'{part!r} of the labels {text!r} is not value=name, as in "1=NCR,2=ED,4=ET"')
        if int(match[1]) in names:
            raise ConversionError(f"The labels {text!r} name the value {match[1]} twice")
        names[int(match[1])] = match[2].strip()
    return label_set_from_names(names, f"The labels {text!r}")


def label_set_from_names(names: Mapping[int, str], where: str) -> LabelSet:
    """Return what values mean by their names: NCR, ED, ET, RC, CC where these are meant, else the names themselves.

    Where two values would mean the same, as necrosis and non-enhancing tumour, all names stay as they are: then the
    values become labels rather than regions.

    Args:
        names: value -> name; 0 may be there, as the background.
        where: beginning of messages, as "The labels of dseg.tsv".

    Raises:
        ConversionError: if a value is out of range, or names are empty, equal or reserved.
    """
    foreground = {value: name for value, name in sorted(names.items()) if value != 0}
    _require_sound(foreground, names.get(0, _BACKGROUND), where)
    meanings = {value: meaning_of(name) for value, name in foreground.items()}
    return LabelSet(meanings if len(set(meanings.values())) == len(meanings) else foreground)


def meaning_of(name: str) -> str:
    """Return what a label's name means: NCR, ED, ET, RC or CC; another name stays as it is.

    Raises:
        EvaluationError: if the name is reserved.
    """
    short = Region(name, (1,)).short
    return _MEANINGS.get(re.sub(r"[\s_\-]", "", short).upper().replace("TUMOUR", "TUMOR"), name)


def _require_sound(foreground: Mapping[int, str], background: str, where: str) -> None:
    if not foreground:
        raise ConversionError(f"{where} name no foreground: at least one value above 0 must have a name")
    if background.strip().lower() != _BACKGROUND:
        raise ConversionError(f"{where}: the value 0 is {background!r}, but nnU-Net needs it for the background")
    for value, name in foreground.items():
        if not 0 < value <= LABEL_MAX_VALUE:
            raise ConversionError(f"{where}: the value {value} ({name}) is not within 0 and {LABEL_MAX_VALUE}")
        if not name or not name.isprintable() or name.lower() == _BACKGROUND:
            raise ConversionError(f"{where}: the value {value} cannot be called {name!r}")
        try:
            meaning_of(name)
        except EvaluationError as error:
            raise ConversionError(f"{where}: {error}") from error
    doubled = [name for name, count in Counter(foreground.values()).items() if count > 1]
    if doubled:
        raise ConversionError(f"{where}: several values are called {doubled[0]!r}; each needs a name of its own")
    if _IGNORE in foreground.values() and foreground[max(foreground)] != _IGNORE:
        raise ConversionError(f"{where}: nnU-Net needs {_IGNORE!r} to be the highest value")
