"""Which trainings make up a row of the report: its place in the order, its repeats, and what cannot be in it (L2)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_mstkd.benchmark.record import case_files
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.errors import BenchmarkError

Model = tuple[str, str]  # folder and checkpoint


def known_trainings(folder: Path) -> list[TrainingFacts]:
    """Return the trainings of a benchmark folder that have finished cases.

    Raises:
        BenchmarkError: if a training.json is damaged.
    """
    return [TrainingFacts.read(file) for file in training_files(folder) if any(case_files(file.parent))]


def settled(given: Sequence[TrainingFacts], known: Iterable[TrainingFacts]) -> list[TrainingFacts]:
    """Return the trainings with the repeat and the row that they have in a benchmark folder, or the next free ones.

    Args:
        given: in the order of the user; what they say of repeat and order is not looked at.
        known: what the folder has already, which may be some of the same trainings under other titles.

    Raises:
        BenchmarkError: if two trainings would be one prediction of the report; the message says what to do.
    """
    known = list(known)
    repeats, orders = _repeats(given, known), _orders(given, known)
    found = [
        replace(each, order=orders[each.title], repeat=repeats[each.title, each.needs, _model(each)]) for each in given
    ]
    _require_given_once(found)
    places = {each.place for each in found}
    _require_distinct(found, [each for each in known if each.place not in places])
    return found


def _model(training: TrainingFacts) -> Model:
    return training.folder, training.checkpoint


def _repeats(
    given: Sequence[TrainingFacts], known: Sequence[TrainingFacts]
) -> dict[tuple[str, str | None, Model], int]:
    """Return the repeat of each model of each row: the one that it has, else the first free one in the order given."""
    before = {_model(each): each.repeat for each in known}
    models = list(dict.fromkeys((each.title, each.needs, _model(each)) for each in given))
    found: dict[tuple[str, str | None, Model], int] = {}
    taken: dict[tuple[str, str | None], set[int]] = defaultdict(set)
    for title, needs, model in sorted(models, key=lambda each: each[2] not in before):  # stable: known ones first
        free = (number for number in range(len(models) + 1) if number not in taken[title, needs])
        number = before.get(model, -1)
        if number < 0 or number in taken[title, needs]:
            number = next(free)
        taken[title, needs].add(number)
        found[title, needs, model] = number
    return found


def _orders(given: Sequence[TrainingFacts], known: Sequence[TrainingFacts]) -> dict[str, int]:
    """Return the place of each row: the one that its trainings or its title have, else behind all others."""
    by_place = {each.place: each.order for each in known}
    by_title: dict[str, int] = {}
    for each in known:
        by_title[each.title] = min(each.order, by_title.get(each.title, each.order))
    behind = 1 + max(by_title.values(), default=-1)
    found: dict[str, int] = {}
    for title in dict.fromkeys(each.title for each in given):
        own = [by_place[each.place] for each in given if each.title == title and each.place in by_place]
        order = min([*own, *([by_title[title]] if title in by_title else [])], default=behind)
        order = behind if order in found.values() else order
        found[title], behind = order, max(behind, order + 1)
    return found


def _require_given_once(given: Sequence[TrainingFacts]) -> None:
    seen: set[Path] = set()
    for each in given:
        if each.place in seen:
            raise BenchmarkError(f"{each.name} is given twice: {each.folder}. Give each model once")
        seen.add(each.place)


def _require_distinct(given: Sequence[TrainingFacts], known: Sequence[TrainingFacts]) -> None:
    """Check that no two trainings would be one prediction of the report, and that a row is one kind of model."""
    everything = [*given, *known]
    for i, first in enumerate(given):
        for second in everything[i + 1 :]:
            if first.title.casefold() == second.title.casefold() and (why := _conflict(first, second)):
                scored = "was scored before" if second in known else "is given, too"
                raise BenchmarkError(
                    f"{first.name} ({first.folder}): {second.name} ({second.folder}) {scored}, and {why}. Give "
                    f"different models different titles (-tr TITLE=TRAINER, -m TITLE=FOLDER), or use another output "
                    f"folder"
                )


def _conflict(first: TrainingFacts, second: TrainingFacts) -> str:
    """Return why two trainings cannot be in one row; "" if they can."""
    if first.title != second.title:
        return "their titles differ in case alone"
    if first.needs != second.needs and None not in (first.needs, second.needs):
        return ""  # dedicated to different subsets
    if _model(first) == _model(second):
        both = sorted(set(first.cases) & set(second.cases))
        return f"both predict {both[0]}, which would count twice (changed splits: name all folds)" if both else ""
    kinds = [(each.trainer, each.plans, each.configuration, each.checkpoint, each.needs) for each in (first, second)]
    if kinds[0] != kinds[1]:
        return "one title stands for one trainer, plans, configuration and checkpoint"
    return "both would be the same repeat: name all repeats in one command" if first.repeat == second.repeat else ""
