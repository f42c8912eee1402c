"""First pass: each point's nearest neighbour in every participant, and its level of support."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, dot
from helpers.concepts.point_cloud import PointCloud
from helpers.core.compiled import compile_kernel

NO_NEIGHBOUR = -2.0
"""Cosine with the nearest neighbour where a participant has no other point."""


@dataclass(frozen=True)
class Nearest:
    """Nearest neighbours of every point in every participant, its own included.

    Attributes
    ----------
    cosine : array, float32, shape (n_points, n_participants)
        Largest cosine with another point of the participant; `NO_NEIGHBOUR` if it has none.
    index : array, int32, same shape
        The point with that cosine; -1 for none.
    between : array, float32, shape (n_all_groups, n_all_groups)
        Largest cosine between points of two groups; `NO_NEIGHBOUR` if there is no pair.
    """

    cosine: NDArray[np.float32]
    index: NDArray[np.int32]
    between: NDArray[np.float32]


def nearest_neighbours(points: PointCloud, products: BlockwiseCosine) -> Nearest:
    """Return the nearest neighbours, in one pass over all unordered pairs of participants.

    Parameters
    ----------
    points : PointCloud
    products : BlockwiseCosine
        Of the same points.
    """
    shape = len(points.vectors), len(points.names)
    n_groups = points.n_groups * len(points.names)
    nearest = Nearest(np.full(shape, NO_NEIGHBOUR, np.float32), np.full(shape, -1, np.int32),
                      np.full((n_groups, n_groups), NO_NEIGHBOUR, np.float32))

    def update(rows: slice, other: int, cosine: NDArray, index: NDArray, first: int) -> None:
        known = nearest.cosine[rows, other]
        better = cosine > known
        known[better] = cosine[better]
        nearest.index[rows, other][better] = index[better] + first

    def work(job: tuple[int, int, slice, slice], buffer: NDArray) -> None:
        own, other, rows, columns = job
        cosines = products.cosines(rows, columns, buffer)
        if own == other:
            _mask_self_pairs(cosines, rows.start, columns.start)
        known, index = nearest.cosine[rows, other].copy(), np.empty(cosines.shape[0], np.int32)
        column_best = np.full(cosines.shape[1], NO_NEIGHBOUR, np.float32)
        column_index = np.zeros(cosines.shape[1], np.int32)
        row_group, column_group = points.group[rows], points.group[columns]
        high, wide = (slice(group[0], group[-1] + 1) for group in (row_group, column_group))
        between = np.full_like(nearest.between[high, wide], NO_NEIGHBOUR)
        _maxima(cosines, row_group - high.start, column_group - wide.start, known, index,
                column_best, column_index, between)
        with products.lock:
            update(rows, other, known, index, columns.start)
            update(columns, own, column_best, column_index, rows.start)
            np.maximum(nearest.between[high, wide], between, out=nearest.between[high, wide])

    products.run(_pairs(points), work)
    np.maximum(nearest.between, nearest.between.T, out=nearest.between)
    return nearest


def _pairs(points: PointCloud) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield blocks of all unordered pairs of participants, on or above the diagonal."""
    starts, n_participants = points.starts, len(points.names)
    for own in range(n_participants):
        for rows in blocks(starts[own], starts[own + 1], blocked.ROWS):
            for other in range(own, n_participants):
                first = rows.start if other == own else starts[other]
                for columns in blocks(first, starts[other + 1], blocked.COLUMNS):
                    yield own, other, rows, columns


@compile_kernel
def _mask_self_pairs(cosines, row, column):
    """Replace, in place, the cosines of points with themselves by `NO_NEIGHBOUR`."""
    for r in range(cosines.shape[0]):
        c = row + r - column
        if 0 <= c < cosines.shape[1]:
            cosines[r, c] = NO_NEIGHBOUR


