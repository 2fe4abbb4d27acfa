"""What a run over a folder is told, and what comes of it (L3)."""

from dataclasses import dataclass

from nnunetv2_mstkd.cases.problem import Problem


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Args:
        save_probabilities: also write `<case>.npz` and `<case>.pkl`, as nnU-Net does.
        continue_prediction: leave alone what is finished.
        skip_on_error: predict what is sound, although other cases are not.
        preparing: threads that read and preprocess.
        finishing: threads that resample and write.
    """

    save_probabilities: bool = False
    continue_prediction: bool = False
    skip_on_error: bool = False
    preparing: int = 1
    finishing: int = 1


@dataclass(frozen=True)
class RunResult:
    """What became of the cases, by name."""

    status: dict[str, str]
    problems: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every case is done, and nothing in the folder was left over."""
        return not self.problems
