"""BCa intervals, against scipy.stats.bootstrap."""

import warnings

import numpy as np
import pytest
from scipy import stats

from nnunetv2_mstkd.evaluation.bootstrap import SEED, bootstrap_means

RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.normal(0.1, 1, 40),
    "skewed": RNG.lognormal(0, 1, 25),
    "penalised": np.append(RNG.normal(-2, 3, 19), 373.13),
    "few": RNG.normal(0, 1, 8),
    "half zeros": np.append(np.zeros(15), RNG.normal(1, 1, 15)),
}


def scipys(values, resamples):
    rng = np.random.default_rng(SEED)
    found = stats.bootstrap((values,), np.mean, n_resamples=resamples, method="BCa", rng=rng, vectorized=True)
    return [found.confidence_interval.low, found.confidence_interval.high]


@pytest.mark.parametrize("name", SAMPLES)
def test_intervals_are_scipys(name):
    # the same seed draws the same patients, so only rounding and its ties are left
    values = SAMPLES[name]
    found = bootstrap_means(values[None], resamples=1999)[0]
    assert found == pytest.approx(scipys(values, 1999), abs=5e-3 * np.ptp(values) / np.sqrt(len(values)))


def test_rows_do_not_disturb_each_other():
    rows = RNG.normal(0, 1, (6, 20)) * 10.0 ** np.arange(6)[:, None]
    alone = np.stack([bootstrap_means(row[None], resamples=999)[0] for row in rows])
    assert bootstrap_means(rows, resamples=999) == pytest.approx(alone, rel=1e-9)


def test_nan_is_a_patient_less():
    values = RNG.normal(0, 1, 20)
    gaps = np.insert(values, [3, 11], np.nan)
    rows = np.stack([gaps, np.arange(22.0)])
    assert bootstrap_means(rows, resamples=999)[0] == pytest.approx(bootstrap_means(values[None], resamples=999)[0])


@pytest.mark.parametrize("value", [0.0, -0.3, 1e6, 1 / 3])
def test_equal_values_give_an_interval_of_that_value_without_a_warning(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap_means(np.full((2, 7), value))[1] == pytest.approx([value, value], rel=1e-12)


@pytest.mark.parametrize("row", [[np.nan, np.nan, np.nan], [np.nan, 1.0, np.nan]])
def test_less_than_two_patients_have_no_interval(row):
    assert np.isnan(bootstrap_means([row])).all()


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 373.13], [-1.0, 0.0, 1.0]])
def test_a_handful_of_patients_gives_a_finite_interval_about_the_mean(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = bootstrap_means([values])[0]
    assert min(values) <= low <= np.mean(values) <= high <= max(values)


def test_the_seed_decides():
    values = RNG.normal(0, 1, (1, 15))
    assert (bootstrap_means(values) == bootstrap_means(values)).all()
    assert (bootstrap_means(values) != bootstrap_means(values, seed=1)).any()


def test_shift_and_scale_carry_over():
    values = RNG.lognormal(0, 1, (1, 15))
    assert bootstrap_means(3 * values + 100) == pytest.approx(3 * bootstrap_means(values) + 100, rel=1e-6)
