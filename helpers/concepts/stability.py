"""Are concepts found again: from other images, without a participant, in one of them alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from helpers.concepts.clustering import centroids, cluster
from helpers.decoding.vectors import cosines, unit
from helpers.rsa.dissimilarity import pearson

PointCloud = Mapping[str, NDArray]
"""Participant -> weights, (n_voxels, n_dims)."""


def select_radius(eps: Sequence[float], n_found: Sequence[int],
                  n_by_chance: NDArray) -> tuple[int, NDArray[np.float64]]:
    """Choose the radius at which most concepts are found beyond those that chance gives.

    Parameters
    ----------
    eps : sequence of float
    n_found : sequence of int, length n_eps
        Concepts in the data.
    n_by_chance : array, int, shape (n_nulls, n_eps)

    Returns
    -------
    int
        Place in the grid; of equally good radii the smallest.
    array, float64, shape (n_eps,)
        Concepts beyond the mean under the null.
    """
    beyond = np.asarray(n_found, float) - np.asarray(n_by_chance, float).mean(0)
    return int(np.argmax(beyond)), beyond


def agreement(labels: Sequence[NDArray], truth: Sequence[NDArray]) -> float:
    """Return the adjusted Rand index over the voxels of all participants; noise is a class."""
    return float(adjusted_rand_score(np.concatenate(list(truth)), np.concatenate(list(labels))))


def match_centroids(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Return each first centroid's cosine with the nearest of the second, (n_first,).

    -1 where there is no second one.
    """
    if not len(first) or not len(second):
        return np.full(len(first), -1.0)
    return cosines(first, second).max(1)


def leave_participant_out(points: PointCloud, concept_centroids: NDArray, subject: str, eps: float,
                          min_participants: int
             ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cluster all but one participant.

    Parameters
    ----------
    points : mapping of arrays
    concept_centroids : array, float, shape (n_clusters, n_dims)
        Centroids of the concepts of all participants.
    subject : str
        Who is left out.
    eps : float
    min_participants : int
        As many others as for all participants; where there are fewer, all of them.

    Returns
    -------
    again : array, float64, shape (n_clusters,)
        Cosine of each concept with the nearest one of the others; -1 where they have none.
    nearest : array, float64, shape (n_clusters, n_dims)
        That one's centroid; NaN where they have none.
    """
    others = {name: values for name, values in points.items() if name != subject}
    without = cluster(others, eps=[eps], min_participants=min(min_participants, len(others) - 1))[0]
    centres = centroids(others, without)
    again = match_centroids(concept_centroids, centres)
    if not len(concept_centroids) or not len(centres):
        return again, np.full(concept_centroids.shape, np.nan)
    return again, centres[cosines(concept_centroids, centres).argmax(1)]


def correlate_with_similarity(centre: NDArray, weights: NDArray, responses: NDArray,
                              images: NDArray,
                              eps: float) -> tuple[float, float]:
    """Correlate images' similarity to a concept with the responses of voxels that lie near it.

    Parameters
    ----------
    centre : array, float, shape (n_dims,)
    weights : array, float, shape (n_voxels, n_dims)
    responses : array, float, shape (n_images, n_voxels)
    images : array, float, shape (n_images, n_dims)
    eps : float
        Voxels within this cosine distance of the centre.

    Returns
    -------
    pair of float
        r of their mean response, and of the mean response of all voxels. NaN where there is none.
    """
    if not np.isfinite(centre).all():
        return np.nan, np.nan
    chosen = cosines(weights, centre[None])[:, 0] > 1 - eps
    similar = cosines(images, centre[None])[:, 0]
    r = lambda mask: pearson(similar, responses[:, mask].mean(1))  # noqa: E731
    return (r(chosen) if chosen.any() else np.nan), r(np.ones(len(weights), bool))


def cluster_participant(values: NDArray, eps: float, min_samples: int) -> NDArray[np.float64]:
    """Cluster one participant's weights by plain DBSCAN; return the centroids, unit length.

    Parameters
    ----------
    values : array, float, shape (n_voxels, n_dims)
    eps : float
        In cosine distance.
    min_samples : int
        Points in a core point's neighbourhood, itself included.
    """
    units = unit(values)
    labels = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine").fit_predict(units)
    means = [units[labels == number].mean(0) for number in range(labels.max() + 1)]
    return unit(np.reshape(means, (-1, values.shape[1])))
