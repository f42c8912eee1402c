"""Representational dissimilarity matrices (RDMs), and correlations between two of them.

Inputs are arrays of conditions x columns (vertices, voxels, units), or RDMs as condensed vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import squareform

from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError
from helpers.core.intervals import permutation_p

MAX_UNDEFINED = 0.1
"""Largest fraction of a model's dissimilarities that may be undefined (authors' classes.py)."""
MIN_RDM_RANGE = 1e-9
"""An RDM with a smaller range is constant up to rounding error."""


def rdm(patterns: NDArray) -> NDArray[np.float64]:
    """Return the RDM of all pairs of conditions, ``1 - Pearson r`` of their patterns.

    Parameters
    ----------
    patterns : array, float, shape (n_conditions, n_columns)

    Returns
    -------
    array, float64, shape (n_conditions * (n_conditions - 1) / 2,)
        In the order of SciPy's condensed matrices; NaN for a condition whose pattern is constant.
    """
    return _condensed_rdm(_normalise_rows(patterns))


def _condensed_rdm(rows: NDArray) -> NDArray[np.float64]:
    return 1 - (rows @ rows.T)[np.triu_indices(len(rows), 1)]


def _normalise_rows(patterns: NDArray) -> NDArray[np.float64]:
    """Centre every row and scale it to length one; rows that do not vary become NaN."""
    if np.ndim(patterns) != 2 or len(patterns) < 2:
        raise LabError(f"patterns of shape {np.shape(patterns)}",
                       expected="conditions x columns, two conditions or more",
                       remedy="pass one pattern a row")
    rows = subtract_mean(patterns, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pearson(a: NDArray, b: NDArray) -> float:
    """Return Pearson's r of two vectors; NaN where one does not vary, or has a NaN."""
    return float(pearson_r(np.asarray(a)[:, None], np.asarray(b)[:, None])[0])


