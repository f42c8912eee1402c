"""Unit vectors of all participants in one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.core.errors import LabError

Participants = Mapping[str, ArrayLike] | Sequence[ArrayLike]
"""One array (n_points, n_dims) per participant, with a name or in order."""


@dataclass(frozen=True)
class PointCloud:
    """Unit vectors of all participants, one after another, in the order of the input.

    Attributes
    ----------
    names : tuple of str
    sizes : tuple of int
        Per participant: number of rows of the input.
    vectors : array, float32, shape (n_points, n_dims)
    position : array, int32, shape (n_points,)
        Row of each point where participants' inputs stand one after another. Zero vectors are left
        out.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    vectors: NDArray[np.float32]
    position: NDArray[np.int32]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Participant s owns the points from ``starts[s]`` to ``starts[s + 1]``."""
        return np.searchsorted(self.position, np.cumsum([0, *self.sizes]))

    @property
    def owner(self) -> NDArray[np.int64]:
        """Number of the participant that owns each point, shape (n_points,)."""
        return np.repeat(np.arange(len(self.names)), np.diff(self.starts))

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

    Zero vectors have no direction: they are left out (the authors' code includes them, at distance
    1 from all points).

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
    arrays = {name: _check(name, np.asarray(values)) for name, values in named.items()}
    widths = {name: values.shape[1] for name, values in arrays.items()}
    if len(set(widths.values())) > 1:
        raise LabError(f"participants differ in dimensions: {widths}",
                       expected="vectors in one common space",
                       remedy="pass decoders of the same target")
    nonzero = {name: values.any(1) for name, values in arrays.items()}
    return PointCloud(tuple(arrays), tuple(map(len, arrays.values())),
                      np.concatenate([_unit(values[nonzero[name]])
                                      for name, values in arrays.items()]),
                      np.flatnonzero(np.concatenate(list(nonzero.values()))).astype(np.int32))


def _unit(values: NDArray) -> NDArray[np.float32]:
    length = np.sqrt(np.einsum("pd,pd->p", values, values, dtype=np.float64))
    return (values / length[:, None]).astype(np.float32)


def _check(name: str, values: NDArray) -> NDArray:
    """Return one participant's array; raise a LabError unless it is a finite matrix."""
    if values.ndim != 2 or values.dtype.kind not in "fiu" or values.shape[1] == 0:
        raise LabError(f"participant {name}: array {values.dtype} of shape {values.shape}",
                       expected="numbers, points x dimensions", remedy="pass one row per voxel")
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        raise LabError(f"participant {name}: {bad.sum()} of {len(values)} vectors hold NaN or "
                       f"infinity, the first in row {np.argmax(bad)}", expected="finite numbers",
                       remedy="exclude these voxels")
    if not values.any():
        raise LabError(f"participant {name} has no point with a direction",
                       expected="one or more vectors that are not 0",
                       remedy="leave this participant out")
    return values
