"""The rival: ridge from responses to embeddings, its penalty chosen on a grid that is wide enough.

All penalties share one decomposition of the responses. Ridge has squared error in the space as it
is, where a few directions hold most of the variance; contrast weighs directions by what they tell
images apart. `whitening_metric` takes this advantage away: directions of the targets get equal
variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from helpers.core.errors import LabError
from helpers.decoding.retrieval import retrieval_ranks

PUBLISHED_ALPHAS = (1e3, 1e4)
"""Penalties of the official code."""
WHITENING_FRACTIONS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Of the largest variance, added to all before they are made equal: candidates of
`whitening_metric`."""


@dataclass(frozen=True)
class EmbeddingMetric:
    """A linear map of the space of embeddings, in which cosines are taken: (x - mean) @ matrix."""

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    def __call__(self, vectors: NDArray) -> NDArray[np.float64]:
        """Map vectors, (n_vectors, n_dims)."""
        return (vectors - self.mean) @ self.matrix


def identity_metric(n_dims: int) -> EmbeddingMetric:
    """Return the space as it is."""
    return EmbeddingMetric(np.zeros(n_dims), np.eye(n_dims))


def whitening_metric(targets: NDArray, share: float) -> EmbeddingMetric:
    """Return the map after which the targets' directions have (almost) equal variance.

    Parameters
    ----------
    targets : array, float, shape (n_trials, n_dims)
    share : float
        Of the largest variance, added to all, so that directions of hardly any are not blown up.
    """
    mean = np.asarray(targets, np.float64).mean(0)
    variances, axes = eigh(np.cov(np.asarray(targets, np.float64).T))
    return EmbeddingMetric(mean, axes / np.sqrt(np.maximum(variances, 0) + share * variances[-1]))


@dataclass(frozen=True)
class RidgeDecoder:
    """A chosen ridge.

    Attributes
    ----------
    weight : array, float32, shape (n_dims, n_voxels)
    bias : array, float32, shape (n_dims,)
    alpha : float
    alphas, top1 : array, float64, shape (n_alphas,)
        Penalties, rising, and the fraction of validation trials whose image was the nearest.
    inside : bool
        Whether the chosen penalty has a smaller and a larger one beside it on the grid.
    metric : EmbeddingMetric
        In which predictions are made, and compared.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    alpha: float
    alphas: NDArray[np.float64]
    top1: NDArray[np.float64]
    inside: bool
    metric: EmbeddingMetric


def fit_ridge(responses: NDArray, targets: NDArray, validation: tuple[NDArray, NDArray, NDArray],
              alphas: Sequence[float], metrics: Sequence[EmbeddingMetric] = ()) -> RidgeDecoder:
    """Fit ridge with intercept for all penalties; keep the best in validation, by top-1.

    Of those that are equally good the mean reciprocal rank decides, then the larger penalty.

    Parameters
    ----------
    responses : array, float, shape (n_trials, n_voxels)
    targets : array, float, shape (n_trials, n_dims)
    validation : tuple
        Responses (n_queries, n_voxels), embeddings of the candidates (n_images, n_dims), and
        which of them each response belongs to (n_queries,).
    alphas : sequence of float
    metrics : sequence of EmbeddingMetric
        Candidates, chosen with the penalty; empty: the space as it is.

    Raises
    ------
    LabError
        If a penalty is not above 0, or trials do not match.
    """
    alphas = sorted(float(alpha) for alpha in alphas)
    if not alphas or alphas[0] <= 0 or len(responses) != len(targets) or len(responses) < 2:
        raise LabError(f"penalties {alphas}, {len(responses)} responses, {len(targets)} targets",
                       expected="penalties above 0, as many targets as responses, 2 or more",
                       remedy="correct `alphas` in the table [decoding] of the profile")
    x, y = np.asarray(responses, np.float64), np.asarray(targets, np.float64)
    seen, candidates, own = validation
    middle = x.mean(0)
    values, vectors, across = _decompose(x - middle, y - y.mean(0))
    shown = (np.asarray(seen, np.float64) - middle) @ vectors
    best, marks = None, {}
    for number, metric in enumerate(metrics or [identity_metric(y.shape[1])]):
        load, there = across @ metric.matrix, metric(candidates)
        for place, alpha in enumerate(alphas):
            made = metric(y.mean(0)) + shown @ (load / (values + alpha)[:, None])
            rank = retrieval_ranks(made, there, own)
            mark = ((rank == 1).mean(), (1 / rank).mean(), alpha)
            marks[number, place] = mark[0]
            if best is None or mark > best[0]:
                best = mark, number, place, metric
    (_, _, alpha), number, place, metric = best
    weight = (vectors @ (across @ metric.matrix / (values + alpha)[:, None])).T
    return RidgeDecoder(weight.astype(np.float32),
                        (metric(y.mean(0)) - weight @ middle).astype(np.float32), alpha,
                        np.array(alphas), np.array([marks[number, i] for i in range(len(alphas))]),
                        0 < place < len(alphas) - 1, metric)


def _decompose(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return (values, vectors, across): weights are vectors @ (across / (values + alpha))."""
    if x.shape[0] >= x.shape[1]:
        values, vectors = eigh(x.T @ x)
        return np.maximum(values, 0), vectors, vectors.T @ (x.T @ y)
    values, left = eigh(x @ x.T)
    kept = values > 1e-10 * values[-1]
    values, left = values[kept], left[:, kept]
    return values, x.T @ (left / np.sqrt(values)), np.sqrt(values)[:, None] * (left.T @ y)
