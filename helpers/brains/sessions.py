"""Floor 1. One NSD session: read in blocks, z-scored per vertex, some vertices kept."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from helpers.brains.files import PUT_AGAIN, readable
from helpers.brains.splits import TRIALS
from helpers.errors import LabError

MOST_BYTES = 2**28
"""Raw betas that are in memory at once while a session is read."""


def read_session(path: Path, columns: NDArray[np.int64] | None = None, *,
                 n_trials: int = TRIALS, most_bytes: int = MOST_BYTES) -> NDArray[np.float32]:
    """Read a session's betas, each vertex z-scored over its trials.

    Parameters
    ----------
    path : Path
        HDF5 with a dataset ``betas`` of trials x vertices, or trials x z x y x x.
    columns : array, int64, optional
        Vertices to keep (of a volume: in the order of its x, y, z axes, flattened).
    n_trials : int
        Expected rows.
    most_bytes : int
        Bound of the raw betas in memory.

    Returns
    -------
    array, float32, shape (n_trials, n_columns)
        Mean 0 and standard deviation 1 (ddof 0) per column; NaN for a constant one. (The file's
        scale, percent signal change times 300, cancels.)

    Raises
    ------
    LabError
        If the file is missing, truncated, or not of this shape.
    """
    with readable(path, h5py.File, "an HDF5 file of betas") as file:
        if "betas" not in file or file["betas"].ndim not in (2, 4):
            raise LabError(f"{path} has no dataset 'betas' of trials x vertices",
                           expected=f"{n_trials} trials x vertices", remedy=PUT_AGAIN)
        betas = file["betas"]
        if betas.shape[0] != n_trials:
            raise LabError(f"{path} holds {betas.shape[0]} trials", expected=f"{n_trials}",
                           remedy=PUT_AGAIN)
        try:
            return _zscored(betas, columns, most_bytes)
        except OSError as error:
            raise LabError(f"{path} is truncated: {error}", expected="a whole file",
                           remedy=PUT_AGAIN) from error


def _zscored(betas: h5py.Dataset, columns: NDArray | None, most_bytes: int
             ) -> NDArray[np.float32]:
    """Read slabs of the first spatial axis, z-score them, keep the columns."""
    first, rest = betas.shape[1], int(np.prod(betas.shape[2:], dtype=int))
    step = max(1, most_bytes // (betas.shape[0] * rest * 8))
    wanted = np.arange(first * rest) if columns is None else np.asarray(columns)
    # A volume's file has z, y, x where everything else has x, y, z.
    place = _in_file(wanted, betas.shape[1:])
    result = np.empty((betas.shape[0], len(wanted)), np.float32)
    for start in range(0, first, step):
        inside = (place >= start * rest) & (place < (start + step) * rest)
        if not inside.any():
            continue
        slab = betas[:, start:start + step].reshape(betas.shape[0], -1)
        slab = slab[:, place[inside] - start * rest].astype(np.float32)
        mean = slab.mean(0, dtype=np.float64)
        slab -= mean.astype(np.float32)
        spread = np.sqrt(np.einsum("ij,ij->j", slab, slab, dtype=np.float64) / len(slab))
        with np.errstate(divide="ignore", invalid="ignore"):
            slab *= np.where(spread > 1e-6 * np.abs(mean), 1 / spread, np.nan).astype(np.float32)
        result[:, inside] = slab
    return result


def _in_file(columns: NDArray, shape: tuple[int, ...]) -> NDArray[np.int64]:
    if len(shape) == 1:
        return columns
    x, y, z = np.unravel_index(columns, shape[::-1])
    return np.ravel_multi_index((z, y, x), shape)
