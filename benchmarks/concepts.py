"""Time of the clustering of concepts, against bare matrix products and the published procedure.

    python benchmarks/concepts.py bare [points]        8 participants x 18,000 points: 5 minutes
    python benchmarks/concepts.py published [points]   8 x 6,000: 4 minutes
    python benchmarks/concepts.py tree [points]        the merge tree, 8 x 18,000: 5 minutes

Points have 512 dimensions, the grid of eps is the paper's, expansions included. Each part runs on
"mixed" points (two hundred concepts of all strengths, which percolate within the grid, and twenty
tight clusters) and on "dense" ones (all in twenty tight clusters: lists of neighbours are longest).

1. *bare*: time relative to that of one float32 product of all 36 unordered pairs of participants,
   the faster of NumPy's own threads on slabs and one thread per block. Peak memory of the process.
2. *published*: range queries by brute force for all 64 ordered pairs, lists of neighbours in
   memory, a breadth-first search in Python for each eps, then the expansion (authors' clustering
   code), each step with NumPy where that design allows it. Labels and masks must be the same.
3. *tree*: time of the merge tree relative to that of the bare product.

Times are wall-clock seconds; in brackets processor seconds, which other processes affect less.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks
from helpers.concepts.clustering import EPS, MIN_PARTICIPANTS, Clusters, cluster, expansion_radius
from helpers.concepts.merge_tree import merge_tree
from helpers.concepts.point_cloud import PointCloud, make_point_cloud
from helpers.core.console import echo
from helpers.core.machine import peak_memory

N_PARTICIPANTS, N_DIMS, N_CONCEPTS, N_TIGHT = 8, 512, 200, 20


def drawn(kind: str, n_points: int, seed: int = 0) -> list[NDArray[np.float32]]:
    """Draw points of one kind, "mixed" or "dense"."""
    rng = np.random.default_rng(seed)
    spread = ((1 + np.arange(N_DIMS)) ** -0.35).astype(np.float32)

    def directions(n: int) -> NDArray[np.float32]:
        values = rng.standard_normal((n, N_DIMS), np.float32) * spread
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    concepts, tight = directions(N_CONCEPTS), directions(N_TIGHT)
    found = []
    for _ in range(N_PARTICIPANTS):
        values = directions(n_points)
        n_tight = n_points if kind == "dense" else int(0.3 * n_points)
        strength = 1.6 * rng.beta(1.2, 2.5, (n_points - n_tight, 1)).astype(np.float32)
        values[n_tight:] += strength * concepts[rng.integers(0, N_CONCEPTS, n_points - n_tight)]
        values[:n_tight] *= 0.3
        values[:n_tight] += tight[rng.integers(0, N_TIGHT, n_tight)]
        found.append(values[rng.permutation(n_points)])
    return found


def timed(function: Callable[[], object]) -> tuple[float, float, object]:
    """Return wall-clock seconds, processor seconds, and the result."""
    clock, processors = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - clock, time.process_time() - processors, result


def pairs(points: PointCloud, n_rows: int, n_columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield the blocks of all unordered pairs of participants, own ones whole."""
    starts = points.starts
    for own in range(N_PARTICIPANTS):
        for rows in blocks(starts[own], starts[own + 1], n_rows):
            for other in range(own, N_PARTICIPANTS):
                for columns in blocks(starts[other], starts[other + 1], n_columns):
                    yield rows, columns


def bare(participants: list[NDArray]) -> tuple[float, float]:
    """Return the time of the faster way to multiply."""
    points = make_point_cloud(participants)
    products = BlockwiseCosine(points.vectors)
    slab = np.empty((2048, max(points.sizes)), np.float32)

    def in_blocks() -> None:
        products.run(pairs(points, blocked.ROWS, blocked.COLUMNS),
                     lambda job, space: products.cosines(*job, space))

    def in_slabs() -> None:
        for rows, columns in pairs(points, len(slab), slab.shape[1]):
            left, right = points.vectors[rows], points.vectors[columns]
            np.matmul(left, right.T, out=slab[:len(left), :len(right)])

    return min(timed(in_blocks)[:2], timed(in_slabs)[:2])


def published(participants: list[NDArray]) -> list[tuple[NDArray, list[NDArray]]]:
    """Follow the published procedure; return labels and expanded masks for every eps."""
    vectors = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in participants]
    starts = np.cumsum([0] + [len(values) for values in vectors])
    owner = np.repeat(np.arange(len(vectors)), np.diff(starts))
    everybody = np.concatenate(vectors)
    near, distances = [], []
    for start in range(0, len(everybody), 512):
        block = 1 - everybody[start:start + 512] @ everybody.T
        rows, columns = np.nonzero(block < max(EPS))
        edges = np.searchsorted(rows, np.arange(1, len(block)))
        near += np.split(columns.astype(np.int32), edges)
        distances += np.split(block[rows, columns], edges)
    found = []
    for eps in EPS:
        labels = searched(near, distances, owner, eps)
        masks = grown(near, distances, labels, starts, expansion_radius(eps))
        found.append((labels, masks))
    return found


