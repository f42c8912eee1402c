"""Cosine similarity of all pairs of points in blocks, computed in parallel threads.

Blocks are products of float32 matrices, whose last bits depend on the shape of the block, the
number of threads and the machine; comparisons with a threshold must not. The error of a float32
dot product of unit vectors with n dimensions, in any order of summation, is at most n 2^-24.
Within this `tolerance` of a threshold, the cosine is recomputed by `dot` in float64 and in a fixed
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from helpers.core.compiled import compile_kernel

ROWS, COLUMNS = 1024, 2048
"""Size of a block of cosines: its 8 MB stay in the processor's cache while they are compared."""
Job = TypeVar("Job")
Index = NDArray[np.integer] | slice


@compile_kernel
def dot(first, second):
    """Return the dot product of two vectors in float64, summed in the order of dimensions."""
    total = 0.0
    for k in range(len(first)):
        total += np.float64(first[k]) * np.float64(second[k])
    return total


@compile_kernel
def exact_level(cosine, thresholds, level, tolerance, first, second):
    """Return the first level, from ``level`` on, whose threshold a pair's cosine exceeds.

    ``cosine``: float32; ``thresholds``: decreasing, (n_levels,). Returns n_levels if there is none.
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
    """Cosine similarity between points, computed on one device.

    Parameters
    ----------
    vectors : array, float32, shape (n_points, n_dims)
        Unit vectors.
    device : torch.device or str
        "cpu": NumPy's matrix products in as many parallel threads as torch has. Other devices
        compute the products, which are then copied to the host.
    """

    def __init__(self, vectors: NDArray[np.float32], device: torch.device | str = "cpu") -> None:
        self.vectors = vectors
        self.tolerance = (vectors.shape[1] + 8) * 2.0**-24
        self.remote = None if torch.device(device).type == "cpu" else (
            torch.from_numpy(vectors).to(device))
        self.lock = Lock()

    def cosines(self, rows: Index, columns: Index, buffer: NDArray[np.float32]) -> NDArray:
        """Return the cosines of two sets of points, (n_rows, n_columns), held by ``buffer``."""
        if self.remote is not None:
            return (self.remote[rows] @ self.remote[columns].T).cpu().numpy()
        left, right = self.vectors[rows], self.vectors[columns]
        out = buffer[:len(left) * len(right)].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=out)

    def run(self, jobs: Iterator[Job], work: Callable[[Job, NDArray], None]) -> None:
        """Process all jobs in parallel.

        Parameters
        ----------
        jobs : iterator
            Advanced while `lock` is held.
        work : callable
            ``work(job, buffer)``, ``buffer`` for one block of cosines. It must hold `lock` while
            it changes shared arrays.
        """
        def worker(_: int) -> None:
            buffer = np.empty(ROWS * COLUMNS, np.float32)
            while True:
                with self.lock:
                    job = next(jobs, None)
                if job is None:
                    return
                work(job, buffer)

        n_workers = torch.get_num_threads() if self.remote is None else 1
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")  # of products on a device
        try:  # one BLAS thread in each worker
            with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_workers) as pool:
                list(pool.map(worker, range(n_workers)))
        finally:
            torch.set_float32_matmul_precision(before)


def blocks(start: int, stop: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of length ``size``; the last one may be shorter."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
