"""Measure distances between models' predictions: 142 models (10,011 pairs), 7,500 pictures, 1,000
classes, read from disk, against the bare products of matrices that they need.

    python benchmarks/landscape.py [pictures]     about a minute on two cores; fewer pictures: less

Predictions are drawn, written in float16 (2.1 GB) and mapped into memory. The bare product is that
of square roots that are in memory already, block by block, without logarithms, sums or checks. Peak
memory is the process's own, mapped pages of the file not counted.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from helpers.ground.console import say
from helpers.landscape import distances

N_MODELS, N_CLASSES = 142, 1000


def main(n_pictures: int = 7500) -> None:
    """Write predictions, measure both ways, print the ratio and the memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.npy"
        logs = np.lib.format.open_memmap(path, "w+", np.float16,
                                         (N_MODELS, n_pictures, N_CLASSES))
        rng = np.random.default_rng(0)
        for model in range(N_MODELS):
            logits = torch.from_numpy(rng.standard_normal((n_pictures, N_CLASSES), np.float32))
            logs[model] = (3 * logits).log_softmax(-1).half().numpy()
        logs.flush()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        found = distances.bhattacharyya(distances.of_array(logs), *logs.shape)
        ours = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = distances.BUDGET // (4 * max(N_MODELS**2, 2 * N_MODELS * N_CLASSES))
        ready = torch.rand(N_MODELS, size, N_CLASSES)
        start = time.perf_counter()
        for _ in range(0, n_pictures, size):
            torch.einsum("mbc,nbc->bmn", ready, ready)
        bare = time.perf_counter() - start
    say(f"{N_MODELS * (N_MODELS - 1) // 2} pairs, {n_pictures} pictures: {ours:.1f} s; bare "
        f"products {bare:.1f} s; {ours / bare:.2f} times; peak {peak / 2**20:.1f} GB "
        f"(before: {before / 2**20:.1f}); mean distance {found.mean():.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
