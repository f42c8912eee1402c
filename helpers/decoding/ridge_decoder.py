"""Ridge regression from responses to embeddings, its penalty selected by retrieval accuracy.

The baseline of contrastive decoders. All penalties use one eigendecomposition of the responses.
Ridge minimises the squared error in an embedding space in which a few dimensions hold most of the
variance, whereas a contrastive loss weighs dimensions by how well they discriminate images.
`whitening_metric` removes this difference: principal axes of the targets get equal variance.
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
"""Penalties of the authors' code."""
WHITENING_FRACTIONS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Candidate regularisation of `whitening_metric`, as fractions of the largest variance."""


@dataclass(frozen=True)
class EmbeddingMetric:
    """Affine map of embeddings, (x - mean) @ matrix, after which cosines are computed."""

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    def __call__(self, vectors: NDArray) -> NDArray[np.float64]:
        """Return the mapped vectors, (n_vectors, n_dims)."""
        return (vectors - self.mean) @ self.matrix


def identity_metric(n_dims: int) -> EmbeddingMetric:
    """Return the identity map."""
    return EmbeddingMetric(np.zeros(n_dims), np.eye(n_dims))


def whitening_metric(targets: NDArray, fraction: float) -> EmbeddingMetric:
    """Return the regularised whitening of the targets: all principal axes get equal variance.

    Parameters
    ----------
    targets : array, float, shape (n_trials, n_dims)
    fraction : float
        Of the largest variance, added to all variances, so that noise dimensions are not inflated.
    """
    targets = np.asarray(targets, np.float64)
    variances, axes = eigh(np.cov(targets.T))
    scale = np.sqrt(np.maximum(variances, 0) + fraction * variances[-1])
    return EmbeddingMetric(targets.mean(0), axes / scale)


@dataclass(frozen=True)
class RidgeDecoder:
    """Ridge decoder with the selected penalty.

    Attributes
    ----------
    weight : array, float32, shape (n_dims, n_voxels)
    bias : array, float32, shape (n_dims,)
    alphas, top1 : array, float64, shape (n_alphas,)
        Penalties, increasing, and their top-1 accuracy on validation trials.
    selected : array, int, shape ()
        Place of the selected penalty.
    mean : array, float64, shape (n_dims,)
    matrix : array, float64, shape (n_dims, n_dims)
        `EmbeddingMetric` of the targets.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    alphas: NDArray[np.float64]
    top1: NDArray[np.float64]
    selected: NDArray[np.int64]
    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @property
    def alpha(self) -> float:
        """The selected penalty."""
        return float(self.alphas[self.selected])

    @property
    def inside(self) -> bool:
        """Whether the selected penalty lies inside the grid rather than at one of its ends."""
        return bool(0 < self.selected < len(self.alphas) - 1)

    @property
    def metric(self) -> EmbeddingMetric:
        """Applied to the targets, and to candidates before cosines are computed."""
        return EmbeddingMetric(self.mean, self.matrix)


def fit_ridge(responses: NDArray, targets: NDArray, validation: tuple[NDArray, NDArray, NDArray],
              alphas: Sequence[float], metrics: Sequence[EmbeddingMetric] = ()) -> RidgeDecoder:
    """Fit ridge with intercept; select penalty and metric by top-1 accuracy in validation.

    Ties are resolved by the mean reciprocal rank, then by the larger penalty.

    Parameters
    ----------
    responses : array, float, shape (n_trials, n_voxels)
    targets : array, float, shape (n_trials, n_dims)
    validation : tuple
        Responses (n_queries, n_voxels), embeddings of the candidates (n_images, n_dims), and
        the row of the candidate that belongs to each response (n_queries,).
    alphas : sequence of float
    metrics : sequence of EmbeddingMetric
        Candidates, selected together with the penalty; empty: the identity.

    Raises
    ------
    LabError
        If a penalty is not above 0, or trials do not match.
    """
    alphas = sorted(float(alpha) for alpha in alphas)
    if not alphas or alphas[0] <= 0 or len(responses) != len(targets) or len(responses) < 2:
        raise LabError(f"penalties {alphas}, {len(responses)} responses, {len(targets)} targets",
                       expected="penalties above 0, and as many targets as responses, 2 or more",
                       remedy="correct `alphas` in the table [decoding] of the profile")
    x, y = np.asarray(responses, np.float64), np.asarray(targets, np.float64)
    queries, candidates, own = validation
    x_mean, y_mean = x.mean(0), y.mean(0)
    values, vectors, projected = _decompose(x - x_mean, y - y_mean)
    queries = (np.asarray(queries, np.float64) - x_mean) @ vectors
    metrics, scores = metrics or [identity_metric(y.shape[1])], []
    for metric in metrics:
        target, mapped = projected @ metric.matrix, metric(candidates)
        for alpha in alphas:
            predicted = metric(y_mean) + queries @ (target / (values + alpha)[:, None])
            rank = retrieval_ranks(predicted, mapped, own)
            scores.append(((rank == 1).mean(), (1 / rank).mean(), alpha))
    number, place = divmod(max(range(len(scores)), key=scores.__getitem__), len(alphas))
    metric = metrics[number]
    weight = (vectors @ (projected @ metric.matrix / (values + alphas[place])[:, None])).T
    return RidgeDecoder(weight.astype(np.float32),
                        (metric(y_mean) - weight @ x_mean).astype(np.float32), np.array(alphas),
                        np.array(scores)[number * len(alphas):][:len(alphas), 0], np.array(place),
                        metric.mean, metric.matrix)


def _decompose(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Return (values, vectors, projected): weights are vectors @ (projected / (values + alpha))."""
    if x.shape[0] >= x.shape[1]:
        values, vectors = eigh(x.T @ x)
        return np.maximum(values, 0), vectors, vectors.T @ (x.T @ y)
    values, left = eigh(x @ x.T)
    nonzero = values > 1e-10 * values[-1]
    values, left = values[nonzero], left[:, nonzero]
    return values, x.T @ (left / np.sqrt(values)), np.sqrt(values)[:, None] * (left.T @ y)
