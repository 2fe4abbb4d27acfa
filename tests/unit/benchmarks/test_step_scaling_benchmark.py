"""benchmarks/step_scaling, run on tiny plans: what it counts, writes and draws; never how long a step takes."""

import json

import pytest

pytestmark = pytest.mark.slow

SIZE = {"patch": (16, 16, 16), "stages": 3}


@pytest.fixture
def step_scaling(benchmark):
    return benchmark("step_scaling")


def test_a_step_keeps_about_what_two_networks_keep(step_scaling):
    """It was three times nnU-Net's when the probe of the first step counted."""
    row = step_scaling.measure(step_scaling.Point("voxels", patch=(32, 32, 16), stages=5), rounds=1)
    saved = row["saved_mb"]
    assert 1.5 < saved["nnUNetTrainerMSTKD"] / saved["nnUNetTrainer"] < 2.6
    assert {name: len(seconds) for name, seconds in row["seconds"].items()} == dict.fromkeys(step_scaling.TRAINERS, 1)
    assert row["x"] == 32 * 32 * 16


def test_places_on_the_axes(step_scaling):
    points = [step_scaling.Point(axis, modalities=3, **SIZE) for axis in ("voxels", "modalities", "tokens")]
    trainer = step_scaling.make_trainer("nnUNetTrainer", modalities=3, **SIZE)
    # 16 voxels are halved twice: 4 x 4 x 4 at the deepest stage, few enough to be a token each
    assert [step_scaling._place(point, trainer) for point in points] == [16**3, 3, 64]


def test_what_it_writes(step_scaling, run, tmp_path, monkeypatch):
    points = [step_scaling.Point("modalities", modalities=count, **SIZE) for count in (3, 2)]
    monkeypatch.setattr(step_scaling, "POINTS", (*points, step_scaling.Point("tokens", **SIZE)))
    printed = run(step_scaling, tmp_path, "--rounds", "1", "--only", "modalities")
    rows = json.loads((tmp_path / "step_scaling.json").read_text())
    assert [(row["axis"], row["x"]) for row in rows] == [("modalities", 3), ("modalities", 2)]
    (ratio,) = step_scaling.time_ratios(rows[0])
    assert ratio == rows[0]["seconds"]["nnUNetTrainerMSTKD"][0] / rows[0]["seconds"]["nnUNetTrainer"][0]
    assert f"ratio {ratio:.2f} ({ratio:.2f} to {ratio:.2f})" in printed
    assert (tmp_path / "step_scaling.png").read_bytes().startswith(b"\x89PNG")
