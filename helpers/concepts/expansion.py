"""Expansion of clusters: all points close to a cluster's members of the same participant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.concepts.point_cloud import PointCloud
from helpers.core.compiled import compile_kernel


def expand(points: PointCloud, products: BlockwiseCosine, labels: NDArray[np.int32],
           thresholds: NDArray[np.float64]) -> list[list[csr_array]]:
    """Return every cluster's expanded mask, for every level and participant.

    Point x of participant s belongs to cluster c if it is a member, or if its cosine to any member
    of c in s is above the level's threshold; in a single step (authors' clustering code).

    Parameters
    ----------
    points, products : PointCloud, BlockwiseCosine
    labels : array, int32, shape (n_levels, n_points)
        -1 for noise.
    thresholds : array, float64, shape (n_levels,)
        1 - radius; in any order.

    Returns
    -------
    list of lists of sparse arrays, bool, shape (n_clusters, n_points of the participant)
        ``[level][participant]``. Masks of one level may overlap.
    """
    found = []

    def work(job: tuple[NDArray, slice], buffer: NDArray) -> None:
        members, columns = job
        inside = np.zeros((len(labels), labels.max() + 1, columns.stop - columns.start), bool)
        for piece in blocks(0, len(members), blocked.ROWS):
            rows = members[piece]
            _include(products.cosines(rows, columns, buffer), rows, columns.start, labels,
                     thresholds, products.tolerance, products.vectors, inside)
        level, cluster, column = np.nonzero(inside)
        with products.lock:
            found.append((level, cluster, points.position[columns.start + column]))

    def jobs() -> Iterator[tuple[NDArray, slice]]:
        """Yield a participant's cluster members, and a slice of its points."""
        for first, last in pairwise(points.starts):
            members = first + np.flatnonzero((labels[:, first:last] >= 0).any(0))
            if len(members):
                yield from ((members, columns) for columns in blocks(first, last, blocked.COLUMNS))

    products.run(jobs(), work)
    levels, clusters, places = np.concatenate([np.empty((3, 0), int), *found], axis=1)
    ends, masks = np.cumsum([0, *points.sizes]), []
    for level, label in enumerate(labels):
        pairs = clusters[levels == level], places[levels == level]
        whole = csr_array((np.ones(len(pairs[0]), bool), pairs),
                          shape=(label.max(initial=-1) + 1, ends[-1]))
        masks.append([whole[:, first:last] for first, last in pairwise(ends)])
    return masks


@compile_kernel
def _include(cosines, rows, start, labels, thresholds, tolerance, vectors, inside):
    """Include, in place, members and the points near them, at each level."""
    low = np.float32(thresholds.min() - tolerance)
    for r in range(len(rows)):
        p = rows[r]
        for c in range(cosines.shape[1]):
            if cosines[r, c] > low:
                for a in range(len(labels)):
                    label = labels[a, p]
                    if label >= 0 and not inside[a, label, c]:
                        inside[a, label, c] = p == start + c or exact_level(
                            cosines[r, c], thresholds[a:a + 1], 0, tolerance, vectors[p],
                            vectors[start + c]) == 0
