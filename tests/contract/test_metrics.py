"""What every metric promises: agreement with other implementations, and properties that hold for any pair of masks.

The empty masks' policies have their table in tests/unit/evaluation/test_metrics.py.
"""

import itertools
from math import floor, isnan

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunetv2_mstkd.evaluation.empty_policy import POLICIES
from nnunetv2_mstkd.evaluation.metrics import METRICS, metric_value
from nnunetv2_mstkd.evaluation.reference import Reference

ENGINES = ("scipy", "edt")
SPACINGS_MM = ((1.0, 1.0, 1.0), (3.0, 0.7, 0.9), (0.5, 2.0, 1.3))
TOLERANCE_MM = 1.45  # no distance on these grids is as large as this, give or take a rounding
SHARES = ("dice", "iou", "sensitivity", "precision", "nsd")


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "edt":
        pytest.importorskip("edt")
    return request.param


# --- Pairs of masks ---------------------------------------------------------------------------------------------------


def blobs(seed, shape=(30, 34, 38)):
    """Two lumpy masks that overlap in part, clear of the border."""
    rng = np.random.default_rng(seed)
    first, second, common = (ndimage.gaussian_filter(rng.normal(size=shape), 3) for _ in range(3))
    pair = [noise / noise.std() + common / common.std() > 0.9 for noise in (first, second)]
    for mask in pair:
        for axis in range(3):
            np.moveaxis(mask, axis, 0)[[0, -1]] = False
    return pair


