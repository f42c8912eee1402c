"""Third pass: assignment of border points, which are neighbours of core points, to clusters.

A point that is not core at a level has neighbours in fewer than m other participants. So its
cosines are needed only with the points of those few and of its own participant.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.core.compiled import compile_kernel


def border_clusters(starts: NDArray[np.int64], products: BlockwiseCosine,
                    levels: NDArray[np.int16], core: NDArray[np.int16], firsts: NDArray[np.int32],
                    thresholds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return, for each border point, the last cluster of which a core point is its neighbour.

    A cluster is identified by its first core point, and clusters are numbered in the order of
    these: the highest number wins (rule 4 of `helpers.concepts.clustering`).

    Parameters
    ----------
    starts : array, int64, shape (n_participants + 1,)
        Of `PointCloud`.
    products : BlockwiseCosine
    levels : array, int16, shape (n_points, n_participants)
        Of `Nearest`.
    core : array, int16, shape (n_points,)
        Level from which a point is core.
    firsts : array, int32, shape (n_levels, n_points)
        From `first_cores`.
    thresholds : array, float64, shape (n_levels,)

    Returns
    -------
    array, int32, shape (n_levels, n_points)
        That cluster's first core point; -1 for core points and noise.
    """
    best = np.full(firsts.shape, -1, np.int32)

    def jobs() -> Iterator[tuple[NDArray, NDArray]]:
        """Yield points, and those points of one participant that may be core neighbours."""
        order = np.argsort(core, kind="stable")
        for other, (first, last) in enumerate(pairwise(starts)):
            rows = order[levels[order, other] < core[order]]
            for piece in blocks(0, len(rows), blocked.ROWS):
                late = core[rows[piece][-1]]  # level at which the last of the rows becomes core
                yield rows[piece], first + np.flatnonzero(core[first:last] < late)

    def work(job: tuple[NDArray, NDArray], buffer: NDArray) -> None:
        rows, others = job
        found = best[:, rows]
        for piece in blocks(0, len(others), blocked.COLUMNS):
            columns = others[piece]
            _raise_last_cluster(products.cosines(rows, columns, buffer), rows, columns, core,
                                firsts[:, columns], thresholds, products.tolerance,
                                products.vectors, found)
        with products.lock:
            best[:, rows] = np.maximum(best[:, rows], found)

    products.run(jobs(), work)
    return best


@compile_kernel
def _raise_last_cluster(cosines, rows, columns, core, firsts, thresholds, tolerance, vectors, best):
    """Raise, in place, the last cluster in which each row has a neighbour, at each level."""
    for r in range(len(rows)):
        p = rows[r]
        low = np.float32(thresholds[core[p] - 1] - tolerance)
        for c in range(len(columns)):
            q = columns[c]
            if cosines[r, c] > low and core[q] < core[p]:
                level = exact_level(cosines[r, c], thresholds, core[q], tolerance, vectors[p],
                                    vectors[q])
                for a in range(level, core[p]):
                    best[a, r] = max(best[a, r], firsts[a, c])
