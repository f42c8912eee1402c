"""One NSD session: read once in blocks, some vertices kept, z-scored per vertex."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from helpers.brains.files import PUT_AGAIN, readable, unlike_release
from helpers.brains.hdf5_datasets import own_dataset
from helpers.brains.splits import TRIALS
from helpers.core.errors import LabError

MAX_BYTES = 2**27
"""Raw betas (and what is taken out of them) that are in memory at once beside the result."""
BLOCK = 4096
"""Vertices that are z-scored at a time: 750 trials of them are 12 MB."""
GAP = 16
"""Vertices not wanted between two that are, which are read rather than a second time asked for."""
Blocks = Iterator[tuple[slice, slice | NDArray[np.int64], NDArray]]
"""Rows and columns of a result, and what belongs there."""


def read_session(path: Path, columns: NDArray[np.int64] | None = None, *,
                 n_trials: int = TRIALS, n_vertices: int | None = None, scaled: bool = True,
                 max_bytes: int = MAX_BYTES) -> NDArray[np.float32]:
    """Read a session's betas, each vertex z-scored over its trials, or in the file's own numbers.

    Parameters
    ----------
    path : Path
        HDF5 with a dataset ``betas`` of trials x vertices, or trials x z x y x x; or NIfTI of
        x x y x z x trials.
    columns : array, int64, optional
        Vertices to keep (of a volume: counted in the order of its x, y, z axes, flattened).
    n_trials, n_vertices : int
        Expected size; by default of vertices any.
    scaled : bool
        Whether to z-score.
    max_bytes : int
        Bound of the raw betas in memory; a single trial, or slice of a volume, is always read
        whole.

    Returns
    -------
    array, float32, shape (n_trials, n_columns)
        Mean 0 and standard deviation 1 (ddof 0) per column; NaN for a column that is constant or
        has a NaN. (The file's scale, percent signal change times 300, cancels.)

    Raises
    ------
    LabError
        If the file is missing, truncated, or not of this shape.
    """
    with open_session(path) as stored:
        if stored.n_trials != n_trials or stored.n_vertices != (n_vertices or stored.n_vertices):
            raise unlike_release(
                f"{path} holds {stored.n_trials} trials of {stored.n_vertices} vertices",
                f"{n_trials} trials of {n_vertices or 'all'} vertices")
        wanted = np.arange(stored.n_vertices) if columns is None else np.asarray(columns, np.int64)
        result = np.empty((n_trials, len(wanted)), np.float32)
        if len(wanted):
            try:
                for rows, place, block in stored.blocks(wanted, max_bytes):
                    result[rows, place] = block
            except (OSError, RuntimeError, EOFError, zlib.error) as error:
                raise LabError(f"{path} is truncated: {error}", expected="a whole file",
                               remedy=PUT_AGAIN) from error
    if scaled:
        zscore(result)
    return result


def zscore(values: NDArray[np.float32]) -> None:
    """Subtract the mean of each column and divide by its standard deviation (ddof 0), in place.

    Parameters
    ----------
    values : array, float32, shape (n_trials, n_vertices)
        A column that is constant, or has a NaN, becomes NaN.
    """
    for start in range(0, values.shape[1], BLOCK):
        block = values[:, start:start + BLOCK]
        block -= block.mean(0, dtype=np.float64).astype(np.float32)
        std = np.sqrt(np.einsum("ij,ij->j", block, block, dtype=np.float64) / len(block))
        with np.errstate(divide="ignore", invalid="ignore"):
            block *= np.where(std > 0, 1 / std, np.nan).astype(np.float32)


@dataclass(frozen=True)
class StoredBetas:
    """The betas of an open file, and how to read some vertices of it.

    Attributes
    ----------
    n_trials, n_vertices : int
    dtype : dtype
        As stored.
    blocks : callable
        (vertices, max_bytes) -> rows and columns of the result, and what belongs there.
    """

    n_trials: int
    n_vertices: int
    dtype: np.dtype
    blocks: Callable[[NDArray[np.int64], int], Blocks]


@contextmanager
def open_session(path: Path) -> Iterator[StoredBetas]:
    """Open a session: HDF5, or (of a volume) NIfTI.

    Raises
    ------
    LabError
        If the file is missing, damaged, or holds no betas.
    """
    if path.name.endswith(".nii.gz"):
        betas = readable(path, partial(nib.load, keep_file_open=True), "a NIfTI file of betas"
                         ).dataobj
        _check_axes(path, betas.ndim, (4,))
        scaled = (betas.slope, betas.inter) != (1, 0)
        yield StoredBetas(betas.shape[3], int(np.prod(betas.shape[:3], dtype=int)),
                          np.dtype(float) if scaled else betas.dtype,
                          partial(_nifti_blocks, betas))
        return
    with readable(path, h5py.File, "an HDF5 file of betas") as file:
        betas = readable(path, lambda _: own_dataset(file, "betas"), "an HDF5 file of betas")
        _check_axes(path, 0 if betas is None else betas.ndim, (2, 4))
        yield StoredBetas(betas.shape[0], int(np.prod(betas.shape[1:], dtype=int)), betas.dtype,
                          partial(_blocks, betas))


def _check_axes(path: Path, n_axes: int, allowed: tuple[int, ...]) -> None:
    if n_axes not in allowed:
        raise unlike_release(f"{path} has no dataset 'betas' of trials x vertices",
                             f"{TRIALS} trials x vertices, or x the three axes of a volume")


def _nifti_blocks(betas: nib.arrayproxy.ArrayProxy, wanted: NDArray[np.int64],
                  max_bytes: int) -> Blocks:
    """Read a volume's trials one after another: compressed, it has no other order."""
    n_voxels = int(np.prod(betas.shape[:3], dtype=int))
    step = max(1, max_bytes // (2 * n_voxels * betas.dtype.itemsize))
    for start in range(0, betas.shape[3], step):
        rows = slice(start, min(start + step, betas.shape[3]))
        yield rows, slice(None), betas[..., rows].reshape(n_voxels, -1)[wanted].T


def _blocks(betas: h5py.Dataset, columns: NDArray[np.int64], max_bytes: int) -> Blocks:
    """Read the smallest box that holds the wanted vertices, every stored byte at most once.

    A file that is stored trial by trial is read by trials; one whose chunks span all trials, by
    slices; one with all trials of few vertices in a chunk (NSD's volumes: of one), by runs of
    wanted vertices.
    """
    n_trials, chunks = betas.shape[0], betas.chunks or (1,) * betas.ndim
    wanted = _in_file(columns, betas.shape[1:])
    if chunks[0] >= n_trials and max(chunks[1:-1], default=1) == 1:
        yield from _runs(betas, wanted, chunks[-1], max_bytes)
        return
    box = tuple(slice(int(axis.min()) // chunk * chunk, int(axis.max()) + 1)
                for axis, chunk in zip(wanted, chunks[1:]))
    sides = tuple(part.stop - part.start for part in box)
    inside = np.ravel_multi_index(tuple(axis - part.start for axis, part in zip(wanted, box)),
                                  sides)
    # Three at once: what is read, what is taken out of it, and what was taken out before.
    area, item = int(np.prod(sides[1:], dtype=int)), 3 * betas.dtype.itemsize
    if chunks[0] < n_trials:
        step = _whole_chunks(max_bytes // (sides[0] * area * item), chunks[0])
        for start in range(0, n_trials, step):
            rows = slice(start, min(start + step, n_trials))
            yield rows, slice(None), betas[(rows, *box)].reshape(rows.stop - start, -1).take(
                inside, axis=1)
        return
    step = _whole_chunks(max_bytes // (n_trials * area * item), chunks[1])
    for start in range(0, sides[0], step):
        first = (inside >= start * area) & (inside < (start + step) * area)
        if first.any():
            part = slice(box[0].start + start, min(box[0].start + start + step, box[0].stop))
            yield slice(None), np.flatnonzero(first), betas[(slice(None), part, *box[1:])].reshape(
                n_trials, -1).take(inside[first] - start * area, axis=1)


def _runs(betas: h5py.Dataset, wanted: tuple[NDArray[np.int64], ...], chunk: int,
          max_bytes: int) -> Blocks:
    """Read runs of wanted vertices along the last axis; gaps of at most `GAP` are read too."""
    order = np.lexsort(wanted[::-1])
    line, last = np.array(wanted)[:-1, order], wanted[-1][order]
    first = last // chunk * chunk
    new = np.r_[True, (first[1:] - last[:-1] > GAP) | (line[:, 1:] != line[:, :-1]).any(0)]
    most = _whole_chunks(max_bytes // (3 * len(betas) * betas.dtype.itemsize), chunk)
    # A run that is too long for memory is read in parts that begin with a chunk.
    begin = first[np.flatnonzero(new)][np.cumsum(new) - 1]
    new[1:] |= np.diff((last - begin) // most) != 0
    for part in np.split(np.arange(len(order)), np.flatnonzero(new)[1:]):
        start = first[part[0]]
        place = tuple(int(axis) for axis in line[:, part[0]])
        block = betas[(slice(None), *place, slice(start, last[part[-1]] + 1))]
        yield slice(None), order[part], block[:, last[part] - start]


def _whole_chunks(step: int, chunk: int) -> int:
    """Round a step down to whole chunks, so that none is unpacked twice; at least one."""
    return max(1, step // chunk) * chunk


def _in_file(columns: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[NDArray[np.int64], ...]:
    """Return the coordinates of vertices in the file: a volume has z, y, x there, not x, y, z."""
    return np.unravel_index(columns, shape[::-1])[::-1]
