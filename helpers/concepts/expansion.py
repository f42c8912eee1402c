"""Expansion of clusters: all points close to a cluster's members of the same participant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, dot
from helpers.concepts.point_cloud import PointCloud
from helpers.core.compiled import compile_kernel

MAX_PAIRS = 2**18
"""Capacity, in pairs of a cluster and a point, of the list that a scan of a block fills."""


def expand(points: PointCloud, products: BlockwiseCosine, between: NDArray[np.float32],
           labels: NDArray[np.int32], thresholds: NDArray[np.float64]) -> list[list[csr_array]]:
    """Return every cluster's expanded mask, for every level and participant.

    Point x of participant s belongs to cluster c if it is a member, or if its cosine to any member
    of c in s is above the level's threshold; in a single step (authors' clustering code).

    Parameters
    ----------
    points, products : PointCloud, BlockwiseCosine
    between : array, float32, shape (n_all_groups, n_all_groups)
        From `nearest_neighbours`.
    labels : array, int32, shape (n_levels, n_points)
        -1 for noise.
    thresholds : array, float64, shape (n_levels,)
        1 - radius; in any order.

    Returns
    -------
    list of lists of sparse arrays, bool, shape (n_clusters, n_points of the participant)
        ``[level][participant]``. Masks of one level may overlap.
    """
    n_participants = len(points.names)
    pairs: list[list[NDArray]] = [[] for _ in range(n_participants)]
    near = between > thresholds.min() - products.tolerance

    def work(job: tuple[int, NDArray, slice], buffer: NDArray) -> None:
        own, members, columns = job
        new = _neighbours(points, products, near, labels, thresholds, members, columns, buffer)
        with products.lock:
            pairs[own] += new

    products.run(_jobs(points, labels), work)
    joint = [np.concatenate([np.empty((0, 3), np.int32), *new]) for new in pairs]
    n_clusters = labels.max(1, initial=-1) + 1
    return [[_mask(level, own, points, labels, joint[own], n_clusters[level])
             for own in range(n_participants)] for level in range(len(labels))]


def _jobs(points: PointCloud, labels: NDArray) -> Iterator[tuple[int, NDArray, slice]]:
    """Yield a participant's cluster members, sorted by cluster, and a slice of its points."""
    for own, (first, last) in enumerate(zip(points.starts, points.starts[1:])):
        members = first + np.flatnonzero((labels[:, first:last] >= 0).any(0))
        members = members[np.lexsort((members, *labels[:, members]))]
        if len(members):
            for columns in blocks(first, last, blocked.COLUMNS):
                yield own, members, columns


def _neighbours(points: PointCloud, products: BlockwiseCosine, near: NDArray, labels: NDArray,
                thresholds: NDArray, members: NDArray, span: slice,
                buffer: NDArray) -> list[NDArray]:
    """Return (level, cluster, point) for a participant's neighbours of cluster members."""
    low = np.float32(thresholds.min() - products.tolerance)
    everyone = np.arange(span.start, span.stop)
    latest = np.full((len(labels), len(everyone)), -1, np.int32)
    pairs = np.empty((max(MAX_PAIRS, latest.size), 3), np.int32)
    pieces = []
    for piece in blocks(0, len(members), blocked.ROWS):
        rows = members[piece]
        row_labels = np.ascontiguousarray(labels[:, rows].T)
        candidate = near[np.unique(points.group[rows])].any(0)[points.group[span]]
        if (row_labels == row_labels[0]).all():  # one cluster: leave out points already in its mask
            inside = row_labels[0] >= 0
            candidate &= (latest[inside] != row_labels[0, inside, None]).any(0)
        if not candidate.any():
            continue
        columns, row = everyone[candidate], 0
        cosines, known = products.cosines(rows, columns, buffer), latest[:, candidate]
        while row < len(rows):
            n, row = _collect(cosines, row, low, row_labels, thresholds, products.tolerance,
                              products.vectors, rows, columns, known, pairs)
            pieces.append(pairs[:n].copy())
        latest[:, candidate] = known
    return pieces


@compile_kernel
def _collect(cosines, row, low, labels, thresholds, tolerance, vectors, rows, columns, latest,
             pairs):
    """Collect pairs of cluster and point for groups of rows, until ``pairs`` is full.

    A group: consecutive rows with the same labels at all levels. Returns the number of pairs and
    the row at which to continue.
    """
    n_rows, n_columns = cosines.shape
    n, best = 0, np.empty(n_columns, np.float32)
    while row < n_rows and n + labels.shape[1] * n_columns <= len(pairs):
        best[:] = cosines[row]
        last = row + 1
        while last < n_rows and (labels[last] == labels[row]).all():
            for c in range(n_columns):
                best[c] = max(best[c], cosines[last, c])
            last += 1
        for c in range(n_columns):
            if best[c] <= low:
                continue
            for a in range(labels.shape[1]):
                label = labels[row, a]
                if label < 0 or latest[a, c] == label:
                    continue
                if _above(best[c], thresholds[a], tolerance, cosines[row:last, c], vectors,
                          rows[row:last], columns[c]):
                    latest[a, c] = label
                    pairs[n, 0], pairs[n, 1], pairs[n, 2] = a, label, columns[c]
                    n += 1
        row = last
    return n, row


@compile_kernel
def _above(best, threshold, tolerance, cosines, vectors, rows, point):
    """Return whether the largest cosine of a group with a point is above a threshold."""
    if abs(best - threshold) > tolerance:
        return best > threshold
    for i in range(len(rows)):
        if cosines[i] > threshold - tolerance and dot(vectors[rows[i]], vectors[point]) > threshold:
            return True
    return False


def _mask(level: int, own: int, points: PointCloud, labels: NDArray, pairs: NDArray,
          n_clusters: int) -> csr_array:
    """Return the masks of one level and participant, members included, in the input's order."""
    first, last = points.starts[own], points.starts[own + 1]
    inside = first + np.flatnonzero(labels[level, first:last] >= 0)
    new = pairs[pairs[:, 0] == level]
    cluster = np.append(labels[level, inside], new[:, 1])
    row = points.rows[own][np.append(inside, new[:, 2]) - first]
    mask = csr_array((np.ones(len(row), bool), (cluster, row)),
                     shape=(n_clusters, points.sizes[own]))
    mask.sum_duplicates()
    return mask
