"""What models are called in a benchmark (L2)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Titled = tuple[str | None, str]  # a title of the user's, and what bears it

_PREFIX = "nnUNetTrainer"
_STOCK = "nnU-Net"


@dataclass(frozen=True)
class Nameable:
    """A model that needs a title.

    Args:
        given: title that the user gave; None: from the trainer's name.
        trainer: class name.
        plans: name of the plans.
        configuration: such as 3d_fullres.
        needs: name of the subset of a dedicated model; None for any other.
    """

    given: str | None
    trainer: str
    plans: str
    configuration: str
    needs: str | None = None

    @property
    def short(self) -> str:
        """The title without a suffix."""
        return self.given or default_title(self.trainer)

    @property
    def long(self) -> str:
        """The title with plans and configuration."""
        return f"{self.short} ({self.plans}, {self.configuration})"


def parse_titled(text: str) -> Titled:
    """Return title and value of "[TITLE=]VALUE"; None where there is no title. A "/" before the "=" makes it a path."""
    title, equals, value = text.partition("=")
    if not equals or "/" in title:
        return None, text
    return title.strip() or None, value


def default_title(trainer: str) -> str:
    """Return a trainer's name without nnU-Net's prefix: "MSTKD_5epochs"; of the stock trainer "nnU-Net"."""
    rest = trainer.removeprefix(_PREFIX)
    return f"{_STOCK}{rest}" if not rest or (rest != trainer and rest.startswith("_")) else rest


def titles_of(models: Sequence[Nameable]) -> list[str]:
    """Return a title for each model: short, and with plans and configuration where short titles clash.

    Models that are dedicated to different subsets share a title without a clash: together they are one row. So do
    models that nothing tells apart, which are trainings of one model.
    """
    distinct = dict.fromkeys(models)
    clashes = Counter((model.short, model.needs) for model in distinct)
    return [model.long if clashes[model.short, model.needs] > 1 else model.short for model in models]
