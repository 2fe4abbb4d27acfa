"""The licence file of a model for others (L3)."""

from pathlib import Path

from nnunetv2_mstkd.errors import ModelArchiveError

_UNSTATED = """\
The author of this model has stated no licence. Until that is done, others may not assume that they may use, change or
pass on these weights: ask the author.

To the author: replace this file, or export again with --licence.

- Weights are not covered by the Apache-2.0 licence of the package nnunetv2_mstkd, which is for its code.
- The terms of the training data come first: what may be done with models trained on them, whom to name, whether the
  use may be commercial. So do the consent of the patients and the rules of your institution.
- Where these leave you free, CC-BY-4.0 is a usual choice. Where the data are for non-commercial use, CC-BY-NC-4.0;
  where they demand the same terms for what is made of them, CC-BY-SA-4.0 or CC-BY-NC-SA-4.0.
"""
_TEXT_ENDINGS = (".txt", ".md", ".rst")


def licence_text(licence: str | None) -> str:
    """Return the content of the licence file.

    Args:
        licence: a file with it, its identifier or a sentence ("CC-BY-4.0"), or None: the author has stated none.

    Raises:
        ModelArchiveError: if it looks like a file and there is none, or the file is no text.
    """
    if licence is None:
        return _UNSTATED
    file = Path(licence)
    try:
        if file.is_file():
            return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8
        raise ModelArchiveError(f"The licence file {licence!r} cannot be read: {error}") from error
    if file.suffix.lower() in _TEXT_ENDINGS or not licence.strip():
        raise ModelArchiveError(f"There is no licence file {licence!r}: name a file, or give an identifier: CC-BY-4.0")
    return f"The weights of this model are licensed under: {licence.strip()}\n"
