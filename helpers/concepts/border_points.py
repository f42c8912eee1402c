"""Third pass: assignment of border points, which are neighbours of core points, to clusters.

A point that is not core at a level has neighbours in fewer than m other participants. So its
cosines are needed only with the points of those few and of its own participant.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.concepts.core_components import STRIDE
from helpers.concepts.point_cloud import PointCloud
from helpers.core.compiled import compile_kernel


def border_clusters(points: PointCloud, products: BlockwiseCosine, levels: NDArray[np.int16],
                    core: NDArray[np.int16], apart: NDArray[np.int16],
                    firsts: NDArray[np.int32],
                    thresholds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return, for each border point, the last cluster of which a core point is its neighbour.

    A cluster is identified by its first core point, and clusters are numbered in the order of
    these: the highest number wins (rule 4 of `helpers.concepts.clustering`).

    Parameters
    ----------
    points, products : PointCloud, BlockwiseCosine
    levels : array, int16, shape (n_points, n_participants)
        From `neighbour_levels`.
    core : array, int16, shape (n_points,)
        Level from which a point is core.
    apart : array, int16, shape (n_all_groups, n_all_groups)
        From `group_levels`.
    firsts : array, int32, shape (n_levels, n_points)
        From `CoreComponents.first_cores`.
    thresholds : array, float64, shape (n_levels,)

    Returns
    -------
    array, int32, shape (n_levels, n_points)
        Position in the input of that cluster's first core point; -1 for core points and noise.
    """
    best = np.full(firsts.shape, -1, np.int32)

    def work(job: tuple[NDArray, NDArray], buffer: NDArray) -> None:
        rows, others = job
        raised = np.full((len(thresholds), len(rows)), -1, np.int32)
        for piece in blocks(0, len(others), blocked.COLUMNS):
            columns = others[piece]
            _raise_last_cluster(products.cosines(rows, columns, buffer), rows, columns, core,
                                firsts[:, columns], thresholds, products.tolerance,
                                products.vectors, raised)
        with products.lock:
            best[:, rows] = np.maximum(best[:, rows], raised)

    products.run(_jobs(points, levels, core, apart), work)
    return best


def _jobs(points: PointCloud, levels: NDArray, core: NDArray,
          apart: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield points, and the points of one participant that may be core neighbours of them."""
    group = points.group
    order = np.lexsort((group % points.n_groups, core))
    for other, (first, last) in enumerate(zip(points.starts, points.starts[1:])):
        rows = order[levels[order, other] < core[order]]
        for piece in blocks(0, len(rows), blocked.ROWS):
            block = rows[piece]
            reach = apart[np.unique(group[block])].min(0)[group[first:last]]
            late = core[block[-1]]  # level at which the last of the rows becomes core
            columns = first + np.flatnonzero((core[first:last] < late) & (reach < late))
            if len(columns):
                yield block, columns


@compile_kernel
def _raise_last_cluster(cosines, rows, columns, core, firsts, thresholds, tolerance, vectors, best):
    """Raise, in place, the last cluster in which each row has a neighbour, at each level."""
    n_rows, n_columns = cosines.shape
    for r in range(n_rows):
        line, p = cosines[r], rows[r]
        low = np.float32(thresholds[core[p] - 1] - tolerance)
        for start in range(0, n_columns, STRIDE):
            stop = min(start + STRIDE, n_columns)
            top = low
            for c in range(start, stop):
                top = max(top, line[c])
            if top <= low:
                continue
            for c in range(start, stop):
                q = columns[c]
                if line[c] <= low or core[q] >= core[p]:
                    continue
                if _cannot_raise(firsts, best, core[q], core[p], r, c):
                    continue
                level = exact_level(line[c], thresholds, core[q], tolerance, vectors[p], vectors[q])
                for a in range(level, core[p]):
                    best[a, r] = max(best[a, r], firsts[a, c])


@compile_kernel
def _cannot_raise(firsts, best, level, end, row, column):
    """Return whether a row already has this column's cluster or a later one, at all levels."""
    for a in range(level, end):
        if firsts[a, column] > best[a, row]:
            return False
    return True
