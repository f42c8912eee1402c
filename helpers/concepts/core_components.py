"""Second pass: connected components of core points at every level, by union-find.

Two core points are linked from the level at which both are core and their cosine exceeds the
threshold. Components are nested, so a pair in one component at the level where it would be linked
changes nothing. Links to nearest neighbours, known from the first pass, make most of the
components; further cosines are computed only between different components.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.concepts.neighbours import Nearest
from helpers.concepts.union_find import find, roots_of, union
from helpers.core.compiled import compile_kernel

MAX_LINKS = 16
"""Capacity, in rows of a block, of the list of links that are joined together."""


def first_cores(products: BlockwiseCosine, nearest: Nearest, core: NDArray[np.int16],
                thresholds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the first core point of the component of each core point, at every level.

    Parameters
    ----------
    products, nearest : BlockwiseCosine, Nearest
    core : array, int16, shape (n_points,)
        Level from which each point is core; n_levels for never.
    thresholds : array, float64, shape (n_levels,)
        Decreasing; linked points have a cosine above it.

    Returns
    -------
    array, int32, shape (n_levels, n_points)
        -1 where a point is not core.
    """
    levels = np.arange(len(thresholds))
    forest = np.tile(np.arange(len(core), dtype=np.int32), (len(levels), 1))
    _join_nearest(forest, nearest.cosine, nearest.index, core, thresholds + products.tolerance)

    def work(job: tuple[int, NDArray, NDArray], buffer: NDArray) -> None:
        level, rows, others = job
        for piece in blocks(0, len(others), blocked.COLUMNS):
            with products.lock:
                columns = _unjoined(forest, level, rows, others[piece])
            if len(columns):
                _join_block(products, forest, level, rows, columns, thresholds, buffer)

    for level in levels:
        products.run(_jobs(products, forest, core, level), work)
    return np.where(core <= levels[:, None], roots_of(forest, 0, np.arange(len(core))), -1)


def _jobs(products: BlockwiseCosine, forest: NDArray, core: NDArray,
          level: int) -> Iterator[tuple[int, NDArray, NDArray]]:
    """Yield points that become core at a level, and core points that may be linked to them."""
    members = np.flatnonzero(core <= level)
    roots = roots_of(forest[:level + 1], level, members)[0]
    large = np.bincount(roots, minlength=1)[roots] >= blocked.ROWS // 4
    component = np.where(large, roots, -1)  # a block has points of one large component, or of none
    order = np.argsort(component, kind="stable")
    members, component = members[order], component[order]
    old, is_new = members[core[members] < level], core[members] == level
    new = members[is_new]
    edges = np.flatnonzero(np.diff(component[is_new], prepend=-2, append=-2))
    for first, last in pairwise(edges):
        for rows in blocks(first, last, blocked.ROWS):
            yield level, new[rows], np.concatenate([old, new[rows.start:]])


def _unjoined(forest: NDArray, level: int, rows: NDArray, others: NDArray) -> NDArray:
    """Return the points that are not joined to all rows yet."""
    row_roots, roots = (roots_of(forest[:level + 1], level, points)[0] for points in (rows, others))
    return others[(roots != row_roots[0]) | (row_roots != row_roots[0]).any()]


def _join_block(products: BlockwiseCosine, forest: NDArray, level: int, rows: NDArray,
                columns: NDArray, thresholds: NDArray, buffer: NDArray) -> None:
    """Join a block, a few rows at a time, so that later rows skip pairs already joined."""
    cosines, row = products.cosines(rows, columns, buffer), 0
    links = np.empty((MAX_LINKS * len(columns), 2), np.int32)
    while row < len(rows):
        with products.lock:
            roots = (roots_of(forest, level, rows), roots_of(forest, level, columns))
        n, row = _links(cosines, row, *roots, thresholds[level:] - products.tolerance, links)
        with products.lock:
            _join(forest, level, thresholds, products.tolerance, products.vectors, rows, columns,
                  cosines, links[:n])


@compile_kernel
def join_points(forest, level, first, second):
    """Join two points, in place, at all levels from one on."""
    for a in range(level, forest.shape[0]):
        if not union(forest[a], first, second):
            return


@compile_kernel
def _join_nearest(forest, cosine, index, core, certain):
    """Join points, in place, to nearest neighbours; ``certain``: thresholds, with tolerance."""
    for p in range(len(core)):
        for j in range(cosine.shape[1]):
            if index[p, j] >= 0:
                level = max(core[p], core[index[p, j]])
                while level < len(certain) and cosine[p, j] <= certain[level]:
                    level += 1
                join_points(forest, level, p, index[p, j])


@compile_kernel
def _links(cosines, row, row_roots, column_roots, possible, links):
    """Collect pairs that may join components, from ``row`` on, until ``links`` is full.

    ``possible``: thresholds less tolerance. Returns the number of pairs and the next row.
    """
    n, low = 0, np.float32(possible[-1])
    while row < len(cosines) and n + cosines.shape[1] <= len(links):
        for c in range(cosines.shape[1]):
            if cosines[row, c] > low:
                a = 0
                while a < len(possible) and cosines[row, c] <= possible[a]:
                    a += 1
                if a < len(possible) and row_roots[a, row] != column_roots[a, c]:
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