def pearson_r(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Return Pearson's r of each pair of columns; NaN where a column does not vary.

    Parameters
    ----------
    a, b : array, float, shape (n_conditions, n_columns)

    Returns
    -------
    array, float64, shape (n_columns,)
    """
    _require_same(np.shape(a) == np.shape(b), "columns", a, b)
    a, b = subtract_mean(a), subtract_mean(b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(0) / (np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0))


def _require_same(same: bool, what: str, a: NDArray, b: NDArray) -> None:
    if not same:
        raise LabError(f"{what} of shapes {np.shape(a)} and {np.shape(b)}",
                       expected="the same conditions on both sides", remedy="match the conditions")


def compare_rdms(model: NDArray, measured: NDArray, *,
                 max_undefined: float = MAX_UNDEFINED) -> float:
    """Return Pearson's r between a model's RDM and a measured one.

    Parameters
    ----------
    model, measured : array, float, shape (n_pairs,)
    max_undefined : float
        Fraction of the model's entries that may be NaN or infinite; they are left out. With more
        of them the result is NaN.
    """
    model, measured = np.asarray(model, float), np.asarray(measured, float)
    _require_same(model.shape == measured.shape, "dissimilarities", model, measured)
    defined = np.isfinite(model)
    if (~defined).mean() > max_undefined:
        return float("nan")
    if defined.any() and min(np.ptp(model[defined]), np.ptp(measured[defined])) <= MIN_RDM_RANGE:
        return float("nan")
    return pearson(model[defined], measured[defined])


def rsa_r(predicted: NDArray, measured: NDArray) -> float:
    r"""Return Pearson's r between the RDMs of predicted and of measured patterns: veRSA, cRSA.

    Equal to ``compare_rdms(rdm(predicted), rdm(measured))``, but where every pattern varies no RDM
    is computed. With A and B the centred patterns of unit length, the sums over pairs are

    .. math:: \sum_{ij} (AA')_{ij} (BB')_{ij} = \lVert A'B \rVert_F^2, \quad
        \sum_{ij} (AA')_{ij} = \lVert A'1 \rVert^2,

    diagonal included: a matrix of vertices x vertices, usually much smaller than the RDM.

    Parameters
    ----------
    predicted : array, float, shape (n_conditions, n_vertices or n_units)
    measured : array, float, shape (n_conditions, n_vertices)

    Raises
    ------
    LabError
        If the two arrays have different numbers of conditions.

    Notes
    -----
    Prince et al. (2024), authors' classes.py: veRSA of predicted responses, cRSA of the units.
    """
    a, b = _normalise_rows(predicted), _normalise_rows(measured)
    _require_same(len(a) == len(b), "patterns", a, b)
    if np.isfinite(a).all() and np.isfinite(b).all():
        r = _rsa_r_from_patterns(a, b)
        if np.isfinite(r):
            return r
    return compare_rdms(_condensed_rdm(a), _condensed_rdm(b))


def _rsa_r_from_patterns(a: NDArray, b: NDArray) -> float:
    """Correlate two RDMs from centred patterns of unit length.

    NaN where an RDM hardly varies, and the difference of sums would lose its digits.
    """
    n = len(a)
    n_pairs = n * (n - 1)  # ordered pairs of different conditions
    mean_a, mean_b = (((rows.sum(0) ** 2).sum() - n) / n_pairs for rows in (a, b))
    square_a, square_b, product = ((_squared_overlap(x, y) - n) / n_pairs
                                   for x, y in ((a, a), (b, b), (a, b)))
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    if not (variance_a > 1e-6 * square_a and variance_b > 1e-6 * square_b):
        return float("nan")
    return float((product - mean_a * mean_b) / np.sqrt(variance_a * variance_b))


def _squared_overlap(a: NDArray, b: NDArray) -> float:
    """Return the sum over i and j of (a_i . a_j)(b_i . b_j), from the smaller matrix product."""
    if a.shape[1] * b.shape[1] <= len(a) ** 2:
        return float(((a.T @ b) ** 2).sum())
    return float(((a @ a.T) * (b @ b.T)).sum())


def univariate_r(predicted: NDArray, measured: NDArray) -> float:
    """Return Pearson's r over conditions of the means over columns: veUnivar, cUnivar.

    Prince et al. (2024), authors' classes.py.

    Parameters
    ----------
    predicted : array, float, shape (n_conditions, n_vertices or n_units)
    measured : array, float, shape (n_conditions, n_vertices)

    Returns
    -------
    float
        NaN where one of the means does not vary.
    """
    predicted, measured = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    _require_same(predicted.ndim == measured.ndim == 2 and len(predicted) == len(measured),
                  "responses", predicted, measured)
    return pearson(predicted.mean(1), measured.mean(1))


def spearman_rdms(model: NDArray, measured: NDArray) -> float:
    """Return Spearman's r between two RDMs; NaN where one has a NaN.

    Parameters
    ----------
    model, measured : array, float, shape (n_pairs,)
    """
    return pearson(*_rank_both(model, measured))


def _rank_both(model: NDArray, measured: NDArray) -> tuple[NDArray, NDArray]:
    model, measured = np.asarray(model, float), np.asarray(measured, float)
    _require_same(model.ndim == 1 and model.shape == measured.shape, "dissimilarities", model,
                  measured)
    return rank_data(model), rank_data(measured)


def rank_data(values: NDArray) -> NDArray[np.float64]:
    """Return ranks along the last axis; all equal where values differ by rounding error only."""
    values = np.asarray(values, float)
    varies = np.isnan(values) | subtract_mean(values, -1).any(-1, keepdims=True)
    return stats.rankdata(np.where(varies, values, 0.0), axis=-1, nan_policy="propagate")


def rdm_permutation_test(model: NDArray, measured: NDArray, *, seed: int, n: int = 999) -> float:
    """Return the one-sided p value of Spearman's r between two RDMs, permuting conditions.

    Pairs are not independent, conditions are: rows and columns are permuted together (Kriegeskorte,
    Mur & Bandettini 2008).

    Parameters
    ----------
    model, measured : array, float, shape (n_pairs,)
    seed, n : int
        Seed and number of permutations.

    Returns
    -------
    float
        NaN where the RDMs have no rank correlation.
    """
    ranks, target = _rank_both(model, measured)
    square = _to_square(ranks)
    rows, columns = np.triu_indices(len(square), 1)
    if np.isnan(pearson(ranks, target)):
        return float("nan")
    # Permuted ranks keep their mean and variance: their inner products order them as r does.
    target = target - target.mean()
    rng = np.random.default_rng(seed)
    permutations = (rng.permutation(len(square)) for _ in range(n))
    null = [square[order[rows], order[columns]] @ target for order in permutations]
    return float(permutation_p(ranks @ target, null, rounding=1e-9 * np.linalg.norm(ranks)
                               * np.linalg.norm(target)))


def _to_square(pairs: NDArray) -> NDArray[np.float64]:
    try:
        return squareform(pairs, checks=False)
    except ValueError as error:
        raise LabError(f"{len(pairs)} dissimilarities", expected="one for each pair of conditions",
                       remedy="pass an RDM as helpers.rsa.dissimilarity.rdm returns it") from error
