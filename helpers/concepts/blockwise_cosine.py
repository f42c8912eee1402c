"""Cosines of all pairs of points, block by block, shared among a few threads.

Blocks of cosines are products of float32 matrices. Their last bits depend on the shape of the
block, on the number of threads and on the machine; decisions must not. A sum of n products of
unit vectors in float32, in any order, is off by n 2^-24 at most; within this `tolerance` of a
threshold the pair is settled by `dot`, in float64 and in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import RLock
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from helpers.core.compiled import compile_kernel

ROWS, COLUMNS = 1024, 2048
"""Points in a block of cosines: 8 MB, which stay in the processor's cache while they are read."""
Job = TypeVar("Job")
Index = NDArray[np.integer] | slice


@compile_kernel
def dot(first, second):
    """Return the product of two vectors in float64, in the order of their dimensions."""
    total = 0.0
    for k in range(len(first)):
        total += np.float64(first[k]) * np.float64(second[k])
    return total


@compile_kernel
def exact_level(cosine, thresholds, level, tolerance, first, second):
    """Return the lowest level, from ``level`` on, whose threshold this pair's cosine exceeds.

    ``cosine``: in float32; ``thresholds``: falling, (n_levels,). Returns n_levels if there is none.
    """
    value = np.float64(cosine)
    while level < len(thresholds):
        if abs(value - thresholds[level]) <= tolerance:
            value, tolerance = dot(first, second), -1.0
        if value > thresholds[level]:
            return level
        level += 1
    return level


class BlockwiseCosine:
    """Cosines between points, on one device.

    Parameters
    ----------
    vectors : array, float32, shape (n_points, n_dims)
        Unit vectors.
    device : torch.device or str
        "cpu": NumPy's products, one thread of them in each of torch's number of threads. Otherwise
        products are made there and read here.
    """

    def __init__(self, vectors: NDArray[np.float32], device: torch.device | str = "cpu") -> None:
        self.vectors = vectors
        self.tolerance = (vectors.shape[1] + 8) * 2.0**-24
        self.remote = None if torch.device(device).type == "cpu" else (
            torch.from_numpy(vectors).to(device))
        self.lock = RLock()

    def cosines(self, rows: Index, columns: Index, space: NDArray[np.float32]) -> NDArray:
        """Return the cosines (n_rows, n_columns) of two sets of points, written into ``space``."""
        if self.remote is not None:
            return (self._there(rows) @ self._there(columns).T).cpu().numpy()
        left, right = self.vectors[rows], self.vectors[columns]
        out = space[:len(left) * len(right)].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=out)

    def _there(self, index: Index) -> torch.Tensor:
        if isinstance(index, slice):
            return self.remote[index]
        return self.remote[torch.from_numpy(index).to(self.remote.device)]

    def share(self, jobs: Iterator[Job], work: Callable[[Job, NDArray], None]) -> None:
        """Do all jobs, side by side.

        Parameters
        ----------
        jobs : iterator
            Asked for the next job while `lock` is held.
        work : callable
            ``work(job, space)``; ``space``: room for one block of cosines. It holds `lock` while it
            changes what others read.
        """
        def worker(_: int) -> None:
            space = np.empty(ROWS * COLUMNS, np.float32)
            while True:
                with self.lock:
                    job = next(jobs, None)
                if job is None:
                    return
                work(job, space)

        if self.remote is not None:
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                return worker(0)
            finally:
                torch.set_float32_matmul_precision(before)
        n_workers = torch.get_num_threads()
        with _libraries().limit(limits=1, user_api="blas"):  # the workers are the threads
            with ThreadPoolExecutor(n_workers) as pool:
                list(pool.map(worker, range(n_workers)))


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def blocks(start: int, stop: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices, ``size`` each or shorter at the end."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
