"""Time sparse positive encoding and the reading of sessions against alternatives, in one run.

    python benchmarks/encoding.py           about two minutes on two cores

* The published call, scikit-learn's Lasso (positive, selection="random", tol 1e-2), on 1,000
  images x 2,000 units x 500 voxels, against ours; and the same Lasso with precomputed covariances
  at a tolerance 100 times tighter, the fairest comparison. The data resemble activations:
  rectified, correlated, of very different scales.
* One NSD session of full size, 750 trials x 227,021 vertices, z-scored: ours against one call per
  vertex, as published (timed on 1,000 vertices and scaled; the ratio is per vertex).
* Number of images passed through a network: once per set of images, against once per region and
  participant, as published; counted from NSD's numbers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from scipy import stats
from sklearn.linear_model import Lasso
from threadpoolctl import threadpool_limits

from helpers.brains.sessions import read_session
from helpers.core.console import echo
from helpers.encoding.positive_regression import kkt_violation, sparse_positive

N_IMAGES, N_UNITS, N_VOXELS, ALPHA = 1000, 2000, 500, 0.1
TRIALS, VERTICES, TIMED = 750, 227_021, 1000
SEED = 365


def activations() -> tuple[np.ndarray, np.ndarray]:
    """Return simulated activations, and voxels that are noisy sums of a dozen units."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(N_IMAGES, 60)) @ rng.normal(size=(60, N_UNITS)) / 8
    x = np.maximum(common + 0.7 * rng.normal(size=(N_IMAGES, N_UNITS)), 0)
    x *= np.exp(0.7 * rng.normal(size=N_UNITS))
    weights = np.zeros((N_UNITS, N_VOXELS))
    for voxel in range(N_VOXELS):
        weights[rng.choice(N_UNITS, 12), voxel] = rng.random(12)
    y = x @ weights
    y = y / y.std(0) + 1.5 * rng.normal(size=y.shape)
    return x.astype(np.float32), (y / y.std(0)).astype(np.float32)


def timed(call: Callable, times: int = 3) -> tuple[float, object]:
    """Return the shortest time of some calls in seconds, and the last result."""
    best, result = np.inf, None
    for _ in range(times):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def duality_gap(x: np.ndarray, y: np.ndarray, weights: np.ndarray, alpha: float) -> float:
    """Return the largest gap over voxels, relative to ||y||²: what scikit-learn's tol bounds."""
    x, y = x - x.mean(0, dtype=float), y - y.mean(0, dtype=float)
    rest = y - x @ weights
    shrink = np.minimum(1, alpha * len(x) / np.maximum((x.T @ rest).max(0), 1e-300))
    primal = 0.5 * (rest**2).sum(0) + alpha * len(x) * weights.sum(0)
    dual = 0.5 * ((y**2).sum(0) - ((y - shrink * rest) ** 2).sum(0))
    return float(((primal - dual) / (y**2).sum(0)).max())


def regression() -> None:
    """Compare the fits, single-threaded and with all threads."""
    x, y = activations()
    sparse_positive(x[:50, :20], y[:50, :2], ALPHA)  # compiles, once per installation
    published = Lasso(alpha=ALPHA, positive=True, selection="random", random_state=SEED, tol=1e-2)
    tight = Lasso(alpha=ALPHA, positive=True, precompute=True, tol=1e-4, max_iter=100_000)
    for threads in (1, None):
        with threadpool_limits(threads):
            ours_s, ours = timed(lambda: sparse_positive(x, y, ALPHA))
            published_s, loose = timed(lambda: published.fit(x, y))
            tight_s, _ = timed(lambda: tight.fit(x, y), times=1)
        echo(f"{threads or 'all'} thread(s): ours {ours_s:.2f} s; published call "
             f"{published_s:.2f} s: {published_s / ours_s:.1f} times as long; Lasso with "
             f"covariances, tol 1e-4: {tight_s:.2f} s: {tight_s / ours_s:.1f} times as long")
    echo(f"duality gap / ||y||² (what tol bounds): ours "
         f"{duality_gap(x, y, ours.weights, ALPHA):.1e}, published call "
         f"{duality_gap(x, y, loose.coef_.T, ALPHA):.1e}")
    exact = Lasso(alpha=ALPHA, positive=True, precompute=True, tol=1e-12, max_iter=10**6)
    few = slice(0, 50)
    truth = exact.fit(x.astype(float), y[:, few].astype(float)).predict(x.astype(float))
    for name, predicted in (("ours", ours.predict(x)[:, few]),
                            ("published call", loose.predict(x)[:, few])):
        echo(f"largest difference from scikit-learn at tol 1e-12, in SD of the prediction: {name} "
             f"{np.abs(predicted - truth).max() / truth.std():.1e}")
    echo(f"ours: KKT violation {kkt_violation(x, y, ours, ALPHA).max():.1e} at alpha = {ALPHA}, "
         f"{ours.n_nonzero_weights.mean():.0f} units a voxel")


def per_vertex(path: Path) -> float:
    """Return the seconds per vertex of the published loop: index the data set, z-score 750."""
    start = time.perf_counter()
    with h5py.File(path) as file:
        for vertex in range(TIMED):
            stats.zscore(file["betas"][:, vertex] / 300)
    return (time.perf_counter() - start) / TIMED


def session() -> None:
    """Compare reading a session as a matrix with a loop over vertices."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, chunks in (("contiguous", None), ("chunks of one vertex", (TRIALS, 1))):
            n = VERTICES if chunks is None else VERTICES // 10
            path = Path(folder) / "lh.betas_session01.hdf5"
            path.unlink(missing_ok=True)
            with h5py.File(path, "w") as file:
                data = file.create_dataset("betas", (TRIALS, n), np.int16, chunks=chunks)
                for first in range(0, n, 8192):
                    width = min(8192, n - first)
                    data[:, first:first + width] = rng.normal(0, 300, (TRIALS, width))
            seconds, _ = timed(lambda path=path: read_session(path), times=1)
            loop = per_vertex(path)
            echo(f"a session of {n} vertices, {name}: {seconds:.1f} s "
                 f"({1e6 * seconds / n:.0f} µs a vertex); loop {1e6 * loop:.0f} µs a vertex: "
                 f"{loop * n / seconds:.0f} times as long")


def passes() -> None:
    """Count how many images a network is shown for the main figure on NSD."""
    subjects, rois, fit, choose, test = 8, 11, 1000, 1000, 515
    published = subjects * rois * (fit + choose + test)
    ours = subjects * (fit + choose) + test
    echo(f"images shown to each network: {ours} (once per set), published {published} (for every "
         f"region and participant): {published / ours:.1f} times as many")


if __name__ == "__main__":
    regression()
    session()
    passes()
