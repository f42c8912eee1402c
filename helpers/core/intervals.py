"""Confidence intervals of what is not a plain mean, and p values of permutation tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from helpers.core.errors import LabError
from helpers.core.statistics import confidence_interval


def proportion_interval(k: int, n: int, alpha: float = 0.05,
                        method: str = "beta") -> tuple[float, float]:
    """Return an interval of a proportion, of 95 % if not said otherwise; NaN for none.

    Parameters
    ----------
    k, n : int
        How many of how many.
    alpha : float
        One minus the coverage: .05 over the number of intervals, of which all are to hold.
    method : str
        As of ``statsmodels.stats.proportion.proportion_confint``: "beta" is the exact binomial
        interval (Clopper-Pearson), "wilson" is Wilson's.

    Raises
    ------
    LabError
        If k is no number of things among n.
    """
    from statsmodels.stats.proportion import proportion_confint  # late: it loads scipy.stats

    if not 0 <= k <= n:
        raise LabError(f"{k} of {n}", expected="a count from 0 to the number of all",
                       remedy="pass how many there are, not a proportion")
    if not n:
        return np.nan, np.nan
    low, high = proportion_confint(k, n, alpha, method)
    return float(low), float(high)


def difference_interval(k: int, n: int, k_other: int, n_other: int,
                        scale: float = 1.0) -> tuple[float, float, float]:
    """Return ``k / n - scale * k_other / n_other`` and its 95 % interval; NaN for none.

    Newcombe's method 10 (1998, Statistics in Medicine 17): Wilson's limits, squared and added.

    Raises
    ------
    LabError
        If a k is no number of things among n.
    """
    low, high = proportion_interval(k, n, method="wilson")
    low_other, high_other = proportion_interval(k_other, n_other, method="wilson")
    if not n or not n_other:
        return np.nan, np.nan, np.nan
    one, other = k / n, k_other / n_other
    difference = one - scale * other
    return (difference, float(difference - np.hypot(one - low, scale * (high_other - other))),
            float(difference + np.hypot(high - one, scale * (other - low_other))))


def percentile_interval(resampled: NDArray) -> tuple[NDArray, NDArray]:
    """Return the 95 % percentile interval of a bootstrap.

    Parameters
    ----------
    resampled : array, float, shape (n_resamples, ...)
        The statistic of every resample; NaN where it is undefined, left out.

    Returns
    -------
    low, high : array, float64, shape (...)
        NaN where no resample has a value.
    """
    resampled = np.asarray(resampled, float)
    if not np.isfinite(resampled).any():
        return np.full(resampled.shape[1:], np.nan), np.full(resampled.shape[1:], np.nan)
    low, high = np.nanpercentile(resampled, [2.5, 97.5], axis=0)
    return low, high


def permutation_p(observed: float | NDArray, null: NDArray, *,
                  rounding: float = 0.0) -> float | NDArray:
    r"""Return the one-sided p value of a permutation test.

    .. math:: p = (1 + \#\{null \ge observed\}) / (1 + n)

    Parameters
    ----------
    observed : float, or array, shape (...)
    null : array, float, shape (n_permutations, ...)
    rounding : float
        Values of the null that are smaller by no more than this count as equal.

    Returns
    -------
    float, or array, shape (...)
        NaN where the observed statistic is: no comparison with it would be true, and p least.
    """
    p = (1 + (np.asarray(null) >= observed - rounding).sum(0)) / (1 + len(null))
    undefined = np.isnan(observed)
    return np.where(undefined, np.nan, p) if np.any(undefined) else p


def compare_with_draws(value: float, null_values: NDArray,
                       level: float = 0.95) -> tuple[float, float, float]:
    r"""Compare a statistic with the same statistic of random draws.

    .. math:: v - \bar d \pm t_{n-1} s_d \sqrt{1 + 1/n}

    the interval of the statistic minus one more random draw, if these are normally distributed.

    Returns
    -------
    difference, low, high : float
        From the draws' mean; NaN for fewer than two draws.
    """
    null_values = np.asarray(null_values, float)
    null_values = null_values[np.isfinite(null_values)]
    if len(null_values) < 2 or not np.isfinite(value):
        return np.nan, np.nan, np.nan
    half_width = special.stdtrit(len(null_values) - 1,
                                 (1 + level) / 2) * null_values.std(ddof=1) * np.sqrt(
        1 + 1 / len(null_values))
    difference = float(value - null_values.mean())
    return difference, difference - float(half_width), difference + float(half_width)


def mean_interval(values: NDArray, *, crossed: bool = False) -> tuple[float, float, float]:
    """Return a mean and its `confidence_interval`; rows with NaN are left out."""
    table = np.asarray(values, float)
    table = table.reshape(len(table), -1 if table.size else 1)
    table = table[np.isfinite(table).all(1)]
    return (float(table.mean()) if len(table) else np.nan,
            *confidence_interval(table, crossed=crossed))