@compile_kernel
def _maxima(cosines, row_group, column_group, row_best, row_index, column_best, column_index,
            between):
    """Update, in place, the largest cosines of rows, columns and groups, and their indices.

    ``row_group``, ``column_group``: increasing.
    """
    n_rows, n_columns = cosines.shape
    for r in range(n_rows):
        line, best, first = cosines[r], np.float32(NO_NEIGHBOUR), 0
        while first < n_columns:
            last, group = first, column_group[first]
            top = np.float32(NO_NEIGHBOUR)
            while last < n_columns and column_group[last] == group:
                last += 1
            for c in range(first, last):
                better = line[c] > column_best[c]
                column_best[c] = line[c] if better else column_best[c]
                column_index[c] = r if better else column_index[c]
                top = max(top, line[c])
            between[row_group[r], group] = max(between[row_group[r], group], top)
            best, first = max(best, top), last
        if best > row_best[r]:
            row_best[r] = best
            for c in range(n_columns):
                if line[c] == best:
                    row_index[r] = c
                    break


def neighbour_levels(points: PointCloud, products: BlockwiseCosine, nearest: Nearest,
                     thresholds: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the first level whose threshold the nearest neighbour in each participant exceeds.

    Cosines within float32 rounding of a threshold are recomputed in float64.

    Parameters
    ----------
    points, products, nearest : PointCloud, BlockwiseCosine, Nearest
    thresholds : array, float64, shape (n_levels,)
        Decreasing: 1 - eps for increasing eps.

    Returns
    -------
    array, int16, shape (n_points, n_participants)
        0 ... n_levels - 1, or n_levels for none.
    """
    cosine = nearest.cosine.astype(np.float64)
    uncertain = np.zeros(cosine.shape, bool)
    for threshold in thresholds:
        uncertain |= np.abs(cosine - threshold) <= products.tolerance

    def jobs() -> Iterator[tuple[int, NDArray]]:
        for other in range(cosine.shape[1]):
            rows = np.flatnonzero(uncertain[:, other])
            for piece in blocks(0, len(rows), blocked.ROWS):
                yield other, rows[piece]

    def work(job: tuple[int, NDArray], buffer: NDArray) -> None:
        other, rows = job
        best = np.full(len(rows), float(NO_NEIGHBOUR))
        lowest = (nearest.cosine[rows, other] - 3 * products.tolerance).astype(np.float32)
        for columns in blocks(points.starts[other], points.starts[other + 1], blocked.COLUMNS):
            _exact_maxima(products.cosines(rows, columns, buffer), points.vectors, rows,
                          columns.start, lowest, best)
        cosine[rows, other] = best

    products.run(jobs(), work)
    return sum((cosine <= threshold).astype(np.int16) for threshold in thresholds)


@compile_kernel
def _exact_maxima(cosines, vectors, rows, start, lowest, best):
    """Update, in place, the rows' largest cosines with other points, in float64."""
    for r in range(cosines.shape[0]):
        for c in range(cosines.shape[1]):
            if cosines[r, c] > lowest[r] and rows[r] != start + c:
                best[r] = max(best[r], dot(vectors[rows[r]], vectors[start + c]))


def group_levels(nearest: Nearest, thresholds: NDArray[np.float64],
                 tolerance: float) -> NDArray[np.int16]:
    """Return the first level whose threshold any pair of points of two groups may exceed.

    Returns
    -------
    array, int16, shape (n_all_groups, n_all_groups)
        0 ... n_levels - 1, or n_levels for none.
    """
    return sum((nearest.between <= threshold - tolerance).astype(np.int16)
               for threshold in thresholds)


def kth_smallest_of_others(values: NDArray, owner: NDArray, rank: int) -> NDArray:
    """Return each point's ``rank``-th smallest value over the participants that do not own it.

    Parameters
    ----------
    values : array, shape (n_points, n_participants)
    owner : array of int, shape (n_points,)
    rank : int
        1 for the smallest, up to n_participants - 1.
    """
    others = values.copy()
    highest = np.iinfo(values.dtype).max if values.dtype.kind == "i" else np.inf
    others[np.arange(len(values)), owner] = highest
    return np.partition(others, rank - 1, axis=1)[:, rank - 1]
