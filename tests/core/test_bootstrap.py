"""Weights of bootstrap samples within groups, and the interval around the statistic."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.core.bootstrap import bootstrap_interval, draw_weights


def test_every_sample_holds_as_many_of_each_group_as_there_are():
    labels = np.array([0, 2, 0, 2, 2, 0, 0])
    weights = draw_weights(labels, seed=0, n_resamples=500)
    assert weights.shape == (500, 7)
    for group, n in ((0, 4), (2, 3)):
        assert (weights[:, labels == group].sum(1) == n).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.15)
    np.testing.assert_array_equal(weights, draw_weights(labels, seed=0, n_resamples=500))


def test_the_interval_of_a_mean_is_the_one_of_its_standard_error():
    values = np.random.default_rng(1).normal(3, 2, size=200)
    weights = draw_weights(np.zeros(200, int), seed=0)
    value, low, high = bootstrap_interval(values.mean(), weights @ values / 200)
    assert value == values.mean() == pytest.approx((low + high) / 2)
    assert high - value == pytest.approx(1.96 * values.std(ddof=1) / np.sqrt(200), rel=0.08)
