"""Intervals and p values of permutations, against NumPy, SciPy and the published formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from helpers.core.errors import LabError
from helpers.core.intervals import (
    compare_with_draws,
    difference_interval,
    mean_interval,
    percentile_interval,
    permutation_p,
    proportion_interval,
)
from helpers.core.statistics import confidence_interval


def test_the_percentile_interval_is_numpys_and_leaves_undefined_resamples_out():
    resampled = np.random.default_rng(0).normal(size=(500, 3))
    low, high = percentile_interval(resampled)
    np.testing.assert_array_equal([low, high], np.percentile(resampled, [2.5, 97.5], axis=0))
    with_gaps = np.concatenate([resampled, np.full((7, 3), np.nan)])
    np.testing.assert_array_equal(percentile_interval(with_gaps), [low, high])


def test_without_any_defined_resample_the_interval_is_undefined():
    assert np.isnan(percentile_interval(np.full(9, np.nan))).all()
    assert np.isnan(percentile_interval(np.full((9, 2), np.nan))).all()


def test_the_p_value_is_scipys_one_sided_permutation_test():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.8, 1, 6), rng.normal(size=6)
    found = stats.permutation_test((x, y), lambda a, b, axis=-1: a.mean(axis) - b.mean(axis),
                                   vectorized=True, n_resamples=199, alternative="greater", rng=2)
    p = permutation_p(found.statistic, found.null_distribution, rounding=1e-12)
    assert p == pytest.approx(found.pvalue)


def test_one_observed_value_for_each_column_of_the_null():
    null = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    np.testing.assert_allclose(permutation_p(np.array([2.5, 8.0]), null), [2 / 4, 1 / 4])


def test_what_rounding_alone_makes_smaller_counts_as_equal():
    null = np.array([1.0 - 1e-15, 0.5])
    assert permutation_p(1.0, null) == 1 / 3
    assert permutation_p(1.0, null, rounding=1e-12) == 2 / 3


def test_ties_count_and_an_undefined_statistic_has_no_p_value():
    null = np.array([[1.0, 5.0], [2.0, 6.0], [2.0, 7.0]])
    p = permutation_p(2.0, null[:, 0])
    assert p == 3 / 4 and isinstance(p, float), "a number, not an array without dimensions"
    np.testing.assert_array_equal(permutation_p(np.array([2.0, np.nan]), null), [3 / 4, np.nan])
    assert np.isnan(permutation_p(np.nan, null[:, 0]))


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (40, 90)])
def test_a_proportion_has_the_limits_at_which_a_test_would_just_reject_it(k, n):
    low, high = proportion_interval(k, n)
    assert low == 0 if k == 0 else stats.binom.sf(k - 1, n, low) == pytest.approx(0.025)
    assert high == 1 if k == n else stats.binom.cdf(k, n, high) == pytest.approx(0.025)


def test_a_difference_of_proportions_is_newcombes_example_by_hand():
    """Wilson's limits by their formula; 56 of 70 and 48 of 80, as in the paper's table."""
    def wilson(k, n):
        z = stats.norm.ppf(0.975)
        centre, width = k + z**2 / 2, z * np.sqrt(k * (n - k) / n + z**2 / 4)
        return (centre - width) / (n + z**2), (centre + width) / (n + z**2)

    for scale in (1.0, 0.5):
        difference, low, high = difference_interval(56, 70, 48, 80, scale)
        (low_1, high_1), (low_2, high_2) = wilson(56, 70), wilson(48, 80)
        assert difference == pytest.approx(0.8 - scale * 0.6)
        assert low == pytest.approx(difference - np.hypot(0.8 - low_1, scale * (high_2 - 0.6)))
        assert high == pytest.approx(difference + np.hypot(high_1 - 0.8, scale * (0.6 - low_2)))
    np.testing.assert_allclose(difference_interval(56, 70, 48, 80)[1:], [0.0524, 0.3339], atol=1e-4)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_a_statistic_is_compared_with_one_more_draw(level):
    """The prediction interval of a normal sample, as scipy's t gives it."""
    null = np.array([0.3, -0.2, 0.9, 0.1, np.nan, np.inf])
    draws, found = null[:4], compare_with_draws(2.0, null, level)
    spread = draws.std(ddof=1) * np.sqrt(1 + 1 / 4)
    expected = stats.t.interval(level, 3, loc=2.0 - draws.mean(), scale=spread)
    np.testing.assert_allclose(found, [2.0 - draws.mean(), *expected])
    for value, few in ((2.0, null[:1]), (np.nan, draws), (np.inf, draws)):
        assert np.isnan(compare_with_draws(value, few)).all()
    assert np.isfinite(compare_with_draws(2.0, null[:2])).all()


def test_rows_with_gaps_are_left_out_of_a_mean():
    table = np.array([[1.0, 2.0], [3.0, np.nan], [2.0, 5.0], [4.0, 4.0]])
    whole = table[[0, 2, 3]]
    assert mean_interval(table) == (3.0, *confidence_interval(whole))
    assert mean_interval(table[:, 0]) == (2.5, *confidence_interval(table[:, 0]))
    assert np.isnan(mean_interval(np.zeros((0, 3)))).all() and np.isnan(mean_interval([])).all()
    assert mean_interval([5.0])[0] == 5 and np.isnan(mean_interval([5.0])[1:]).all()
    shared = np.arange(12.0).reshape(4, 3) ** 2
    assert mean_interval(shared, crossed=True) == (
        shared.mean(), *confidence_interval(shared, crossed=True))


@pytest.mark.parametrize("k, n", [(-1, 3), (4, 3), (0.5, 0)])
def test_what_is_no_count_is_refused(k, n):
    for call in (lambda: proportion_interval(k, n), lambda: difference_interval(k, n, 1, 2),
                 lambda: difference_interval(1, 2, k, n)):
        with pytest.raises(LabError, match=f"{k} of {n}"):
            call()
