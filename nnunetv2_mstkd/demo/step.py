"""One command of the demonstration, as data (L2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Step:
    """A command, with what it needs and makes; paths are relative to the demonstration's folder.

    Args:
        name: unique; also the name of its log.
        command: as one types it.
        produces: what it makes: removed before the step is done anew.
        needs: names of the steps whose results it uses.
        tuning: further arguments that change nothing in the result, such as numbers of processes.
        checkpoints: if one of these is there, an interrupted command is continued, with --c.
        epochs: of a training, to show its progress; 0: no training.
        comment: said before the command.
    """

    name: str
    command: tuple[str, ...]
    produces: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    tuning: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    epochs: int = 0
    comment: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two steps of one name equal: a difference means that the step has to be done anew."""
        return {"command": list(self.command)}

    def arguments(self, root: Path, *, continues: bool) -> tuple[str, ...]:
        """Return the whole command line.

        Args:
            root: the demonstration's folder.
            continues: whether this very step was interrupted before.
        """
        has_checkpoint = continues and any((root / file).is_file() for file in self.checkpoints)
        return (*self.command, *self.tuning, *(("--c",) if has_checkpoint else ()))
