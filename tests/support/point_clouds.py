"""Small point clouds of several participants."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from helpers.concepts.merge_tree import MergeTree


def draw(seed: int) -> list[np.ndarray]:
    """Points of four to six people about a few common directions, and some about none."""
    rng = np.random.default_rng(seed)
    dims, people = int(rng.integers(4, 9)), int(rng.integers(4, 7))
    common = rng.normal(size=(int(rng.integers(2, 5)), dims))
    spread = rng.uniform(0.3, 1.2)
    return [(common[rng.integers(len(common), size=n)] + spread * rng.normal(size=(n, dims))
             ).astype(np.float32) for n in rng.integers(3, 14, size=people)]


def signs(seed: int) -> list[np.ndarray]:
    """Integers, +1 or -1 in 16 dimensions: multiples of 1/8 as cosines, exactly; many points twice.

    Some are there twice in one participant, some in several.
    """
    rng = np.random.default_rng(seed)
    common = rng.choice([-1, 1], size=(5, 16))
    drawn = [common[rng.integers(5, size=n)] * np.where(rng.random((n, 16)) < 0.12, -1, 1)
             for n in rng.integers(7, 12, size=5)]
    drawn[1] = np.concatenate([drawn[0][:2], drawn[1], drawn[1][:1]])
    drawn[4] = np.concatenate([drawn[4], drawn[0][1:3], drawn[4][:2]])
    return drawn


def people(seed: int) -> list[np.ndarray]:
    """Six people's points: a cloud that percolates within the grid, tight ones, equal points."""
    rng = np.random.default_rng(seed)
    common, found = rng.normal(size=(9, 8)), []
    for n in rng.integers(15, 45, size=6):
        spread = rng.uniform(0.05, 0.9, size=(n, 1))
        found.append(common[rng.integers(9, size=n)] + spread * rng.normal(size=(n, 8)))
    found[1][:4] = found[2][3:7] = found[0][:4]
    found[3][5:8] = found[3][:3]
    found[4][2] = 0
    return [x.astype(np.float32) for x in found]


def cut(tree: MergeTree, eps: float) -> np.ndarray:
    """Components of core points at one eps, numbered by their first ones; -1 for other points."""
    links = tree.links[:np.searchsorted(tree.joined, eps)].T
    graph = csr_array((np.ones(links.shape[1], bool), tuple(links)), shape=2 * tree.core.shape)
    labels, core = np.full(len(tree.core), -1, np.int32), np.flatnonzero(tree.core < eps)
    _, first, label = np.unique(connected_components(graph, directed=False)[1][core],
                                return_index=True, return_inverse=True)
    labels[core] = np.argsort(np.argsort(first))[label]
    return labels
