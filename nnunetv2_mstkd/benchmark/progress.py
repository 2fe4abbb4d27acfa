"""How far a benchmark is, and how long the rest will take (L2)."""

from dataclasses import dataclass, field

_MINUTE_S, _HOUR_S = 60, 3600


@dataclass
class Estimate:
    """The time that is left, from what predictions took so far.

    Args:
        left: number of subset predictions that are to be made, by model.
    """

    left: dict[str, int]
    _seconds: dict[str, float] = field(default_factory=dict, init=False)
    _done: dict[str, int] = field(default_factory=dict, init=False)

    def add(self, model: str, subsets: int, seconds: float) -> None:
        """Note that a model predicted a case, `subsets` times in all, in so many seconds."""
        self.skip(model, subsets)
        self._done[model] = self._done.get(model, 0) + subsets
        self._seconds[model] = self._seconds.get(model, 0.0) + seconds

    def skip(self, model: str, subsets: int) -> None:
        """Note that predictions are not to be made after all."""
        self.left[model] -= subsets

    def text(self) -> str:
        """Return "about 3 min left"; empty while nothing is known, and at the end."""
        done = sum(self._done.values())
        if not done or not any(self.left.values()):
            return ""
        average = sum(self._seconds.values()) / done  # for models that had no case yet
        seconds = 0.0
        for model, left in self.left.items():
            own = self._done.get(model, 0)
            seconds += left * (self._seconds[model] / own if own else average)
        return f"about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Return a duration as people say it, in one unit: "40 s", "3 min", "2.5 h"."""
    if seconds < _MINUTE_S:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR_S:
        return f"{round(seconds / _MINUTE_S)} min"
    return f"{seconds / _HOUR_S:.1f} h"
