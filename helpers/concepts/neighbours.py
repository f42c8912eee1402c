"""First pass: each point's nearest neighbour in every participant, and its level of support."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks, dot
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
    """

    cosine: NDArray[np.float32]
    index: NDArray[np.int32]


def nearest_neighbours(points: PointCloud, products: BlockwiseCosine) -> Nearest:
    """Return the nearest neighbours, in one pass over all unordered pairs of participants.

    Parameters
    ----------
    points : PointCloud
    products : BlockwiseCosine
        Of the same points.
    """
    shape = len(points.vectors), len(points.names)
    nearest = Nearest(np.full(shape, NO_NEIGHBOUR, np.float32), np.full(shape, -1, np.int32))

    def work(job: tuple[int, int, slice, slice], buffer: NDArray) -> None:
        own, other, rows, columns = job
        cosines = products.cosines(rows, columns, buffer)
        if own == other:
            row, column = (np.arange(span.start, span.stop) for span in (rows, columns))
            cosines[row[:, None] == column] = NO_NEIGHBOUR
        of_row, of_column = _maxima(cosines)
        with products.lock:
            _update(nearest, rows, other, *of_row, columns.start)
            _update(nearest, columns, own, *of_column, rows.start)

    products.run(_pairs(points), work)
    return nearest


def _update(nearest: Nearest, points: slice, participant: int, cosine: NDArray, index: NDArray,
            first: int) -> None:
    """Replace, in place, nearest neighbours in a participant by nearer ones."""
    known = nearest.cosine[points, participant]
    better = cosine > known
    known[better] = cosine[better]
    nearest.index[points, participant][better] = index[better] + first


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
def _maxima(cosines):
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
            column_index[c] = r if better else column_index[c]
            best = max(best, line[c])
        row_best[r] = best
        for c in range(n_columns):
            if line[c] == best:
                row_index[r] = c
                break
    return (row_best, row_index), (column_best, column_index)


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
    uncertain = (np.abs(cosine[..., None] - thresholds) <= products.tolerance).any(-1)

    def jobs() -> Iterator[tuple[int, NDArray]]:
        for other in range(cosine.shape[1]):
            rows = np.flatnonzero(uncertain[:, other])
            for piece in blocks(0, len(rows), blocked.ROWS):
                yield other, rows[piece]

    def work(job: tuple[int, NDArray], buffer: NDArray) -> None:
        other, rows = job
        best = np.full(len(rows), NO_NEIGHBOUR)
        lowest = (nearest.cosine[rows, other] - 3 * products.tolerance).astype(np.float32)
        for columns in blocks(points.starts[other], points.starts[other + 1], blocked.COLUMNS):
            _exact_maxima(products.cosines(rows, columns, buffer), points.vectors, rows,
                          columns.start, lowest, best)
        cosine[rows, other] = best

    products.run(jobs(), work)
    return (cosine[..., None] <= thresholds).sum(-1, dtype=np.int16)


@compile_kernel
def _exact_maxima(cosines, vectors, rows, start, lowest, best):
    """Update, in place, the rows' largest cosines with other points, in float64."""
    for r in range(cosines.shape[0]):
        for c in range(cosines.shape[1]):
            if cosines[r, c] > lowest[r] and rows[r] != start + c:
                best[r] = max(best[r], dot(vectors[rows[r]], vectors[start + c]))


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
