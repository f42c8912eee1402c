"""Intervals and tests of deficits.

The published code has none. Here: permutations over classes or over lesions, bootstrap
intervals, and random lesions of as many units as the null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from helpers.core.constant_values import CONSTANT_TOLERANCE, subtract_mean
from helpers.core.intervals import percentile_interval, permutation_p
from helpers.lesions.deficits import deficit_correlations, pearson_r_rows

N_RESAMPLES = 4999
"""Permutations, and bootstrap samples; the smallest possible p value is 1 / 5000."""


@dataclass(frozen=True)
class TestResult:
    """A statistic with its interval and its test.

    Attributes
    ----------
    value, low, high : float
        The statistic and its 95 % bootstrap interval (percentiles).
    p : float
        One-sided p value by permutation.
    n : int
        Number of classes or images.
    """

    __test__ = False  # else pytest would collect a class of this name

    value: float
    low: float
    high: float
    p: float
    n: int


UNDEFINED = TestResult(np.nan, np.nan, np.nan, np.nan, 0)


def _bootstrap_result(value: float, samples: NDArray, p: float, n: int) -> TestResult:
    low, high = percentile_interval(samples)
    return TestResult(float(value), float(low), float(high), float(p), n)


def activation_deficit_correlation(activation: NDArray, deficit: NDArray, *,
                                   seed: int) -> TestResult:
    """Compute the published activation-deficit correlation.

    Pearson r, over classes, between the selective units' mean activation to a class in the intact
    network and the *change* of its accuracy (minus the deficit).

    Parameters
    ----------
    activation, deficit : array, float, shape (n_classes,)
        Classes that are not finite in both are left out.
    seed : int
        Of permutations and bootstrap.

    Returns
    -------
    TestResult
        A negative value means: the more active, the more impaired. p: one-sided (negative), by
        permuting classes. Undefined for fewer than four classes or where one side is constant.
    """
    finite = np.isfinite(activation) & np.isfinite(deficit)
    x, y = np.asarray(activation, float)[finite], -np.asarray(deficit, float)[finite]
    if len(x) < 4 or not subtract_mean(x).any() or not subtract_mean(y).any():
        return UNDEFINED
    rng = np.random.default_rng(seed)
    pearson = stats.pearsonr(x, y, alternative="less",
                             method=stats.PermutationMethod(n_resamples=N_RESAMPLES, rng=rng))
    bootstrap_idx = rng.integers(len(x), size=(N_RESAMPLES, len(x)))
    samples = pearson_r_rows(x[bootstrap_idx], y[bootstrap_idx])
    return _bootstrap_result(pearson.statistic, samples, pearson.pvalue, len(x))


def compare_own_and_other_classes(deficit: NDArray, own: NDArray[np.bool_], *,
                                  seed: int) -> TestResult:
    """Compare the mean deficit of a domain's own classes with that of all others.

    Parameters
    ----------
    deficit : array, float, shape (n_classes,)
    own : array, bool, shape (n_classes,)
    seed : int

    Returns
    -------
    TestResult
        Mean deficit of own classes minus that of the others; positive means that the lesion impairs
        its own domain more. Interval: classes resampled within both sides. p: one-sided, by
        permuting classes between the sides. Undefined for fewer than two classes on either side.
    """
    finite = np.isfinite(deficit)
    sides = deficit[own & finite], deficit[~own & finite]
    if min(map(len, sides)) < 2:
        return UNDEFINED
    options = {"vectorized": True, "n_resamples": N_RESAMPLES, "rng": np.random.default_rng(seed)}
    permutation = stats.permutation_test(sides, _difference, alternative="greater", **options)
    low, high = stats.bootstrap(sides, _difference, method="percentile",
                                **options).confidence_interval
    return TestResult(float(_difference(*sides)), float(low), float(high),
                      float(permutation.pvalue), int(finite.sum()))


def _difference(a: NDArray, b: NDArray, axis: int = -1) -> NDArray:
    return a.mean(axis) - b.mean(axis)


def p_against_random_lesions(value: float, samples: NDArray) -> float:
    r"""Test one lesion's statistic against those of random lesions of as many units.

    .. math:: t = \frac{v - \bar d}{s_d \sqrt{1 + 1/n}}, \quad df = n - 1

    gives the probability that one more random lesion would reach ``value``, if statistics of
    random lesions are normally distributed.

    Parameters
    ----------
    value : float
    samples : array, float, shape (n_random,)
        Those that are not finite are left out.

    Returns
    -------
    float
        One-sided p value; NaN for fewer than two random lesions.
    """
    samples = np.asarray(samples, float)
    samples = samples[np.isfinite(samples)]
    if len(samples) < 2 or not np.isfinite(value):
        return float("nan")
    difference = value - samples.mean()
    if not subtract_mean(samples).any():
        return 0.0 if difference > CONSTANT_TOLERANCE * abs(value) else 1.0
    scale = samples.std(ddof=1) * np.sqrt(1 + 1 / len(samples))
    return float(stats.t.sf(difference / scale, len(samples) - 1))


def compare_own_and_other_lesions(correct: NDArray[np.bool_], own: int, *, seed: int) -> TestResult:
    """Compare, image by image, a probe set's recognition after its own and after other lesions.

    Parameters
    ----------
    correct : array, bool, shape (n_lesions, n_images)
        Recognition, under each lesion, of the half-B images of one lesion's probe set.
    own : int
        Row of that lesion.
    seed : int

    Returns
    -------
    TestResult
        Mean over images of accuracy after the other lesions minus accuracy after the own one;
        positive means that the own lesion impairs more. p: one-sided, by permuting the lesions
        within every image. It generalises to other images of these classes, not to other classes.
    """
    n_lesions, n_images = correct.shape
    if n_images < 2 or n_lesions < 2:
        return UNDEFINED
    correct = correct.astype(float)
    excess_deficit = (correct.sum(0) - correct) / (n_lesions - 1) - correct
    rng = np.random.default_rng(seed)
    lesion_idx = rng.integers(n_lesions, size=(N_RESAMPLES, n_images))
    null = excess_deficit[lesion_idx, np.arange(n_images)].mean(1)
    value = excess_deficit[own].mean()
    p = permutation_p(value, null, rounding=1e-12)
    samples = excess_deficit[own][rng.integers(n_images, size=(N_RESAMPLES, n_images))].mean(1)
    return _bootstrap_result(value, samples, p, n_images)


def mean_deficit_correlation(deficit: NDArray, *, seed: int) -> TestResult:
    """Average the correlations between all pairs of deficit profiles.

    Parameters
    ----------
    deficit : array, float, shape (n_lesions, n_classes)
        Classes that are not finite for every lesion are left out, and so are lesions with the
        same deficit in every class.
    seed : int

    Returns
    -------
    TestResult
        Mean r over pairs with its bootstrap interval over classes; no p. Undefined for fewer than
        four classes.
    """
    deficit = deficit[:, np.isfinite(deficit).all(0)]
    n_classes = deficit.shape[1]
    if n_classes < 4:
        return UNDEFINED
    upper_triangle = np.triu_indices(len(deficit), 1)
    bootstrap_idx = np.random.default_rng(seed).integers(n_classes, size=(N_RESAMPLES, n_classes))
    samples = [np.nanmean(deficit_correlations(deficit[:, idx])[upper_triangle])
               for idx in bootstrap_idx]
    mean = np.nanmean(deficit_correlations(deficit)[upper_triangle])
    return _bootstrap_result(mean, samples, np.nan, n_classes)
