"""Union-find (disjoint sets): connected components of points that are linked one pair at a time.

``parent``: array of int, shape (n_points,); a root is its own parent. The root of a component is
its first point. Paths are halved (Tarjan & van Leeuwen 1984).
"""

from __future__ import annotations

import numpy as np

from helpers.core.compiled import compile_kernel


@compile_kernel
def find(parent, point):
    """Return the root of a point's component; the path to it is halved in place."""
    while parent[point] != point:
        parent[point] = parent[parent[point]]
        point = parent[point]
    return point


@compile_kernel
def union(parent, first, second):
    """Join the components of two points, in place; return whether they were separate."""
    p, q = find(parent, first), find(parent, second)
    parent[max(p, q)] = min(p, q)
    return p != q


@compile_kernel
def roots_of(forest, level, points):
    """Return the roots of points from one level on, (n_levels - level, n_points).

    ``forest``: one ``parent`` for each level, (n_levels, n_all_points).
    """
    roots = np.empty((forest.shape[0] - level, len(points)), np.int32)
    for a in range(level, forest.shape[0]):
        for i in range(len(points)):
            roots[a - level, i] = find(forest[a], points[i])
    return roots
