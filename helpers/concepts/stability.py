"""Stability of concepts: radius selection, and replication across images and participants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from helpers.concepts.clustering import centroids, cluster
from helpers.decoding.vectors import cosines, unit
from helpers.rsa.dissimilarity import pearson

MAX_FRACTION_BY_CHANCE = 0.05
"""Of the voxels in shared concepts at the selected radius, as many may be there by chance."""


def compute_fraction_by_chance(n_voxels: ArrayLike, n_null: ArrayLike) -> NDArray[np.float64]:
    """Return the mean number of voxels in shared clusters by chance over that of the data.

    Parameters
    ----------
    n_voxels : array, int, shape (n_radii,)
        In shared clusters of the data (`helpers.concepts.clustering.count_shared`).
    n_null : array, int, shape (n_nulls, n_radii)
        The same of null data.

    Returns an array, float64, shape (n_radii,); NaN where the data have none.
    """
    n_voxels = np.asarray(n_voxels, float)
    return np.asarray(n_null, float).mean(0) / np.where(n_voxels > 0, n_voxels, np.nan)


def bracket_radius(fractions: Mapping[float, float]) -> tuple[float, float]:
    """Return the largest radius at which hardly any voxel is shared by chance, and the next.

    Parameters
    ----------
    fractions : mapping of float to float
        Radius, increasing -> `compute_fraction_by_chance`.

    Returns
    -------
    float
        The last radius with a fraction of at most ``MAX_FRACTION_BY_CHANCE``; the first of all
        where there is none.
    float
        The radius after it; the same where it is the last of all, or none is allowed.
    """
    radii = list(fractions)
    allowed = [place for place, radius in enumerate(radii)
               if fractions[radius] <= MAX_FRACTION_BY_CHANCE]
    if not allowed:
        return radii[0], radii[0]
    return radii[allowed[-1]], radii[min(allowed[-1] + 1, len(radii) - 1)]


def agreement(labels: Sequence[NDArray], truth: Sequence[NDArray]) -> float:
    """Return the adjusted Rand index over voxels of all participants, with noise as a cluster."""
    return float(adjusted_rand_score(np.concatenate(list(truth)), np.concatenate(list(labels))))


def match_centroids(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Return the cosine of each first centroid with the nearest second one, (n_first,).

    -1 if there is no second one.
    """
    if not len(first) or not len(second):
        return np.full(len(first), -1.0)
    return cosines(first, second).max(1)


def leave_participant_out(points: Mapping[str, NDArray], concept_centroids: NDArray, subject: str,
                          eps: float,
                          min_participants: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cluster all but one participant, and match the clusters to the concepts of all.

    Parameters
    ----------
    points : mapping, participant -> array, float, shape (n_voxels, n_dims)
    concept_centroids : array, float, shape (n_clusters, n_dims)
        Centroids of the concepts of all participants.
    subject : str
        Participant that is left out.
    eps : float
    min_participants : int
        As for all participants, but at most the number of remaining participants - 1.

    Returns
    -------
    again : array, float64, shape (n_clusters,)
        Cosine of each concept with the nearest centroid of the others; -1 if they have none.
    nearest : array, float64, shape (n_clusters, n_dims)
        That centroid; NaN if they have none.
    """
    others = {name: values for name, values in points.items() if name != subject}
    without = cluster(others, eps=[eps], min_participants=min(min_participants, len(others) - 1))[0]
    centres = centroids(others, without)
    again = match_centroids(concept_centroids, centres)
    if not len(again) or not len(centres):
        return again, np.full(concept_centroids.shape, np.nan)
    return again, centres[cosines(concept_centroids, centres).argmax(1)]


def correlate_with_similarity(centre: NDArray, weights: NDArray, responses: NDArray,
                              images: NDArray,
                              eps: float) -> tuple[float, float]:
    """Correlate the similarity of images to a concept with responses of voxels near the concept.

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
        Pearson r of the mean response of these voxels, and of all voxels; NaN if there are none.
    """
    if not np.isfinite(centre).all():
        return np.nan, np.nan
    near = cosines(weights, centre[None])[:, 0] > 1 - eps
    similarity = cosines(images, centre[None])[:, 0]
    r, r_all = (pearson(similarity, responses[:, mask].mean(1)) if mask.any() else np.nan
                for mask in (near, np.ones(len(weights), bool)))
    return r, r_all


def cluster_participant(values: NDArray, eps: float, min_samples: int) -> NDArray[np.float64]:
    """Return the centroids, of unit length, of one participant's weights clustered by DBSCAN.

    Parameters
    ----------
    values : array, float, shape (n_voxels, n_dims)
    eps : float
        In cosine distance.
    min_samples : int
        Minimum number of points within eps of a core point, itself included.
    """
    units = unit(values)
    labels = DBSCAN(eps=eps, min_samples=min_samples, metric="cosine").fit_predict(units)
    means = [units[labels == number].mean(0) for number in range(labels.max() + 1)]
    return unit(np.reshape(means, (-1, values.shape[1])))
