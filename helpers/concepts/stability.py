"""Are concepts found again: from other pictures, without a participant, in one of them alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from helpers.concepts.clustering import Clusters, centroids, cluster
from helpers.concepts.meaning import auc, cosines

Points = Mapping[str, NDArray]
"""Participant -> weights, (n_voxels, n_dims)."""


def chosen_radius(eps: Sequence[float], n_found: Sequence[int],
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


def found_again(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Return each first centroid's cosine with the nearest of the second, (n_first,).

    -1 where there is no second one.
    """
    if not len(first) or not len(second):
        return np.full(len(first), -1.0)
    return cosines(first, second).max(1)


@dataclass(frozen=True)
class LeftOut:
    """What the others' concepts say of a participant who was left out.

    Attributes
    ----------
    subject : str
    again : array, float64, shape (n_clusters,)
        Cosine of each concept of all participants with the nearest one of the others.
    place : array, float64, shape (n_clusters,)
        How well the cosine of a voxel's weights with the others' nearest concept tells the voxels
        that belong to the concept when everyone is clustered (AUC); NaN where none does, or all do.
    """

    subject: str
    again: NDArray[np.float64]
    place: NDArray[np.float64]


def leave_one_out(points: Points, whole: Clusters, eps: float, min_participants: int
                  ) -> list[LeftOut]:
    """Cluster all but one participant, for each, and predict where the concepts lie in that one.

    Parameters
    ----------
    points : mapping of arrays
    whole : Clusters
        Of all participants, at ``eps``.
    eps : float
    min_participants : int
        As many others as for all participants.
    """
    middle, found = centroids(points, whole), []
    for number, name in enumerate(points):
        others = {other: values for other, values in points.items() if other != name}
        most = min(min_participants, len(others) - 1)
        without = cluster(others, eps=[eps], min_participants=most)[0]
        centres = centroids(others, without)
        again = found_again(middle, centres)
        place = np.full(len(middle), np.nan)
        if len(centres) and len(middle):
            nearest = cosines(middle, centres).argmax(1)
            near = cosines(centres, points[name]).T
            inside = whole.labels[number][:, None] == np.arange(len(middle))
            every = auc(near, inside)
            place = every[nearest, np.arange(len(middle))]
        found.append(LeftOut(name, again, place))
    return found


def clustered_alone(values: NDArray, eps: float, min_samples: int) -> NDArray[np.float64]:
    """Cluster one participant's weights by plain DBSCAN; return the centroids, unit length.

    Parameters
    ----------
    values : array, float, shape (n_voxels, n_dims)
    eps : float
        In cosine distance.
    min_samples : int
        Points in a core point's neighbourhood, itself included.
    """
    units = values / np.linalg.norm(values, axis=1, keepdims=True)
    labels = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine").fit_predict(units)
    means = [units[labels == number].mean(0) for number in range(labels.max() + 1)]
    return np.array([mean / np.linalg.norm(mean) for mean in means]).reshape(-1, values.shape[1])
