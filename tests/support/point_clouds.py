"""Small point clouds of several participants."""

from __future__ import annotations

import numpy as np


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
