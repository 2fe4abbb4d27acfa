"""Paths of files with placeholders, as layouts and users write them (L1')."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PART = re.compile(r"\*\*/|\*|\{(\w+)\}")


@dataclass(frozen=True)
class PathMatch:
    """What a path says.

    Args:
        values: placeholder -> what stands there.
        wild: what the wildcards of folders stand for: where the file lies, as far as no placeholder says it.
    """

    values: Mapping[str, str]
    wild: tuple[str, ...]


class PathPattern:
    """A pattern of paths: text, placeholders, `*` (anything within a name) and `**/` (any folders, or none).

    Each `*` takes as little as it can, so that what follows it gets the longest text that fits.

    Args:
        template: as "**/{case}_{modality}"; a placeholder that comes again stands for the same text.
        placeholders: name -> regular expression, without groups that capture.
        ignore_case: whether upper and lower case are the same.

    Raises:
        KeyError: if a placeholder has no expression.
        re.error: if an expression cannot be read.

    Example:
        >>> pattern = PathPattern("**/{case}_{modality}", {"case": "[^/]+?", "modality": "t1|t1ce"})
        >>> pattern.match("HGG/a_1/a_1_t1ce").values
        {'case': 'a_1', 'modality': 't1ce'}
    """

    def __init__(self, template: str, placeholders: Mapping[str, str], *, ignore_case: bool = False) -> None:
        self.template = template
        self._regex = re.compile("".join(_expressions(template, placeholders)), re.IGNORECASE if ignore_case else 0)

    def match(self, path: str) -> PathMatch | None:
        """Return what a path says, relative, with slashes and without its ending; None if the pattern does not fit."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        groups = match.groupdict()
        wild = tuple(text for name, text in groups.items() if name.startswith("_wild"))
        return PathMatch({name: text for name, text in groups.items() if not name.startswith("_wild")}, wild)


def names_in(template: str) -> list[str]:
    """Return the placeholders of a template, in order, repeated ones too."""
    return [match[1] for match in _PART.finditer(template) if match[1]]


def _expressions(template: str, placeholders: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    end, file_name = 0, template.rfind("/")
    for match in _PART.finditer(template):
        yield re.escape(template[end : match.start()])
        name, end = match[1], match.end()
        if name is None:
            begin = f"(?P<_wild{match.start()}>" if match.start() < file_name else "(?:"
            yield begin + ("(?:.+/)?)" if match[0] == "**/" else "[^/]*?)")
        else:
            yield f"(?P={name})" if name in seen else f"(?P<{name}>{placeholders[name]})"
            seen.add(name)
    yield re.escape(template[end:])
