"""Percentile intervals of a bootstrap and p values of permutations, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from helpers.core.intervals import percentile_interval, permutation_p


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
