"""Image retrieval: the rank of the seen image among candidates, by cosine with the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from helpers.core.bootstrap import draw_weights
from helpers.core.errors import LabError
from helpers.core.intervals import percentile_interval
from helpers.decoding.vectors import cosines

KS = (1, 5, 10, 50, 100, 500)
"""k of top-k accuracy (Efird et al. 2024)."""
N_BOOTSTRAP = 2000


def retrieval_ranks(predicted: NDArray, candidates: NDArray, own: NDArray) -> NDArray[np.int64]:
    """Return the rank of each query's own image among all candidates, from 1.

    Parameters
    ----------
    predicted : array, float, shape (n_queries, n_dims)
    candidates : array, float, shape (n_candidates, n_dims)
        Embeddings of different images.
    own : array, int, shape (n_queries,)
        Row of the candidate that was seen.

    Returns
    -------
    array, int64, shape (n_queries,)
        1: the nearest by cosine. Ties count against the own image.

    Raises
    ------
    LabError
        If shapes do not fit, or a vector has no direction or is not finite.
    """
    similarity = cosines(predicted, candidates)
    if (own.shape != similarity.shape[:1] or not similarity.size or own.min() < 0
        or own.max() >= similarity.shape[1]):
        raise LabError(f"predictions {predicted.shape}, candidates {candidates.shape}, own images "
                       f"{own.shape}", expected="one candidate for each prediction",
                       remedy="pass the row of each prediction's own image")
    return (similarity >= similarity[np.arange(len(own)), own, None]).sum(1)


def probability_among_nearest(rank: NDArray, n_candidates: int, pool: int,
                              k: int) -> NDArray[np.float64]:
    """Return the probability of a rank of at most k in a random pool that holds the own image.

    With ``rank - 1`` nearer candidates among the ``n_candidates - 1`` others, the number of nearer
    ones in the pool is hypergeometric: the expectation over the random pools that MindEye draws.

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
    """Top-k accuracy with confidence interval and chance level.

    Attributes
    ----------
    ks : tuple of int
    accuracy, low, high : array, float64, shape (n_ks,)
        Fraction of queries, and its 95 % bootstrap interval over images.
    chance : array, float64, shape (n_ks,)
    """

    ks: tuple[int, ...]
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    chance: NDArray[np.float64]


def top_k_accuracy(rank: NDArray, own: NDArray, n_candidates: int, *, pool: int = 0,
                   seed: int = 0) -> TopKCurve:
    """Return the top-k accuracy, with a bootstrap over images.

    Parameters
    ----------
    rank, own : array, int, shape (n_queries,)
        From `retrieval_ranks`, and which image was seen: queries of one image are not independent
        and are resampled together.
    n_candidates, pool : int
        ``pool`` 0: all candidates.
    seed : int
        Of the bootstrap.

    Returns
    -------
    TopKCurve
        At those of `KS` that are not larger than the pool.
    """
    pool = pool or n_candidates
    ks = tuple(k for k in KS if k <= pool)
    hits = np.stack([probability_among_nearest(rank, n_candidates, pool, k) for k in ks], axis=1)
    image = np.unique(own, return_inverse=True)[1]
    n = np.bincount(image)
    total = np.stack([np.bincount(image, hit) for hit in hits.T], axis=1)
    counts = _resampled_counts(len(n), seed)
    low, high = percentile_interval(counts @ total / (counts @ n)[:, None])
    return TopKCurve(ks, total.sum(0) / n.sum(), low, high, np.array(ks) / pool)


@lru_cache(maxsize=4)
def _resampled_counts(n_images: int, seed: int) -> NDArray[np.float64]:
    """Draw how often each image stands in every bootstrap sample, (N_BOOTSTRAP, n_images).

    Kept: a notebook asks for the same draws for every participant, network and pool.
    """
    return draw_weights(np.zeros(n_images, int), seed=seed, n_resamples=N_BOOTSTRAP)
