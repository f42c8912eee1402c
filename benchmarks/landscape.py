"""Measure distances between models' predictions against the bare products that they need: here.

    python benchmarks/landscape.py          142 models (10,011 pairs), 7,500 images, 1,000
                                            classes: about two minutes on two cores
    python benchmarks/landscape.py 600      fewer images: some seconds, for a look

Predictions are drawn and written to a temporary file, 4.3 GB, removed afterwards: log-probabilities
in float32, as `reading.distances_between` keeps them (float16 would be half as much to read, but
move distances by 1e-5). `bhattacharyya` reads them from there, block by block; that counts whole,
with checks and logarithms. The system keeps the file in its own cache where memory allows.

* *time*: the bare product is `torch.bmm` of square roots that lie in memory already, images
  first, in the fastest of some batch sizes, all threads; the whole product, though half of it is
  known by symmetry. Before each block of ours it runs over as many images, within one call, so
  that a busy machine slows both alike. Goal: at most `TIMES` its time.
* *memory*: the largest resident size of this process, everything included: Python, torch, the
  mapped pages of the file, and the bare product's square roots. Goal: at most `GB`.

Some pairs are compared with the formula in float64: they must agree to 1e-6.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.core.console import echo
from helpers.core.machine import peak_memory
from helpers.landscape.distances import bhattacharyya, block_from_array

TIMES, GB = 3.0, 4.0
N_MODELS, N_IMAGES, N_CLASSES = 142, 7500, 1000
READY, BATCHES = 256, (8, 32, 128)
"""Images whose square roots are in memory (no cache holds them); batches that are tried."""


def written(path: Path, shape: tuple[int, int, int]) -> np.memmap:
    """Draw models that agree in part, write them one by one, and map the file."""
    generator = torch.Generator().manual_seed(0)
    common = 2 * torch.randn(shape[1:], generator=generator)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _ in range(shape[0]):
            own = torch.randn(shape[1:], generator=generator)
            (common + 2 * own).log_softmax(-1).numpy().tofile(file)
        file.flush()
        os.fsync(file.fileno())  # or the writing would go on beside the measurement
    return np.lib.format.open_memmap(path, "r+")


def bare_product(n_models: int, n_classes: int) -> Callable[[int], None]:
    """Return what multiplies some images' square roots, batched in the fastest way found."""
    ready = torch.rand(READY, n_models, n_classes)

    def product(n_images: int, size: int) -> None:
        overlap = torch.empty(size, n_models, n_models)
        for start in range(0, n_images, size):
            first = start % READY
            some = ready[first:first + min(size, n_images - start)]
            torch.bmm(some, some.transpose(1, 2), out=overlap[:len(some)])

    taken = dict.fromkeys(BATCHES, np.inf)
    for size in BATCHES * 3:
        start = time.perf_counter()
        product(READY, size)
        taken[size] = min(taken[size], time.perf_counter() - start)
    fastest = min(taken, key=taken.get)
    echo(f"bare product: batches of {fastest} images, {1e6 * taken[fastest] / READY:.0f} µs each")
    return lambda n_images: product(n_images, fastest)


def measured(log_probs: np.memmap, bare: Callable[[int], None]) -> tuple[float, float, NDArray]:
    """Return the seconds of ours and of the bare products, in turn, and the distances."""
    read, bare_s = block_from_array(log_probs), []

    def block(start: int, stop: int) -> torch.Tensor:
        begun = time.perf_counter()
        bare(stop - start)
        bare_s.append(time.perf_counter() - begun)
        return read(start, stop)

    begun = time.perf_counter()
    found = bhattacharyya(block, *log_probs.shape)
    return time.perf_counter() - begun - sum(bare_s), sum(bare_s), found


def agree(log_probs: np.memmap, found: NDArray, pairs: int = 3) -> None:
    """Compare some pairs with the formula in float64."""
    for u, v in np.random.default_rng(0).choice(len(log_probs), (pairs, 2), replace=False):
        overlaps = [np.exp((a.astype(float) + b) / 2).sum() for a, b in zip(log_probs[u],
                                                                            log_probs[v])]
        off = abs(found[u, v] + np.log(overlaps).mean())
        if off > 1e-6:
            raise SystemExit(f"models {u} and {v}: {off:.1e} from the formula in float64")


def main(n_images: int = N_IMAGES, n_models: int = N_MODELS, n_classes: int = N_CLASSES,
         repeats: int = 5) -> tuple[float, float]:
    """Write predictions, measure both ways, print and return the ratio and the memory."""
    shape = n_models, n_images, n_classes
    with tempfile.TemporaryDirectory() as folder:
        log_probs = written(Path(folder) / "predictions.npy", shape)
        bare = bare_product(n_models, n_classes)
        seconds = []
        for _ in range(repeats):
            *both, found = measured(log_probs, bare)
            seconds.append(both)
        peak = peak_memory() / 1e9
        agree(log_probs, found)
        del log_probs  # some systems do not remove a file that is open
    ours, limit = np.array(seconds).T
    ratio = float(np.median(ours / limit))
    echo(f"{n_models * (n_models - 1) // 2} pairs, {n_images} images, {n_classes} classes, "
         f"{repeats} times: ours {ours.min():.1f} s at best (median {np.median(ours):.1f}), bare "
         f"products {limit.min():.1f} s ({np.median(limit):.1f}): {ours.min() / limit.min():.2f} "
         f"times, median of the ratios {ratio:.2f} ({(ours / limit).min():.2f} to "
         f"{(ours / limit).max():.2f}), goal {TIMES}{'' if ratio <= TIMES else ' MISSED'}")
    echo(f"peak memory {peak:.2f} GB (the predictions are {4e-9 * np.prod(shape):.1f} GB), goal "
         f"{GB}{'' if peak <= GB else ' MISSED'}; load {os.getloadavg()[0]:.1f}")
    return ratio, peak


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
