"""Which image was seen? Predictions find their image among many, by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from helpers.core.errors import LabError
from helpers.core.intervals import percentile_interval
from helpers.decoding.vectors import cosines

KS = (1, 5, 10, 50, 100, 500)
"""Published."""
N_BOOTSTRAP = 2000


def retrieval_ranks(predicted: NDArray, candidates: NDArray, own: NDArray) -> NDArray[np.int64]:
    """Return the place of each prediction's own image among all candidates, from 1.

    Parameters
    ----------
    predicted : array, float, shape (n_queries, n_dims)
    candidates : array, float, shape (n_candidates, n_dims)
        Embeddings of different images.
    own : array, int, shape (n_queries,)
        Which candidate was seen.

    Returns
    -------
    array, int64, shape (n_queries,)
        1: the nearest by cosine. A candidate that is as near counts as nearer: no credit for ties.

    Raises
    ------
    LabError
        If shapes do not fit, or a vector has no direction or is not finite.
    """
    near = cosines(predicted, candidates)
    if own.shape != near.shape[:1] or not near.size or own.min() < 0 or own.max() >= near.shape[1]:
        raise LabError(f"predictions {predicted.shape}, candidates {candidates.shape}, answers "
                       f"{own.shape}", expected="one answer a prediction, among the candidates",
                       remedy="pass the row of each prediction's own image")
    return (near >= near[np.arange(len(own)), own, None]).sum(1)


def probability_among_nearest(rank: NDArray, n_candidates: int, pool: int,
                              k: int) -> NDArray[np.float64]:
    """Return the chance of being among the k nearest in a random pool that holds the own image.

    Exact: with ``rank - 1`` nearer candidates among the ``n_candidates - 1`` others, the number of
    nearer ones in the pool is hypergeometric. (MindEye draws pools of 300; the mean is the same.)

    Parameters
    ----------
    rank : array, int, shape (n_queries,)
    n_candidates, pool, k : int
        ``pool = n_candidates``: 1 where rank <= k, else 0.
    """
    if not 1 <= k <= pool <= n_candidates:
        raise LabError(f"the {k} nearest in a pool of {pool} of {n_candidates} images",
                       expected="1 <= k <= pool <= number of images",
                       remedy="lower n_pool or k, or test on more images")
    return hypergeom.cdf(k - 1, n_candidates - 1, np.asarray(rank) - 1, pool - 1)


@dataclass(frozen=True)
class TopKCurve:
    """Top-k accuracy.

    Attributes
    ----------
    ks : tuple of int
    share, low, high : array, float64, shape (n_ks,)
        Fraction of queries, and its 95 % interval: images, not queries, are resampled.
    chance : array, float64, shape (n_ks,)
    """

    ks: tuple[int, ...]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    chance: NDArray[np.float64]


def top_k_accuracy(rank: NDArray, own: NDArray, n_candidates: int, *, pool: int = 0,
                   ks: Sequence[int] = KS, seed: int = 0) -> TopKCurve:
    """Return the top-k accuracy of some queries.

    Parameters
    ----------
    rank, own : array, int, shape (n_queries,)
        From `retrieval_ranks`, and which image was seen: queries of one image are no replicates.
    n_candidates, pool : int
        ``pool`` 0: all candidates.
    ks : sequence of int
        Those that a pool can hold are kept.
    seed : int
        Of the bootstrap.
    """
    pool = pool or n_candidates
    kept = tuple(k for k in ks if k <= pool)
    hits = np.stack([probability_among_nearest(rank, n_candidates, pool, k) for k in kept], axis=1)
    image = np.unique(own, return_inverse=True)[1]
    n = np.bincount(image)
    total = np.stack([np.bincount(image, hit) for hit in hits.T], axis=1)
    drawn = np.random.default_rng(seed).multinomial(len(n), np.full(len(n), 1 / len(n)),
                                                    size=N_BOOTSTRAP)
    again = drawn @ total / (drawn @ n)[:, None]
    low, high = percentile_interval(again)
    return TopKCurve(kept, total.sum(0) / n.sum(), low, high, np.array(kept) / pool)
