"""First pass: each point's nearest neighbour in every participant, and its level of support."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, exact_level
from helpers.concepts.point_cloud import PointCloud
from helpers.core.compiled import compile_kernel

NO_NEIGHBOUR = -2.0
"""Cosine with the nearest neighbour where a participant has no other point."""


class Nearest(NamedTuple):
    """Nearest neighbours of every point in every participant, its own included.

    Attributes
    ----------
    cosine : array, float32, shape (n_points, n_participants)
        Largest cosine with another point of the participant; `NO_NEIGHBOUR` if it has none.
    index : array, int32, same shape
        The point with that cosine; -1 for none.
    level : array, int16, same shape
        First level whose threshold a cosine exceeds, 0 ... n_levels - 1, or n_levels for none;
        cosines within float32 rounding of a threshold are recomputed in float64.
    """

    cosine: NDArray[np.float32]
    index: NDArray[np.int32]
    level: NDArray[np.int16]

    def update(self, points: slice, participant: int, cosine: NDArray, index: NDArray,
               level: NDArray) -> None:
        """Replace, in place, nearest neighbours in a participant by nearer ones."""
        better = cosine > self.cosine[points, participant]
        self.cosine[points, participant][better] = cosine[better]
        self.index[points, participant][better] = index[better]
        known = self.level[points, participant]
        np.minimum(known, level, out=known)


def nearest_neighbours(points: PointCloud, products: BlockwiseCosine,
                       thresholds: NDArray[np.float64]) -> Nearest:
    """Return the nearest neighbours, in one pass over all unordered pairs of participants.

    Parameters
    ----------
    points : PointCloud
    products : BlockwiseCosine
        Of the same points.
    thresholds : array, float64, shape (n_levels,)
        Decreasing: 1 - eps for increasing eps.
    """
    shape = len(points.vectors), len(points.names)
    nearest = Nearest(np.full(shape, NO_NEIGHBOUR, np.float32), np.full(shape, -1, np.int32),
                      np.full(shape, len(thresholds), np.int16))

    def work(job: tuple[int, int, slice, slice], buffer: NDArray) -> None:
        own, other, rows, columns = job
        cosines = products.cosines(rows, columns, buffer)
        if own == other:
            row, column = (np.arange(span.start, span.stop) for span in (rows, columns))
            cosines[row[:, None] == column] = NO_NEIGHBOUR
        levels = _levels(cosines, rows.start, columns.start, thresholds, products.tolerance,
                         products.vectors)
        of_rows, of_columns = _maxima(cosines, rows.start, columns.start)
        with products.lock:
            nearest.update(rows, other, *of_rows, levels[0])
            nearest.update(columns, own, *of_columns, levels[1])

    products.run(_pairs(points), work)
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
def _maxima(cosines, row_start, column_start):
    """Return the largest cosine of each row and its column, and of each column and its row."""
    n_rows, n_columns = cosines.shape
    row_best, row_index = np.empty(n_rows, np.float32), np.empty(n_rows, np.int32)
    column_best = np.full(n_columns, NO_NEIGHBOUR, np.float32)
    column_index = np.zeros(n_columns, np.int32)
    for r in range(n_rows):
        line, best = cosines[r], np.float32(NO_NEIGHBOUR)
        for c in range(n_columns):
            better = line[c] > column_best[c]
            column_best[c] = line[c] if better else column_best[c]
            column_index[c] = row_start + r if better else column_index[c]
            best = max(best, line[c])
        row_best[r] = best
        for c in range(n_columns):
            if line[c] == best:
                row_index[r] = column_start + c
                break
    return (row_best, row_index), (column_best, column_index)


@compile_kernel
def _levels(cosines, row_start, column_start, thresholds, tolerance, vectors):
    """Return the first level at which each row, and each column, has a neighbour."""
    n_rows, n_columns = cosines.shape
    rows = np.full(n_rows, len(thresholds), np.int16)
    columns = np.full(n_columns, len(thresholds), np.int16)
    low = np.float32(thresholds[-1] - tolerance) if len(thresholds) else np.float32(np.inf)
    for r in range(n_rows):
        for c in range(n_columns):
            if cosines[r, c] > low:
                level = exact_level(cosines[r, c], thresholds, 0, tolerance, vectors[row_start + r],
                                    vectors[column_start + c])
                rows[r], columns[c] = min(rows[r], level), min(columns[c], level)
    return rows, columns


def kth_smallest_of_others(values: NDArray, owner: NDArray, rank: int) -> NDArray:
    """Return each point's ``rank``-th smallest value over the participants that do not own it.

    Parameters
    ----------
    values : array, shape (n_points, n_participants)
    owner : array of int, shape (n_points,)
    rank : int
        1 for the smallest, up to n_participants - 1.
    """
    others = values[owner[:, None] != np.arange(values.shape[1])].reshape(len(values), -1)
    return np.sort(others, axis=1)[:, rank - 1]
