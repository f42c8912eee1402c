"""Floor 3. Representational similarity: dissimilarities of conditions, and scores of predictions.

All inputs are arrays of conditions x columns (vertices, voxels, units).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import squareform

from helpers.errors import LabError

MOST_BAD = 0.1
"""Published share of a model's dissimilarities that may be undefined (spec 4.5)."""


def rdm(patterns: NDArray) -> NDArray[np.float64]:
    """Return the dissimilarities of all pairs of conditions, ``1 - Pearson r`` of their patterns.

    Parameters
    ----------
    patterns : array, float, shape (n_conditions, n_columns)

    Returns
    -------
    array, float64, shape (n_conditions * (n_conditions - 1) / 2,)
        In the order of SciPy's condensed matrices; NaN for a condition whose pattern is constant.
    """
    rows = _unit_rows(patterns)
    return 1 - (rows @ rows.T)[np.triu_indices(len(rows), 1)]


def _unit_rows(patterns: NDArray) -> NDArray[np.float64]:
    """Centre every row and scale it to length one; rows that do not vary become NaN."""
    rows = np.asarray(patterns, np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise LabError(f"patterns of shape {rows.shape}",
                       expected="conditions x columns, two conditions or more",
                       remedy="pass one pattern a row")
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    # What is left of a constant row is rounding error.
    flat = length <= 1e-9 * np.abs(np.asarray(patterns, float)).max(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flat, np.nan, rows / length)


def pearson(a: NDArray, b: NDArray) -> float:
    """Correlate two vectors; NaN where one does not vary, or one has a NaN."""
    return float(columnwise_r(np.asarray(a)[:, None], np.asarray(b)[:, None])[0])


def columnwise_r(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Correlate column by column (Pearson); NaN where a column does not vary.

    Parameters
    ----------
    a, b : array, float, shape (n_conditions, n_columns)

    Returns
    -------
    array, float64, shape (n_columns,)
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise LabError(f"columns of shapes {a.shape} and {b.shape}", expected="equal shapes",
                       remedy="pass the same conditions and columns on both sides")
    scale_a, scale_b = np.abs(a).max(0, initial=0), np.abs(b).max(0, initial=0)
    a, b = a - a.mean(0), b - b.mean(0)
    length_a, length_b = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
    flat = (length_a <= 1e-9 * scale_a) | (length_b <= 1e-9 * scale_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flat, np.nan, (a * b).sum(0) / (length_a * length_b))


def rsa_r_of(model: NDArray, measured: NDArray, *, most_bad: float = MOST_BAD) -> float:
    """Correlate a model's dissimilarities with measured ones (Pearson).

    Parameters
    ----------
    model, measured : array, float, shape (n_pairs,)
    most_bad : float
        Share of the model's entries that may be NaN or infinite; they are left out. More: NaN.
    """
    model, measured = np.asarray(model, float), np.asarray(measured, float)
    if model.shape != measured.shape:
        raise LabError(f"dissimilarities of shapes {model.shape} and {measured.shape}",
                       expected="the same conditions on both sides", remedy="match the conditions")
    good = np.isfinite(model)
    if (~good).mean() > most_bad:
        return float("nan")
    return pearson(model[good], measured[good])


def rsa_r(predicted: NDArray, measured: NDArray, *, most_bad: float = MOST_BAD) -> float:
    """Correlate the dissimilarities of predicted and of measured patterns: veRSA, cRSA.

    Parameters
    ----------
    predicted : array, float, shape (n_conditions, n_vertices or n_units)
    measured : array, float, shape (n_conditions, n_vertices)

    Notes
    -----
    Prince et al. (2024), spec 4.5: of fitted responses veRSA, of plain units cRSA.
    """
    return rsa_r_of(rdm(predicted), rdm(measured), most_bad=most_bad)


def univariate_r(predicted: NDArray, measured: NDArray) -> float:
    """Correlate the mean over columns, over conditions: veUnivar, cUnivar (spec 4.5)."""
    return pearson(np.asarray(predicted, float).mean(1), np.asarray(measured, float).mean(1))


def rank_r(model: NDArray, measured: NDArray) -> float:
    """Correlate ranks of two dissimilarity vectors (Spearman), shape (n_pairs,)."""
    return float(stats.spearmanr(model, measured).statistic)


def permutation_p(model: NDArray, measured: NDArray, *, seed: int, n: int = 999) -> float:
    """Test whether two RDMs agree more than with conditions dealt anew (one-sided, ranks).

    Pairs are not independent: rows and columns are permuted together.

    Parameters
    ----------
    model, measured : array, float, shape (n_pairs,)
    seed, n : int
        Of the permutations, and how many.
    """
    rng = np.random.default_rng(seed)
    square = squareform(stats.rankdata(model))
    ranks = stats.rankdata(measured)
    upper = np.triu_indices(len(square), 1)
    observed = pearson(square[upper], ranks)
    drawn = [pearson(square[np.ix_(deal, deal)][upper], ranks)
             for deal in (rng.permutation(len(square)) for _ in range(n))]
    return float((1 + sum(r >= observed for r in drawn)) / (1 + n))
