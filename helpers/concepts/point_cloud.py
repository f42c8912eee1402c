"""Unit vectors of all participants in one array, sorted into groups of similar vectors.

Groups save time and do not affect results: cosines between two groups need not be computed where
the largest of them is known to be below a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from helpers.core.errors import LabError

Participants = Mapping[str, ArrayLike] | Sequence[ArrayLike]
"""One array (n_points, n_dims) per participant, with a name or in order."""
PER_GROUP, MAX_GROUPS = 48, 2048
"""Mean number of points in a group, and number of groups: their cosines take 16 MB at most."""


@dataclass(frozen=True)
class PointCloud:
    """Unit vectors of all participants, one after another, each participant's sorted by group.

    Attributes
    ----------
    vectors : array, float32, shape (n_points, n_dims)
    starts : array, int64, shape (n_participants + 1,)
        Participant s owns the rows from ``starts[s]`` to ``starts[s + 1]``.
    rows : tuple of arrays, int64
        Per participant: rows of the input. Zero vectors are left out.
    sizes : tuple of int
        Per participant: number of rows of the input.
    names : tuple of str
    group : array, int32, shape (n_points,)
        Increasing; ``n_groups`` for each participant, some of them empty.
    n_groups : int
        Groups that are equal modulo this number have the same pivot in all participants.
    """

    vectors: NDArray[np.float32]
    starts: NDArray[np.int64]
    rows: tuple[NDArray[np.int64], ...]
    sizes: tuple[int, ...]
    names: tuple[str, ...]
    group: NDArray[np.int32]
    n_groups: int

    @property
    def position(self) -> NDArray[np.int32]:
        """Position of each point in the input: participants one after another, row by row."""
        starts = np.cumsum([0, *self.sizes])
        return np.concatenate([start + rows for start, rows in zip(starts, self.rows)]).astype("i4")

    @property
    def owner(self) -> NDArray[np.int64]:
        """Number of the participant that owns each point, shape (n_points,)."""
        return np.repeat(np.arange(len(self.names)), np.diff(self.starts))

    @property
    def n_excluded(self) -> tuple[int, ...]:
        """Number of zero vectors per participant."""
        return tuple(size - len(rows) for size, rows in zip(self.sizes, self.rows))

    def split(self, values: NDArray, fill: float) -> tuple[NDArray, ...]:
        """Return each participant's values in the order of the input.

        Parameters
        ----------
        values : array, shape (n_points,)
        fill : number
            Value for excluded vectors.
        """
        whole = np.full(sum(self.sizes), fill, values.dtype)
        whole[self.position] = values
        return tuple(np.split(whole, np.cumsum(self.sizes)[:-1]))


def make_point_cloud(participants: Participants) -> PointCloud:
    """Check the points of at least two participants and scale them to length 1.

    Zero vectors have no direction: they are left out, and counted in `PointCloud.n_excluded` (the
    authors' code includes them, at distance 1 from all points).

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)

    Raises
    ------
    LabError
        If there is one participant only, a participant has no point, values are not finite, or
        participants differ in their numbers of dimensions.
    """
    named = dict(participants) if isinstance(participants, Mapping) else {
        str(number): values for number, values in enumerate(participants, 1)}
    if len(named) < 2:
        raise LabError(f"{len(named)} participant(s)", expected="2 or more",
                       remedy="pass one array per participant")
    arrays = {name: _check(name, values) for name, values in named.items()}
    widths = {name: values.shape[1] for name, values in arrays.items()}
    if len(set(widths.values())) > 1:
        raise LabError(f"participants differ in dimensions: {widths}",
                       expected="vectors in one common space",
                       remedy="pass decoders of the same target")
    lengths = {name: np.sqrt(np.einsum("pd,pd->p", values, values, dtype=np.float64))
               for name, values in arrays.items()}
    rows = tuple(np.flatnonzero(length) for length in lengths.values())
    for name, nonzero in zip(arrays, rows):
        if len(nonzero) == 0:
            raise LabError(f"participant {name} has no point with a direction",
                           expected="one or more vectors that are not 0",
                           remedy="leave this participant out")
    return _in_groups(arrays, lengths, rows)


def _in_groups(arrays: dict[str, NDArray], lengths: dict[str, NDArray],
               rows: tuple[NDArray, ...]) -> PointCloud:
    """Return unit vectors, each participant's sorted by group."""
    starts = np.cumsum([0, *map(len, rows)])
    vectors = np.empty((starts[-1], next(iter(arrays.values())).shape[1]), np.float32)
    for (name, values), nonzero, start in zip(arrays.items(), rows, starts):
        np.divide(values[nonzero], lengths[name][nonzero, None], dtype=np.float64,
                  casting="same_kind", out=vectors[start:start + len(nonzero)])
    n_groups = int(np.clip(len(vectors) // (len(rows) * PER_GROUP), 1,
                           max(1, MAX_GROUPS // len(rows))))
    group = _nearest_pivot(vectors, n_groups)
    sorted_rows = []
    for number, (nonzero, first, last) in enumerate(zip(rows, starts, starts[1:])):
        order = np.argsort(group[first:last], kind="stable")
        vectors[first:last] = vectors[first:last][order]
        group[first:last] = group[first:last][order] + number * n_groups
        sorted_rows.append(nonzero[order])
    return PointCloud(vectors, starts, tuple(sorted_rows), tuple(map(len, arrays.values())),
                      tuple(arrays), group, n_groups)


def _nearest_pivot(vectors: NDArray[np.float32], n_pivots: int) -> NDArray[np.int32]:
    """Return each point's nearest pivot, by one step of spherical k-means from random points."""
    pivots = vectors[np.random.default_rng(0).choice(len(vectors), n_pivots, replace=False)]
    for last in (False, True):
        group = np.concatenate([(vectors[first:first + 4096] @ pivots.T).argmax(1)
                                for first in range(0, len(vectors), 4096)]).astype(np.int32)
        if last or n_pivots == 1:
            return group
        member = csr_array((np.ones(len(group), np.float32), (group, np.arange(len(group)))),
                           shape=(n_pivots, len(group)))
        pivots = member @ vectors
        pivots /= np.maximum(np.linalg.norm(pivots, axis=1, keepdims=True), 1e-6)


def _check(name: str, values: ArrayLike) -> NDArray:
    """Return one participant's array; raise a LabError unless it is a finite matrix."""
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or values.shape[1] == 0:
        raise LabError(f"participant {name}: array {values.dtype} of shape {values.shape}",
                       expected="numbers, points x dimensions", remedy="pass one row per voxel")
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        raise LabError(f"participant {name}: {bad.sum()} of {len(values)} vectors hold NaN or "
                       f"infinity, the first in row {np.argmax(bad)}", expected="finite numbers",
                       remedy="exclude these voxels")
    return values
