"""Representational consistency of layers: correlations of their RDMs, bootstrapped over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.intervals import percentile_interval
from helpers.rsa.dissimilarity import MIN_RDM_RANGE, rdm

N_DECIMALS = 9
"""Digits to which dissimilarities are rounded: ranks must not depend on rounding errors."""


@dataclass(frozen=True)
class Consistency:
    """Representational consistency of layers.

    Attributes
    ----------
    matrix : array, float64, shape (n_layers, n_layers)
        Spearman's r of their RDMs; NaN where a layer has none.
    mean, low, high : float
        Mean over pairs of layers, and its 95 % interval over resampled images.
    """

    matrix: NDArray[np.float64]
    mean: float
    low: float
    high: float


def consistency(patterns: Sequence[NDArray], *, seed: int, n_boot: int = 200) -> Consistency:
    """Return Spearman's r between the RDMs of layers (1 - Pearson r over units).

    Parameters
    ----------
    patterns : sequence of arrays, float, shape (n_images, n_units)
        One a layer, of the same images. A layer of fewer than two units, or with a constant RDM,
        has none; an image whose pattern is constant has the dissimilarity 1 to all others.
    seed, n_boot : int
        Of the bootstrap over images. Pairs of an image with itself, which occur in resamples, are
        left out.

    Raises
    ------
    LabError
        If layers have different numbers of images, or fewer than four.

    Notes
    -----
    Lu & Wang (2025) report cross-layer representational consistency; their method is unknown.
    """
    shapes = [np.shape(one) for one in patterns]
    n = shapes[0][0] if shapes and shapes[0] else 0
    if n < 4 or any(len(shape) != 2 or shape[0] != n for shape in shapes):
        raise LabError(f"patterns of shapes {shapes}",
                       expected="images x units, the same four images or more in every layer",
                       remedy="pass one row an image")
    levels, (first, second) = [_dense_ranks(one) for one in patterns], np.triu_indices(n, 1)
    matrix = _spearman_matrix(levels, np.ones(len(first)))
    rng, means = np.random.default_rng(seed), []
    for _ in range(n_boot):
        multiplicity = np.bincount(rng.integers(n, size=n), minlength=n)
        means.append(mean_off_diagonal(
            _spearman_matrix(levels, multiplicity[first] * multiplicity[second])))
    low, high = percentile_interval(means)
    return Consistency(matrix, mean_off_diagonal(matrix), float(low), float(high))


def _dense_ranks(patterns: NDArray) -> NDArray[np.int64] | None:
    """Return the dense ranks of a layer's RDM; None where it is constant or there is one unit."""
    dissimilarities = np.nan_to_num(rdm(patterns), nan=1.0)
    if patterns.shape[1] < 2 or np.ptp(dissimilarities) <= MIN_RDM_RANGE:
        return None
    return np.unique(np.round(dissimilarities, N_DECIMALS), return_inverse=True)[1]


def mean_off_diagonal(matrix: NDArray) -> float:
    """Return the mean over pairs of different layers, those without a value left out."""
    values = matrix[np.triu_indices(len(matrix), 1)]
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _spearman_matrix(levels: Sequence[NDArray | None], multiplicity: NDArray) -> NDArray:
    """Return Spearman's r of all pairs of layers, each pair of images counted repeatedly.

    Without sorting the repeated pairs: the rank of a pair follows from the number of pairs with a
    lower level.

    Parameters
    ----------
    levels : sequence of arrays, int, shape (n_pairs,)
        Dense rank of each pair's dissimilarity within its layer; None for a layer without RDM.
    multiplicity : array, int, shape (n_pairs,)
        How often each pair occurs.
    """
    matrix = np.full((len(levels), len(levels)), np.nan)
    ranks, finite = [], []
    for place, level in enumerate(levels):
        level_counts = None if level is None else np.bincount(level, weights=multiplicity)
        if level_counts is None or (level_counts > 0).sum() < 2:
            continue
        finite.append(place)
        ranks.append((np.cumsum(level_counts) - (level_counts - 1) / 2)[level])
    if finite:
        centred = np.array(ranks) - (multiplicity.sum() + 1) / 2
        covariance = (centred * multiplicity) @ centred.T
        length = np.sqrt(np.diag(covariance))
        matrix[np.ix_(finite, finite)] = np.clip(covariance / np.outer(length, length), -1, 1)
    return matrix


def consistency_table(patterns: Mapping[str, NDArray], *, seed: int, n_boot: int) -> pd.DataFrame:
    """Return the `consistency` of layers as a table.

    Returns
    -------
    DataFrame
        One row per pair of layers: ``layer, other, r``; the row whose ``layer`` is "all" holds the
        mean over pairs, and ``low, high`` its interval over resampled images.
    """
    result = consistency(list(patterns.values()), seed=seed, n_boot=n_boot)
    rows = [(layer, other, r, np.nan, np.nan) for layer, its in zip(patterns, result.matrix)
            for other, r in zip(patterns, its)]
    return pd.DataFrame([*rows, ("all", "all", result.mean, result.low, result.high)],
                        columns=["layer", "other", "r", "low", "high"])


def mean_consistency_matrix(layer_consistencies: pd.DataFrame, condition: str,
                            layers: Sequence[str]) -> NDArray[np.float64]:
    """Average the matrices (n_layers, n_layers) of one condition over its seeds."""
    pairs = layer_consistencies[layer_consistencies["layer"] != "all"]
    return pairs[pairs["condition"] == condition].pivot_table(
        index="layer", columns="other", values="r", dropna=False).loc[layers, layers].to_numpy()
