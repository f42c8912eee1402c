"""Epsilon expansion: what lies close to a cluster's members, in each participant that has some."""

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
"""Room, in pairs of a cluster and a point, of what one reading of a block returns."""


def expanded(points: PointCloud, products: BlockwiseCosine, between: NDArray[np.float32],
             labels: NDArray[np.int32], thresholds: NDArray[np.float64]) -> list[list[csr_array]]:
    """Return every cluster's expanded mask, for every level and participant.

    Point x of participant s belongs to cluster c if it is a member, or if its cosine to any member
    of c in s is above the level's threshold; one step, no recursion (authors' clustering code).

    Parameters
    ----------
    points, products : PointCloud, Products
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
    found: list[list[NDArray]] = [[] for _ in range(n_participants)]
    near = between > thresholds.min() - products.tolerance

    def work(job: tuple[int, NDArray, slice], space: NDArray) -> None:
        own, members, columns = job
        pieces = _beside(points, products, near, labels, thresholds, members, columns, space)
        with products.lock:
            found[own] += pieces

    products.share(_jobs(points, labels), work)
    n_clusters = labels.max(1, initial=-1) + 1
    return [[_mask(level, own, points, labels, found, n_clusters[level])
             for own in range(n_participants)] for level in range(len(labels))]


def _jobs(points: PointCloud, labels: NDArray) -> Iterator[tuple[int, NDArray, slice]]:
    """Yield participants' members, those of the same clusters together, and some of all points."""
    for own, (first, last) in enumerate(zip(points.starts, points.starts[1:])):
        members = first + np.flatnonzero((labels[:, first:last] >= 0).any(0))
        members = members[np.lexsort((members, *labels[:, members]))]
        if len(members):
            for columns in blocks(first, last, blocked.COLUMNS):
                yield own, members, columns


def _beside(points: PointCloud, products: BlockwiseCosine, near: NDArray, labels: NDArray,
            thresholds: NDArray, members: NDArray, span: slice, space: NDArray) -> list[NDArray]:
    """Return (level, cluster, point) for the points beside one participant's members."""
    low = np.float32(thresholds.min() - products.tolerance)
    everybody = np.arange(span.start, span.stop)
    latest = np.full((len(labels), len(everybody)), -1, np.int32)
    pairs = np.empty((max(MAX_PAIRS, latest.size), 3), np.int32)
    pieces = []
    for piece in blocks(0, len(members), blocked.ROWS):
        rows = members[piece]
        names = np.ascontiguousarray(labels[:, rows].T)
        wanted = near[np.unique(points.group[rows])].any(0)[points.group[span]]
        if (names == names[0]).all():  # one group of members: beside which points not yet known?
            inside = names[0] >= 0
            wanted &= (latest[inside] != names[0, inside, None]).any(0)
        if not wanted.any():
            continue
        columns, row = everybody[wanted], 0
        cosines, known = products.cosines(rows, columns, space), latest[:, wanted]
        while row < len(rows):
            n, row = _near(cosines, row, low, names, thresholds, products.tolerance,
                           products.vectors, rows, columns, known, pairs)
            pieces.append(pairs[:n].copy())
        latest[:, wanted] = known
    return pieces


@compile_kernel
def _near(cosines, row, low, names, thresholds, tolerance, vectors, rows, columns, latest, near):
    """Write pairs of cluster and point for groups of rows, until ``near`` is full.

    A group: neighbouring rows with the same labels at all levels. Returns how many were written
    and the row to go on with.
    """
    n_rows, n_columns = cosines.shape
    n, best = 0, np.empty(n_columns, np.float32)
    while row < n_rows and n + names.shape[1] * n_columns <= len(near):
        best[:] = cosines[row]
        last = row + 1
        while last < n_rows and (names[last] == names[row]).all():
            for c in range(n_columns):
                best[c] = max(best[c], cosines[last, c])
            last += 1
        for c in range(n_columns):
            if best[c] <= low:
                continue
            for a in range(names.shape[1]):
                label = names[row, a]
                if label < 0 or latest[a, c] == label:
                    continue
                if _above(best[c], thresholds[a], tolerance, cosines[row:last, c], vectors,
                          rows[row:last], columns[c]):
                    latest[a, c] = label
                    near[n, 0], near[n, 1], near[n, 2] = a, label, columns[c]
                    n += 1
        row = last
    return n, row


@compile_kernel
def _above(best, threshold, tolerance, cosines, vectors, rows, point):
    """Tell whether the largest cosine of a group to a point is above a threshold."""
    if abs(best - threshold) > tolerance:
        return best > threshold
    for i in range(len(rows)):
        if cosines[i] > threshold - tolerance and dot(vectors[rows[i]], vectors[point]) > threshold:
            return True
    return False


def _mask(level: int, own: int, points: PointCloud, labels: NDArray, found: list[list[NDArray]],
          n_clusters: int) -> csr_array:
    """Return one level's masks of one participant, members included, on the rows of the input."""
    first, last = points.starts[own], points.starts[own + 1]
    inside = first + np.flatnonzero(labels[level, first:last] >= 0)
    cluster, point = [labels[level, inside]], [inside]
    for piece in found[own]:
        here = piece[piece[:, 0] == level]
        cluster.append(here[:, 1])
        point.append(here[:, 2])
    row = points.rows[own][np.concatenate(point) - first]
    cluster = np.concatenate(cluster)
    mask = csr_array((np.ones(len(row), bool), (cluster, row)),
                     shape=(n_clusters, points.sizes[own]))
    mask.sum_duplicates()
    return mask
