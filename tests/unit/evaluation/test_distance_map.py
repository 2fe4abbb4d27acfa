"""Distances to a set of points, by either package."""

import numpy as np
import pytest

from nnunetv2_mstkd.errors import MissingExtraError
from nnunetv2_mstkd.evaluation import distance_map as module
from nnunetv2_mstkd.evaluation.box import Box
from nnunetv2_mstkd.evaluation.distance_map import default_engine, distance_map

ENGINES = ["scipy", "edt"]


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "edt":
        pytest.importorskip("edt")
    return request.param


def brute_force(points, sources, spacing_mm):
    """All distances, and the smallest of each point."""
    difference = (points[:, None] - sources[None]) * np.asarray(spacing_mm)
    return np.sqrt((difference**2).sum(-1)).min(1)


# unequal spacings: a swapped axis order would be seen
@pytest.mark.parametrize("spacing_mm", [(1, 1, 1), (3, 0.9, 0.4), (0.5, 2, 7)])
def test_distances_are_those_to_the_nearest_of_all_points(engine, spacing_mm):
    rng = np.random.default_rng(0)
    box = Box((2, 5, 1), (9, 11, 6))
    everywhere = np.argwhere(np.ones(box.shape)) + box.start
    sources = everywhere[rng.choice(len(everywhere), 6, replace=False)]
    found = distance_map(sources, box, spacing_mm, engine).at(everywhere)
    assert found == pytest.approx(brute_force(everywhere, sources, spacing_mm), rel=1e-6)


def test_the_border_of_the_box_is_no_source(engine):
    box = Box((0, 0, 0), (1, 1, 50))
    found = distance_map(np.array([[0, 0, 0]]), box, (1, 1, 2), engine).at(np.array([[0, 0, 49]]))
    assert found == pytest.approx([98])  # 49 voxels of 2 mm


def test_an_axis_of_one_voxel_has_no_influence_whatever_its_spacing(engine):
    box = Box((0, 0, 0), (1, 9, 9))
    everywhere = np.argwhere(np.ones(box.shape))
    sources = np.array([[0, 0, 3], [0, 8, 8]])
    near, far = (distance_map(sources, box, (z, 0.7, 1.1), engine).at(everywhere) for z in (1.0, 999.0))
    assert (near == far).all()


def test_two_dimensions(engine):
    found = distance_map(np.array([[0, 0]]), Box((0, 0), (5, 5)), (3, 4), engine).at(np.array([[1, 1], [0, 2]]))
    assert found == pytest.approx([5, 8])  # 3-4-5 triangle; 2 voxels of 4 mm


def test_at_1_mm_both_packages_give_the_same_bits():
    pytest.importorskip("edt")
    box = Box((0, 0, 0), (12, 13, 14))
    everywhere = np.argwhere(np.ones(box.shape))
    sources = everywhere[np.random.default_rng(1).choice(len(everywhere), 9, replace=False)]
    scipys, edts = (distance_map(sources, box, (1, 1, 1), engine).at(everywhere) for engine in ENGINES)
    assert (scipys == edts).all()  # squares of whole numbers are exact in float32


def test_edt_is_used_where_it_is_installed(monkeypatch):
    for spec, expected in ((object(), "edt"), (None, "scipy")):
        default_engine.cache_clear()
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name, spec=spec: spec)
        assert default_engine() == expected
    monkeypatch.undo()
    default_engine.cache_clear()


def test_asking_for_edt_without_having_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "edt", None)
    with pytest.raises(MissingExtraError, match=r"nnunetv2_mstkd\[fast\]"):
        distance_map(np.array([[0, 0, 0]]), Box((0, 0, 0), (2, 2, 2)), (1, 1, 1), "edt")
