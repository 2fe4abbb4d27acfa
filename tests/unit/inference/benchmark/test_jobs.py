"""In which order cases and models come."""

from pathlib import Path
from types import SimpleNamespace

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.inference.benchmark import jobs
from nnunetv2_mstkd.inference.benchmark.cases import BenchmarkCase
from nnunetv2_mstkd.inference.benchmark.jobs import Jobs
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T2"))


def training(name: str) -> SimpleNamespace:
    model = SimpleNamespace(scores_on=lambda subset: True)
    return SimpleNamespace(name=name, place=Path(name), model=model)


def cases(*names: str) -> tuple[BenchmarkCase, ...]:
    return tuple(BenchmarkCase(Case(name, {0: ChannelSource(Path(name))}), Path("labels")) for name in names)


def test_many_trainings_take_turns(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "MOST_TRAININGS", 2)
    first, second = cases("a", "b"), cases("c")
    work = [*((training(name), first) for name in "UVW"), (training("X"), second)]
    plan = SimpleNamespace(facts=SimpleNamespace(modalities=MODALITIES), subsets=MODALITIES.subsets(), work=work)
    left, changed = Jobs(plan, tmp_path, SimpleNamespace()).left()
    order = [(of_case[0].case.name, "".join(job.training.name for job in of_case)) for of_case in left]
    assert order == [("a", "UV"), ("b", "UV"), ("a", "W"), ("b", "W"), ("c", "X")]
    assert not changed
    # T2 is not there
    assert [str(subset) for subset in left[0][0].subsets] == ["T1"]