def searched(near: list[NDArray], distances: list[NDArray], owner: NDArray,
             eps: float) -> NDArray:
    """Return labels of a breadth-first search from every unvisited point (authors' code)."""
    state, queued = np.full(len(near), -2), np.zeros(len(near), bool)
    n_clusters = 0
    for seed in range(len(near)):
        if state[seed] != -2:
            continue
        queue, found_core = deque([seed]), False
        while queue:
            point = queue.popleft()
            queued[point] = False
            around = near[point][distances[point] < eps]
            present = np.zeros(N_PARTICIPANTS, bool)
            present[owner[around]] = True
            if present.sum() - present[owner[point]] >= MIN_PARTICIPANTS:
                found_core = True
                state[point] = n_clusters
                new = around[(state[around] != n_clusters) & ~queued[around]]
                queued[new] = True
                queue.extend(new.tolist())
            else:
                state[point] = n_clusters if found_core else -1
        n_clusters += found_core
    return state


def grown(near: list[NDArray], distances: list[NDArray], labels: NDArray, starts: NDArray,
          radius: float) -> list[NDArray]:
    """Return the expanded masks of each cluster and participant, from lists of neighbours."""
    masks = []
    for first, last in zip(starts, starts[1:]):
        mask = np.zeros((labels.max() + 1, last - first), bool)
        for point in range(first, last):
            if labels[point] >= 0:
                around = near[point][distances[point] < radius]
                low, high = np.searchsorted(around, (first, last))
                mask[labels[point], around[low:high] - first] = True
                mask[labels[point], point - first] = True
        masks.append(mask)
    return masks


def differing(ours: tuple[Clusters, ...], theirs: list[tuple[NDArray, list[NDArray]]]) -> int:
    """Return the number of differences between labels and masks."""
    n = 0
    for found, (labels, masks) in zip(ours, theirs):
        n += int((np.concatenate(found.labels) != labels).sum())
        n += sum(int((sparse.toarray() != mask).sum()) if sparse.shape == mask.shape else mask.size
                 for sparse, mask in zip(found.expanded, masks))
    return n


def summary(kind: str, n_points: int, found: tuple[Clusters, ...]) -> str:
    """Describe the points, clusters and core points."""
    return (f"{kind}, {N_PARTICIPANTS} x {n_points} points, load {os.getloadavg()[0]:.1f}: "
            f"{[each.n_clusters for each in found]} clusters, "
            f"{[round(float(np.concatenate(each.core).mean()), 2) for each in found]} core")


def compare_bare(kind: str, n_points: int) -> None:
    """Print time relative to that of the bare products, and memory."""
    participants = drawn(kind, n_points)
    base = bare(participants)
    ours = timed(lambda: cluster(participants))
    peak = peak_memory() / 2**30
    echo(f"{summary(kind, n_points, ours[2])}; bare {base[0]:.1f} s ({base[1]:.1f}), ours "
         f"{ours[0]:.1f} s ({ours[1]:.1f}): {ours[0] / base[0]:.2f} times "
         f"({ours[1] / base[1]:.2f}); peak memory {peak:.2f} GB")


def compare_published(kind: str, n_points: int) -> None:
    """Print the time of the published procedure relative to that of `cluster`."""
    participants = drawn(kind, n_points)
    ours = timed(lambda: cluster(participants))
    slow = timed(lambda: published(participants))
    peak = peak_memory() / 2**30
    echo(f"{summary(kind, n_points, ours[2])}; labels and masks differ at "
         f"{differing(ours[2], slow[2])} places; published {slow[0]:.1f} s ({slow[1]:.1f}, "
         f"{peak:.1f} GB), ours {ours[0]:.1f} s ({ours[1]:.1f}): {slow[0] / ours[0]:.1f} times "
         f"({slow[1] / ours[1]:.1f})")


def compare_tree(kind: str, n_points: int) -> None:
    """Print the time of the merge tree relative to that of the bare products."""
    participants = drawn(kind, n_points)
    base = bare(participants)
    tree = timed(lambda: merge_tree(participants))
    persistence = tree[2].persistence()
    echo(f"{kind}, {N_PARTICIPANTS} x {n_points} points, load {os.getloadavg()[0]:.1f}: "
         f"{len(persistence.born)} clusters; bare {base[0]:.1f} s ({base[1]:.1f}), tree "
        f"{tree[0]:.1f} s ({tree[1]:.1f}): {tree[0] / base[0]:.2f} times ({tree[1] / base[1]:.2f})")


PARTS = {"bare": (compare_bare, 18_000), "published": (compare_published, 6_000),
         "tree": (compare_tree, 18_000)}

if __name__ == "__main__":
    asked = [sys.argv[1]] if len(sys.argv) > 1 else list(PARTS)
    for compare, size in (PARTS[name] for name in asked):
        cluster(drawn("mixed", 50))  # compile before timing
        merge_tree(drawn("mixed", 50))
        for sort in ("mixed", "dense"):
            compare(sort, int(sys.argv[2]) if len(sys.argv) > 2 else size)
