"""Second pass: connected components of core points at every level, by union-find.

Two core points are linked from the level at which both are core and their cosine exceeds the
threshold. Components are nested, so a pair in one component at the level where it would be linked
changes nothing. Links to nearest neighbours, known from the first pass, make most of the
components; further cosines are computed only between different components, from the level on at
which their groups of points can be linked at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.concepts.neighbours import Nearest
from helpers.concepts.point_cloud import PointCloud
from helpers.concepts.union_find import find, roots_of, union
from helpers.core.compiled import compile_kernel

MAX_LINKS = 16
"""Capacity, in rows of a block, of the list of links that are joined together."""
STRIDE = 64
"""Cosines whose maximum is compared with the threshold before each single one is."""


@compile_kernel
def join_points(forest, level, first, second):
    """Join two points, in place, at all levels from one on."""
    for a in range(level, forest.shape[0]):
        if not union(forest[a], first, second):
            return


@compile_kernel
def _join_nearest(forest, cosine, index, core, thresholds, tolerance):
    """Join points, in place, to nearest neighbours certainly above the threshold."""
    n_levels = len(thresholds)
    for p in range(len(core)):
        for j in range(cosine.shape[1]):
            if core[p] == n_levels or index[p, j] < 0:
                continue
            level = max(core[p], core[index[p, j]])
            while level < n_levels and cosine[p, j] <= thresholds[level] + tolerance:
                level += 1
            join_points(forest, level, p, index[p, j])


@compile_kernel
def _links(cosines, row, level, low, thresholds, tolerance, row_roots, column_roots, links):
    """Collect pairs that may join components, from ``row`` on, until ``links`` is full.

    Returns the number of pairs and the row at which to continue.
    """
    n_rows, n_columns = cosines.shape
    n = 0
    while row < n_rows and n + n_columns <= len(links):
        line = cosines[row]
        for first in range(0, n_columns, STRIDE):
            last = min(first + STRIDE, n_columns)
            best = low
            for c in range(first, last):
                best = max(best, line[c])
            if best <= low:
                continue
            for c in range(first, last):
                if line[c] <= low:
                    continue
                a = level
                while a < len(thresholds) and line[c] <= thresholds[a] - tolerance:
                    a += 1
                if a < len(thresholds) and row_roots[a - level, row] != column_roots[a - level, c]:
                    links[n, 0], links[n, 1] = row, c
                    n += 1
        row += 1
    return n, row


@compile_kernel
def _join(forest, level, thresholds, tolerance, vectors, rows, columns, cosines, links):
    """Join pairs, in place, each from the level on at which it is linked."""
    for i in range(len(links)):
        r, c = links[i]
        p, q = rows[r], columns[c]
        if find(forest[level], p) != find(forest[level], q):
            a = exact_level(cosines[r, c], thresholds, level, tolerance, vectors[p], vectors[q])
            join_points(forest, a, p, q)


class CoreComponents:
    """Connected components of the core points at every level.

    Parameters
    ----------
    points, products, nearest : PointCloud, BlockwiseCosine, Nearest
    core : array, int16, shape (n_points,)
        Level from which each point is core; n_levels for never.
    apart : array, int16, shape (n_all_groups, n_all_groups)
        From `group_levels`.
    thresholds : array, float64, shape (n_levels,)
        Decreasing; linked points have a cosine above it.
    """

    def __init__(self, points: PointCloud, products: BlockwiseCosine, nearest: Nearest,
                 core: NDArray[np.int16], apart: NDArray[np.int16],
                 thresholds: NDArray[np.float64]) -> None:
        self.points, self.products, self.core = points, products, core
        self.apart, self.thresholds = apart, thresholds
        self.forest = np.tile(np.arange(len(core), dtype=np.int32), (len(thresholds), 1))
        _join_nearest(self.forest, nearest.cosine, nearest.index, core, thresholds,
                      products.tolerance)
        for level in range(len(thresholds)):
            products.run(self._jobs(level), self._work)

    def first_cores(self) -> NDArray[np.int32]:
        """Return the position in the input of the first core point of each point's component.

        Shape (n_levels, n_points); -1 where a point is not core.
        """
        roots, position = roots_of(self.forest, 0, np.arange(len(self.core))), self.points.position
        firsts = np.full(roots.shape, -1, np.int32)
        for level, own in enumerate(roots):
            inside = np.flatnonzero(self.core <= level)
            first = np.full(len(own), np.iinfo(np.int32).max, np.int32)
            np.minimum.at(first, own[inside], position[inside])
            firsts[level, inside] = first[own[inside]]
        return firsts

    def _jobs(self, level: int) -> Iterator[tuple[int, NDArray, NDArray]]:
        """Yield points that become core at a level, and core points that may be linked to them."""
        members = np.flatnonzero(self.core <= level)
        roots = roots_of(self.forest[:level + 1], level, members)[0]
        size = np.bincount(roots)[roots] if len(roots) else roots
        big = size >= blocked.ROWS // 4  # blocks of one large component each, the largest last
        pivot = self.points.group[members] % self.points.n_groups
        order = np.lexsort((members, pivot, np.where(big, roots, 0), np.where(big, size, 0)))
        members, component = members[order], np.where(big, roots, -1)[order]
        new = self.core[members] == level
        place = np.flatnonzero(new)
        for rows in _pieces(component[new]):
            columns = ~new
            columns[place[rows.start]:] = True
            others = self._unjoined(level, members[place[rows]], members[columns])
            if len(others):
                yield level, members[place[rows]], others

    def _unjoined(self, level: int, rows: NDArray, others: NDArray) -> NDArray:
        """Return points that may be linked to some of the rows and are not joined to all yet."""
        row_roots, roots = self._roots(level, rows, others)
        group = self.points.group
        reach = self.apart[np.unique(group[rows])].min(0)[group[others]]
        reach = np.maximum(reach, level) - level
        near = reach < len(roots)
        others, reach, roots = others[near], reach[near], roots[:, near]
        together = (row_roots == row_roots[:, :1]).all(1)
        joined = together[reach] & (roots[reach, np.arange(len(others))] == row_roots[reach, 0])
        return others[~joined]

    def _work(self, job: tuple[int, NDArray, NDArray], buffer: NDArray) -> None:
        """Join rows to all others that may be linked to them, block by block."""
        level, rows, others = job
        for piece in blocks(0, len(others), blocked.COLUMNS):
            columns = self._unjoined(level, rows, others[piece])
            row_roots, column_roots = self._roots(level, rows, columns)
            apart = np.flatnonzero((row_roots != row_roots[:, :1]).any(1)
                                   | (column_roots != row_roots[:, :1]).any(1))
            if len(apart):
                low = self.thresholds[level + apart[-1]] - self.products.tolerance
                self._join_block(level, np.float32(low), rows, columns, row_roots, column_roots,
                                 buffer)

    def _join_block(self, level: int, low: np.float32, rows: NDArray, columns: NDArray,
                    row_roots: NDArray, column_roots: NDArray, buffer: NDArray) -> None:
        """Join a block, a few rows at a time, so that later rows skip pairs already joined."""
        tolerance = self.products.tolerance
        cosines = self.products.cosines(rows, columns, buffer)
        links = np.empty((MAX_LINKS * len(columns), 2), np.int32)
        row = 0
        while row < len(rows):
            n, row = _links(cosines, row, level, low, self.thresholds, tolerance, row_roots,
                            column_roots, links)
            if n:
                with self.products.lock:
                    _join(self.forest, level, self.thresholds, tolerance, self.products.vectors,
                          rows, columns, cosines, links[:n])
                    row_roots, column_roots = self._roots(level, rows, columns)

    def _roots(self, level: int, rows: NDArray, columns: NDArray) -> tuple[NDArray, NDArray]:
        """Return the current roots of rows and columns from a level on."""
        with self.products.lock:
            return (roots_of(self.forest, level, rows), roots_of(self.forest, level, columns))


def _pieces(component: NDArray) -> Iterator[slice]:
    """Yield blocks of points, each inside or outside of one large component."""
    edges = [0, *(np.flatnonzero(np.diff(component)) + 1), len(component)]
    for first, last in zip(edges, edges[1:]):
        yield from blocks(first, last, blocked.ROWS)
