"""benchmarks/student_forward, run on a tiny patch: paired runs and their ratio; never how long they take."""

import json

import pytest


@pytest.fixture
def student_forward(benchmark):
    return benchmark("student_forward")


def test_as_many_pairs_as_asked_for(student_forward, small_plan):
    seconds = student_forward.measure(small_plan, pairs=2)
    assert {name: len(values) for name, values in seconds.items()} == {"plain": 2, "student": 2}
    assert min(*seconds["plain"], *seconds["student"]) > 0


@pytest.mark.slow
def test_a_run(student_forward, run, tmp_path):
    report = tmp_path / "forward.json"
    printed = run(student_forward, "--patch", "32x32x32", "--pairs", "1", "--json", report)
    result = json.loads(report.read_text())
    (student,), (plain,) = result["seconds"]["student"], result["seconds"]["plain"]
    assert result["ratio"] == dict.fromkeys(("median", "lowest", "highest"), student / plain)
    told = f"student over plain {student / plain:.3f} ({student / plain:.3f} to {student / plain:.3f})"
    assert f"patch 32x32x32, {result['threads']} threads: {told}; bar: {student_forward.BAR}" in printed
