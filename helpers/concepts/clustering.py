"""Adapted DBSCAN: clusters of points that several participants share.

The procedure of Efird et al. (2024, and the authors' clustering code) written as rules, for all
radii eps at once. Points are neighbours if their cosine distance, 1 - cos, is below eps.

1. A point is core if it has neighbours in at least m participants other than its own.
2. Clusters are the connected components of neighbouring core points.
3. They are numbered in the order of their first core points: by participant, then by row.
4. Any other neighbour of a core point is a border point; of the clusters of these core points it
   belongs to the one with the highest number. All remaining points are noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from helpers.concepts.blockwise_cosine import BlockwiseCosine
from helpers.concepts.border_points import border_clusters
from helpers.concepts.core_components import first_cores
from helpers.concepts.expansion import expand
from helpers.concepts.neighbours import kth_smallest_of_others, nearest_neighbours
from helpers.concepts.point_cloud import Participants, make_point_cloud
from helpers.core.errors import LabError

EPS = (0.45, 0.50, 0.55, 0.60, 0.65, 0.70)
"""Radii, in cosine distance (authors' clustering code)."""
MIN_PARTICIPANTS = 3
"""m: other participants in which a core point has a neighbour (authors' clustering code)."""
EXPANSION = 0.05
"""Added to eps for the radius of the expansion (authors' clustering code)."""


def expansion_radius(eps: float, added: float = EXPANSION) -> float:
    """Return the radius of the expansion, min(eps + added, 0.65) (authors' clustering code)."""
    return min(eps + added, 0.65)


@dataclass(frozen=True)
class Clusters:
    """Clusters at one eps.

    Attributes
    ----------
    eps, expansion : float
        Radii, in cosine distance.
    names : tuple of str
        Participants.
    n_clusters : int
    labels : tuple of arrays, int32, shape (n_points,)
        Per participant; -1 for noise and for excluded points.
    core : tuple of arrays, bool, shape (n_points,)
    expanded : tuple of sparse arrays, bool, shape (n_clusters, n_points)
        Per participant; masks of different clusters may overlap and include noise.
    """

    eps: float
    expansion: float
    names: tuple[str, ...]
    n_clusters: int
    labels: tuple[NDArray[np.int32], ...]
    core: tuple[NDArray[np.bool_], ...]
    expanded: tuple[csr_array, ...]

    def counts(self) -> NDArray[np.int64]:
        """Return the number of points of each cluster, (n_clusters, n_participants)."""
        return np.stack([np.bincount(labels[labels >= 0], minlength=self.n_clusters)
                         for labels in self.labels], axis=1)

    def expanded_counts(self) -> NDArray[np.int64]:
        """Return the number of points of each expanded mask, (n_clusters, n_participants)."""
        return np.stack([np.diff(masks.indptr) for masks in self.expanded], axis=1).astype(np.int64)


def cluster(participants: Participants, *, eps: Sequence[float] = EPS,
            min_participants: int = MIN_PARTICIPANTS, expansion: float = EXPANSION,
            device: torch.device | str = "cpu") -> tuple[Clusters, ...]:
    """Cluster the points of all participants, at every eps of a grid.

    Memory grows with the number of points, not of pairs: cosines are computed in blocks, in three
    passes whatever the length of the grid: for nearest neighbours, which determine core points; for
    links between core points that are not yet in one component; and for border points. Results
    depend neither on blocks, threads nor device (`helpers.concepts.blockwise_cosine`), and are
    exact where a cosine is within float32 rounding of 1 - eps. (A cut of
    `helpers.concepts.merge_tree` is not, and that tree takes longer than the second pass.)

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)
        One row per point, of any norm. Zero vectors are excluded and labelled -1.
    eps : sequence of float
        Radii in cosine distance, in (0, 2), in any order.
    min_participants : int
        m, 1 ... n_participants - 1.
    expansion : float
        Added to eps for the radius of the expansion (`expansion_radius`), 0 or more.
    device : torch.device or str

    Returns
    -------
    tuple of Clusters
        One per eps, in the order given.

    Raises
    ------
    LabError
        If participants, eps or m are invalid.
    """
    points = make_point_cloud(participants)
    check_support(min_participants, len(points.names))
    grid, place = np.unique(check_radii(eps), return_inverse=True)
    radii = np.array([expansion_radius(value, expansion) for value in grid])
    thresholds, products = 1 - grid, BlockwiseCosine(points.vectors, device)
    nearest = nearest_neighbours(points, products, thresholds)
    core = kth_smallest_of_others(nearest.level, points.owner, min_participants)
    firsts = first_cores(products, nearest, core, thresholds)
    border = border_clusters(points.starts, products, nearest.level, core, firsts, thresholds)
    labels = np.stack([np.searchsorted(np.unique(np.append(own, -1)), first) - 1  # -1: noise
                       for own, first in zip(firsts, np.maximum(firsts, border))]).astype(np.int32)
    masks = expand(points, products, labels, 1 - radii)
    return tuple(Clusters(
        float(grid[a]), float(radii[a]), points.names, int(labels[a].max(initial=-1)) + 1,
        points.split(labels[a], -1), points.split(firsts[a] >= 0, False), tuple(masks[a]))
        for a in place)


def check_support(min_participants: int, n_participants: int) -> None:
    """Raise a LabError unless 1 <= m < number of participants."""
    if min_participants not in range(1, n_participants):
        raise LabError(f"min_participants = {min_participants} with {n_participants} participants",
                       expected=f"1 ... {n_participants - 1}: a point's own participant does not "
                       "count", remedy="ask for fewer, or add participants")


def check_radii(values: Sequence[float]) -> NDArray[np.float64]:
    """Return radii as an array; raise a LabError unless they are in (0, 2)."""
    radii = np.asarray(values, np.float64)
    if radii.ndim != 1 or len(radii) == 0 or not ((radii > 0) & (radii < 2)).all():
        raise LabError(f"radii {values!r}", expected="one or more cosine distances, above 0 and "
                       "below 2", remedy=f"the paper's grid is {EPS}")
    return radii


def count_shared(clusters: Sequence[Clusters]) -> dict[str, NDArray[np.int64]]:
    """Count clusters, and the voxels of those that at least half of the participants share.

    The number of clusters rises and falls with sharing, since clusters merge; the number of voxels
    in shared clusters only rises with the radius, and with agreement between participants.

    Parameters
    ----------
    clusters : sequence of Clusters
        One per radius.

    Returns
    -------
    dict of arrays, int64, shape (n_eps,)
        ``concepts``: clusters; ``voxels``: members, of all participants, before the expansion.
    """
    counts = [one.counts() for one in clusters]
    return {"concepts": np.array([len(one) for one in counts]),
            "voxels": np.array([one[2 * (one > 0).sum(1) >= one.shape[1]].sum()
                                for one in counts])}


def centroids(participants: Participants, clusters: Clusters) -> NDArray[np.float64]:
    """Return each cluster's centroid: the mean of its members' unit vectors, scaled to length 1.

    Members are those of all participants before the expansion (Methods: interpretation).

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)
        The points that were clustered.
    clusters : Clusters

    Returns
    -------
    array, float64, shape (n_clusters, n_dims)
        Unit length.
    """
    points = make_point_cloud(participants)
    if points.names != clusters.names or points.sizes != tuple(map(len, clusters.labels)):
        raise LabError(f"participants {points.names} with {points.sizes} points",
                       expected=f"{clusters.names} with {tuple(map(len, clusters.labels))}",
                       remedy="pass what was clustered")
    labels = np.concatenate(clusters.labels)[points.position]
    inside = np.flatnonzero(labels >= 0)
    member = csr_array((np.ones(len(inside)), (labels[inside], inside)),
                       shape=(clusters.n_clusters, len(labels)))
    total = member @ points.vectors
    return total / np.linalg.norm(total, axis=1, keepdims=True)
