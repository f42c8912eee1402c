"""Is it more than chance? Intervals and tests of what lesions cost.

The published code has none. Here: permutations over classes or over lesions, bootstrap
intervals, random lesions of as many units as the null, and a correction over domains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from helpers.ground.varying import FLAT, centred
from helpers.lesions.deficits import cost_similarity, rowwise_r

N_RESAMPLES = 4999
"""Permutations, and bootstrap samples; the smallest possible p value is 1 / 5000."""


@dataclass(frozen=True)
class Test:
    """A statistic with its interval and its test.

    Attributes
    ----------
    value, low, high : float
        The statistic and its 95 % bootstrap interval (percentiles).
    p : float
        One-sided p value by permutation.
    n : int
        How many values went in.
    """

    __test__ = False  # pytest takes classes of this name for its own

    value: float
    low: float
    high: float
    p: float
    n: int


UNKNOWN = Test(np.nan, np.nan, np.nan, np.nan, 0)


def correlation(activation: NDArray, cost: NDArray, *, seed: int) -> Test:
    """Correlate, over classes, how strongly units respond with how much accuracy *changes*.

    The published activation-deficit correlation: Pearson r between the selective units' mean
    activation to a class in the intact network and the change of its accuracy (minus the cost).

    Parameters
    ----------
    activation, cost : array, float, shape (n_classes,)
        Classes that are not finite in both are left out.
    seed : int
        Of permutations and bootstrap.

    Returns
    -------
    Test
        A negative value means: the more active, the more impaired. p: one-sided (negative), by
        permuting classes. Unknown for under four classes or where one side is constant.
    """
    finite = np.isfinite(activation) & np.isfinite(cost)
    x, y = np.asarray(activation, float)[finite], -np.asarray(cost, float)[finite]
    if len(x) < 4 or not centred(x).any() or not centred(y).any():
        return UNKNOWN
    rng = np.random.default_rng(seed)
    found = stats.pearsonr(x, y, alternative="less",
                           method=stats.PermutationMethod(n_resamples=N_RESAMPLES, rng=rng))
    rows = rng.integers(len(x), size=(N_RESAMPLES, len(x)))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = rowwise_r(x[rows], y[rows])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Test(float(found.statistic), float(low), float(high), float(found.pvalue), len(x))


def own_domain_effect(cost: NDArray, own: NDArray[np.bool_], *, seed: int) -> Test:
    """Compare the cost for a domain's own classes with that for all others.

    Parameters
    ----------
    cost : array, float, shape (n_classes,)
    own : array, bool, shape (n_classes,)
    seed : int

    Returns
    -------
    Test
        Mean cost of own classes minus mean cost of the others; positive means that the lesion
        hits its own domain more. Interval: classes resampled within both sides. p: one-sided, by
        dealing the domains to classes at random. Unknown with under two classes on either side.
    """
    finite = np.isfinite(cost)
    mine, others = cost[own & finite], cost[~own & finite]
    if min(len(mine), len(others)) < 2:
        return UNKNOWN
    rng = np.random.default_rng(seed)
    tested = stats.permutation_test((mine, others), _difference, vectorized=True,
                                    n_resamples=N_RESAMPLES, alternative="greater", rng=rng)
    interval = stats.bootstrap((mine, others), _difference, vectorized=True, method="percentile",
                               n_resamples=N_RESAMPLES, rng=rng).confidence_interval
    return Test(float(_difference(mine, others)), float(interval.low), float(interval.high),
                float(tested.pvalue), len(mine) + len(others))


def _difference(a: NDArray, b: NDArray, axis: int = -1) -> NDArray:
    return a.mean(axis) - b.mean(axis)


def beyond_random(value: float, drawn: NDArray, *, smaller: bool = False) -> float:
    r"""Test one lesion's statistic against those of random lesions of as many units.

    .. math:: t = \frac{v - \bar d}{s_d \sqrt{1 + 1/n}}, \quad df = n - 1

    the probability that one more random lesion would reach ``value``, if statistics of random
    lesions are normally distributed.

    Parameters
    ----------
    value : float
    drawn : array, float, shape (n_random,)
        Those that are not finite are left out.
    smaller : bool
        Whether small values are the extreme ones.

    Returns
    -------
    float
        One-sided p value; NaN with under two random lesions.
    """
    drawn = np.asarray(drawn, float)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2 or not np.isfinite(value):
        return float("nan")
    distance = (drawn.mean() - value) if smaller else (value - drawn.mean())
    if not centred(drawn).any():
        return 0.0 if distance > FLAT * abs(value) else 1.0
    spread = drawn.std(ddof=1) * np.sqrt(1 + 1 / len(drawn))
    return float(stats.t.sf(distance / spread, len(drawn) - 1))


def own_lesion_effect(hits: NDArray[np.bool_], own: int, *, seed: int) -> Test:
    """Ask, picture by picture, whether the own lesion costs a probe set more than the others do.

    Parameters
    ----------
    hits : array, bool, shape (n_lesions, n_images)
        Recognition, under each lesion, of the half-B pictures of one lesion's probe set.
    own : int
        Row of that lesion.
    seed : int

    Returns
    -------
    Test
        Mean over pictures of (other lesions' hits, averaged) - (own lesion's hit); positive means
        that the own lesion costs more. p: one-sided, dealing the lesions' names anew for every
        picture. It speaks of other pictures of these classes, not of other classes.
    """
    n_lesions, n_images = hits.shape
    if n_images < 2 or n_lesions < 2:
        return UNKNOWN
    hits = hits.astype(float)
    gains = (hits.sum(0) - hits) / (n_lesions - 1) - hits
    rng = np.random.default_rng(seed)
    names = rng.integers(n_lesions, size=(N_RESAMPLES, n_images))
    null = gains[names, np.arange(n_images)].mean(1)
    value = gains[own].mean()
    p = (1 + np.sum(null >= value - 1e-12)) / (1 + N_RESAMPLES)
    drawn = gains[own][rng.integers(n_images, size=(N_RESAMPLES, n_images))].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Test(float(value), float(low), float(high), float(p), n_images)


def mean_similarity(cost: NDArray, *, seed: int) -> Test:
    """Average the correlations between all pairs of cost profiles, classes resampled.

    Parameters
    ----------
    cost : array, float, shape (n_lesions, n_classes)
        Classes that are not finite for every lesion are left out, and so are lesions that cost
        every class the same.
    seed : int

    Returns
    -------
    Test
        Mean r over pairs with its bootstrap interval over classes; no p. Unknown for under four
        classes.
    """
    cost = cost[:, np.isfinite(cost).all(0)]
    n_classes = cost.shape[1]
    if n_classes < 4:
        return UNKNOWN
    above = np.triu_indices(len(cost), 1)
    rows = np.random.default_rng(seed).integers(n_classes, size=(N_RESAMPLES, n_classes))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = [np.nanmean(cost_similarity(cost[:, chosen])[above]) for chosen in rows]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Test(float(np.nanmean(cost_similarity(cost)[above])), float(low), float(high), np.nan,
                n_classes)