@st.composite
def random_pairs(draw):
    """Two small masks of any density, now and then empty, full or a single voxel, with a spacing."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = [rng.random(shape) < draw(st.sampled_from([0, 0.03, 0.3, 0.8, 1])) for _ in range(2)]
    return masks[0], masks[1], draw(st.sampled_from(SPACINGS_MM))


# --- Reference 1: loops over voxels ----------------------------------------------------------------------------------


def surface(mask):
    """Voxels with a neighbour outside; axes of one voxel are no dimensions."""
    found = []
    axes = [axis for axis in range(3) if mask.shape[axis] > 1]
    for voxel in zip(*np.nonzero(mask), strict=True):
        for axis, step in itertools.product(axes, (-1, 1)):
            other = list(voxel)
            other[axis] += step
            if not 0 <= other[axis] < mask.shape[axis] or not mask[tuple(other)]:
                found.append(voxel)
                break
        if not axes:
            found.append(voxel)
    return found


def nearest(points, others, spacing_mm):
    """The distance of each point to the nearest of the others."""
    return [min(sum(((a - b) * mm) ** 2 for a, b, mm in zip(p, q, spacing_mm, strict=True)) for q in others) ** 0.5
            for p in points]  # fmt: skip


def percentile_95(values):
    """Between the two values around 95 % of the way from the first to the last, by a straight line."""
    ordered = sorted(values)
    position = 0.95 * (len(ordered) - 1)
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def by_loops(reference, prediction, spacing_mm):
    """All metrics of two masks that are not empty."""
    pairs = list(zip(reference.ravel().tolist(), prediction.ravel().tolist(), strict=True))
    tp, fp, fn = (sum(pair == which for pair in pairs) for which in ((True, True), (False, True), (True, False)))
    there, back = surface(reference), surface(prediction)
    d_there, d_back = nearest(there, back, spacing_mm), nearest(back, there, spacing_mm)
    return {
        "dice": 2 * tp / (2 * tp + fp + fn),
        "iou": tp / (tp + fp + fn),
        "sensitivity": tp / (tp + fn),
        "precision": tp / (tp + fp),
        "hd95": max(percentile_95(d_there), percentile_95(d_back)),
        "hd95_pooled": percentile_95(d_there + d_back),  # as medpy
        "nsd": sum(d <= TOLERANCE_MM for d in d_there + d_back) / len(d_there + d_back),
        "volume_difference_ml": (fp - fn) * spacing_mm[0] * spacing_mm[1] * spacing_mm[2] / 1000,
    }


def measured(reference, prediction, spacing_mm, engine="scipy", policy="brats"):
    facts = Reference(reference, spacing_mm, tolerance_mm=TOLERANCE_MM, engine=engine).compare(prediction)
    return {name: metric_value(facts, name, policy) for name, metric in METRICS.items() if not metric.is_lesion_wise}


@settings(max_examples=60, deadline=None)
@given(pair=random_pairs())
@pytest.mark.parametrize("engine_name", ENGINES)
def test_every_metric_is_what_loops_over_all_voxels_find(engine_name, pair):
    if engine_name == "edt":
        pytest.importorskip("edt")
    reference, prediction, spacing_mm = pair
    if reference.any() and prediction.any():
        found = measured(reference, prediction, spacing_mm, engine_name)
        assert found == pytest.approx(by_loops(reference, prediction, spacing_mm), rel=1e-6)


# --- Reference 2: SimpleITK ------------------------------------------------------------------------------------------


def itk_surface_distances(first, second, spacing_mm):
    """Distances from the contour of one mask to the contour of the other."""
    images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (first, second)]
    for image in images:
        image.SetSpacing(spacing_mm[::-1])  # x, y, z
    contours = [SimpleITK.LabelContour(image, fullyConnected=False) for image in images]
    distances = SimpleITK.SignedMaurerDistanceMap(contours[1], squaredDistance=False, useImageSpacing=True)
    return np.abs(SimpleITK.GetArrayFromImage(distances))[SimpleITK.GetArrayFromImage(contours[0]) > 0]


@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
def test_itk_agrees(engine, spacing_mm):
    reference, prediction = blobs(0)
    found = measured(reference, prediction, spacing_mm, engine)
    there = itk_surface_distances(reference, prediction, spacing_mm)
    back = itk_surface_distances(prediction, reference, spacing_mm)
    both = np.concatenate([there, back])
    assert found["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-5)
    assert found["hd95_pooled"] == pytest.approx(np.percentile(both, 95), rel=1e-5)
    assert found["nsd"] == pytest.approx((both <= TOLERANCE_MM).mean())
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, reference)))
    assert found["dice"] == pytest.approx(overlap.GetDiceCoefficient())
    assert found["iou"] == pytest.approx(overlap.GetJaccardCoefficient())
    assert found["sensitivity"] == pytest.approx(1 - overlap.GetFalseNegativeError())
    assert found["precision"] == pytest.approx(1 - overlap.GetFalseDiscoveryRate())


# --- Reference 3: MONAI ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*get_mask_edges:FutureWarning")  # it warns of its own call
@pytest.mark.parametrize("spacing_mm", SPACINGS_MM)
@pytest.mark.parametrize("at_border", [False, True])
def test_monai_agrees(engine, spacing_mm, at_border):
    torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    reference, prediction = blobs(1)
    if at_border:
        reference, prediction = (mask[8:20, 8:24, 10:25].copy() for mask in (reference, prediction))
        assert all(mask[0].any() and mask[:, -1].any() for mask in (reference, prediction))
    found = measured(reference, prediction, spacing_mm, engine)
    theirs = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]  # (B, C, z, y, x)
    hd95 = metrics.compute_hausdorff_distance(*theirs, include_background=True, percentile=95, spacing=spacing_mm)
    nsd = metrics.compute_surface_dice(*theirs, [TOLERANCE_MM], include_background=True, spacing=spacing_mm)
    assert found["hd95"] == pytest.approx(hd95.item(), rel=1e-5)
    assert found["nsd"] == pytest.approx(nsd.item(), rel=1e-5)
    assert found["dice"] == pytest.approx(metrics.compute_dice(*theirs, include_background=True).item(), rel=1e-5)


# --- Shapes with a known answer --------------------------------------------------------------------------------------


def ball(radius_mm, spacing_mm, shape=(48, 48, 48), offset_mm=(0, 0, 0)):
    axes = [(np.arange(n) - n // 2) * mm - o for n, mm, o in zip(shape, spacing_mm, offset_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return z**2 + y**2 + x**2 <= radius_mm**2


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 0.9, 0.9)])
def test_concentric_balls_are_as_far_apart_as_their_radii(engine, spacing_mm):
    inner, outer = ball(9, spacing_mm), ball(15, spacing_mm)
    found = measured(outer, inner, spacing_mm, engine)
    assert found["hd95"] == pytest.approx(6, abs=max(spacing_mm))  # surfaces are as rough as their voxels
    assert found["precision"] == 1.0
    assert found["sensitivity"] == pytest.approx(0.6**3, rel=0.05)  # ratio of the volumes
    volume_ml = 4 / 3 * np.pi * (9**3 - 15**3) / 1000
    assert found["volume_difference_ml"] == pytest.approx(volume_ml, rel=0.05)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_cube(engine, axis):
    spacing_mm = (3.0, 0.7, 1.1)
    cube = np.zeros((30, 30, 30), bool)
    cube[5:15, 5:15, 5:15] = True
    found = measured(cube, np.roll(cube, 4, axis), spacing_mm, engine)
    assert found["dice"] == pytest.approx(0.6)  # 6 of 10 layers are common
    assert found["iou"] == pytest.approx(600 / 1400)
    # All 100 voxels of the cap that sticks out are 4 layers from the other cube's nearest face, and none is further:
    # they are more than 5 % of the cube's 488 surface voxels, and so it is the other way round.
    assert found["hd95"] == pytest.approx(4 * spacing_mm[axis])
    assert found["hd95_pooled"] == pytest.approx(4 * spacing_mm[axis])


# --- Properties ------------------------------------------------------------------------------------------------------


def same(found, expected):
    return all(
        isnan(found[name]) if isnan(value) else found[name] == pytest.approx(value, rel=1e-6)
        for name, value in expected.items()
    )


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs(), policy=st.sampled_from(sorted(POLICIES)))
def test_exchanging_the_masks_exchanges_what_it_should_and_nothing_else(pair, policy):
    reference, prediction, spacing_mm = pair
    there = measured(reference, prediction, spacing_mm, policy=policy)
    back = measured(prediction, reference, spacing_mm, policy=policy)
    back["sensitivity"], back["precision"] = back["precision"], back["sensitivity"]
    back["volume_difference_ml"] *= -1
    assert same(there, back)


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs(), order=st.permutations(range(3)), flips=st.sets(st.integers(0, 2)))
def test_turning_and_flipping_a_volume_changes_nothing(pair, order, flips):
    reference, prediction, spacing_mm = pair
    turned = [np.flip(mask, tuple(flips)).transpose(order) for mask in (reference, prediction)]
    assert same(
        measured(*turned, tuple(spacing_mm[axis] for axis in order)), measured(reference, prediction, spacing_mm)
    )


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs(), widths=st.tuples(*[st.tuples(st.integers(1, 4), st.integers(1, 4))] * 3))
def test_empty_space_around_changes_nothing(pair, widths):
    # an axis of one voxel becomes one of several, and counts: so let it be padded on both sides
    padded = [np.pad(mask, 1) for mask in pair[:2]]
    more = [np.pad(mask, widths) for mask in padded]
    assert same(measured(*more, pair[2]), measured(*padded, pair[2]))


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs(), factor=st.sampled_from([0.5, 2.0, 4.0]))
def test_distances_scale_with_the_spacing(pair, factor):
    reference, prediction, spacing_mm = pair
    if reference.any() and prediction.any():
        small = measured(reference, prediction, spacing_mm)
        large = measured(reference, prediction, tuple(mm * factor for mm in spacing_mm))
        assert large["hd95"] == pytest.approx(factor * small["hd95"])
        assert large["hd95_pooled"] == pytest.approx(factor * small["hd95_pooled"])
        assert large["dice"] == small["dice"]


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs())
def test_bounds(pair):
    found = measured(*pair)
    assert all(0 <= found[name] <= 1 for name in SHARES)
    assert min(found["hd95"], found["hd95_pooled"]) >= 0
    assert found["iou"] <= found["dice"]


@settings(max_examples=40, deadline=None)
@given(pair=random_pairs())
def test_a_prediction_equal_to_the_reference_is_perfect(pair):
    perfect = measured(pair[0], pair[0].copy(), pair[2])
    assert [perfect[name] for name in SHARES] == [1.0] * len(SHARES)
    assert perfect["hd95"] == perfect["hd95_pooled"] == perfect["volume_difference_ml"] == 0


@settings(max_examples=20, deadline=None)
@given(pairs=st.lists(random_pairs(), min_size=2, max_size=2), spacing_mm=st.sampled_from(SPACINGS_MM))
def test_the_memory_of_a_reference_has_no_influence(pairs, spacing_mm):
    reference = pairs[0][0]
    predictions = [pairs[0][1], np.zeros_like(reference), np.ones_like(reference), reference, pairs[0][1]]
    shared = Reference(reference, spacing_mm, lesion_wise=True)
    fresh = [Reference(reference, spacing_mm, lesion_wise=True).compare(p) for p in predictions]
    assert [shared.compare(p) for p in predictions] == fresh


def test_false_positives_all_over_the_volume_are_measured_exactly(engine):
    """The reference's map must grow to the whole volume; scipy's transform of that whole volume is the reference."""
    spacing_mm = (2.0, 1.0, 1.0)
    reference, prediction = np.zeros((40, 60, 60), bool), np.random.default_rng(0).random((40, 60, 60)) < 0.01
    reference[18:23, 28:34, 28:34] = True
    found = measured(reference, prediction, spacing_mm, engine)
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (reference, prediction)]
    maps = [ndimage.distance_transform_edt(~surface_, sampling=spacing_mm) for surface_ in surfaces]
    there, back = maps[1][surfaces[0]], maps[0][surfaces[1]]
    assert found["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-6)
    assert found["hd95"] > 40  # mm: it is indeed far
