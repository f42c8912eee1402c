"""The merge tree: births and merges of clusters while eps grows over all values.

Core points at every eps are joined as in single linkage over mutual reachability,

    r(p, q) = max(b(p), b(q), d(p, q)),    b(p): distance from p to the m-th nearest participant,

p being core for eps > b(p). The minimum spanning tree of r holds the components of core points at
every eps. It grows by Boruvka's rounds: in each round every component but the largest finds the
nearest point outside; only points that may have a nearer one than is known are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.concepts import products as blocked
from helpers.concepts.clustering import MIN_PARTICIPANTS, check_support
from helpers.concepts.linkage import STRIDE, find, roots_of, unite
from helpers.concepts.neighbours import Nearest, nearest_neighbours, of_others
from helpers.concepts.points import Participants, Points, unit_points
from helpers.concepts.products import Products, blocks, compiled

AT_ONCE = 4096
"""Points for which the nearest one outside their components is looked for at a time."""


@dataclass(frozen=True)
class History:
    """Clusters that live for more than one eps; of two that merge the younger one ends.

    Attributes
    ----------
    born : array, float64, shape (n_lives,)
        Distance above which the cluster exists; rising.
    ended : array, float64, same shape
        Distance above which it is part of an older one; infinite for those that stay.
    point : array, int32, same shape
        The core point that it began with: its row where participants' arrays are put together.
    n_core : array, int64, same shape
        Core points when it ended (all points for those that stay).
    """

    born: NDArray[np.float64]
    ended: NDArray[np.float64]
    point: NDArray[np.int32]
    n_core: NDArray[np.int64]

    def n_clusters(self, eps: float) -> int:
        """Return how many clusters there are at one eps."""
        return int(((self.born < eps) & (eps <= self.ended)).sum())


@dataclass(frozen=True)
class MergeTree:
    """Spanning tree of all points under mutual reachability.

    Cosines are float32, as they come: off by 1e-7 or so (3e-5 at the very worst, in 512
    dimensions), unlike those that `cluster` decides on.

    Attributes
    ----------
    points : Points
    core_cosine : array, float32, shape (n_points,)
        A point is core for eps > 1 - core_cosine.
    links : array, int64, shape (n_points - 1, 2)
        Pairs of rows of ``points``, in the order in which they join while eps grows.
    link_cosine : array, float32, shape (n_points - 1,)
        Falling: a link joins for eps > 1 - link_cosine.
    """

    points: Points
    core_cosine: NDArray[np.float32]
    links: NDArray[np.int64]
    link_cosine: NDArray[np.float32]

    def core_labels(self, eps: float) -> tuple[NDArray[np.int32], ...]:
        """Return the clusters of core points at one eps, as `cluster` numbers them.

        Parameters
        ----------
        eps : float
            Cosine distance.

        Returns
        -------
        tuple of arrays, int32, shape (n_points,)
            Per participant; -1 for points that are not core.
        """
        n_points, n_links = len(self.core_cosine), int((self.link_cosine > 1 - eps).sum())
        forest = np.arange(n_points, dtype=np.int32)[None].copy()
        for p, q in self.links[:n_links]:
            unite(forest, 0, p, q)
        labels = np.full(n_points, -1, np.int32)
        core = np.flatnonzero(self.core_cosine > 1 - eps)
        core = core[np.argsort(self.points.position[core])]
        _, first, label = np.unique(roots_of(forest, 0, core)[0], return_index=True,
                                    return_inverse=True)
        labels[core] = np.argsort(np.argsort(first))[label]
        return self.points.split(labels, -1)

    def history(self) -> History:
        """Return the lives of all clusters."""
        born = 1 - self.core_cosine.astype(np.float64)
        joined = 1 - self.link_cosine.astype(np.float64)
        ended, n_core = _lives(born, self.links, joined)
        lives = np.flatnonzero(ended > born)
        lives = lives[np.lexsort((self.points.position[lives], born[lives]))]
        return History(born[lives], ended[lives], self.points.position[lives], n_core[lives])


def merge_tree(participants: Participants, *, min_participants: int = MIN_PARTICIPANTS,
               device: torch.device | str = "cpu") -> MergeTree:
    """Join core points at all eps at once, in memory that grows with the number of points.

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)
    min_participants : int
        m, 1 ... n_participants - 1.
    device : torch.device or str

    Raises
    ------
    LabError
        If participants or m are not such.
    """
    points = unit_points(participants)
    check_support(min_participants, len(points.names))
    products = Products(points.vectors, device)
    nearest = nearest_neighbours(points, products)
    core_cosine = -of_others(-nearest.cosine, points.owner, min_participants)
    links, cosine = _Tree(products, nearest, core_cosine).grown()
    order = np.argsort(-cosine, kind="stable")
    return MergeTree(points, core_cosine, links[order], cosine[order])


class _Tree:
    """A growing spanning forest, and what each point knows of the nearest point outside.

    Reach: min(core cosines of both, cosine); the larger the nearer. ``reach``, ``partner``: the
    best that is known; ``bound``: what it is at most. Both change from round to round.
    """

    def __init__(self, products: Products, nearest: Nearest, core: NDArray[np.float32]) -> None:
        self.products, self.core = products, core
        self.forest = np.arange(len(core), dtype=np.int32)[None].copy()
        self.everybody = np.arange(len(core))
        reach = np.minimum(np.minimum(nearest.cosine, core[nearest.index]), core[:, None])
        reach[nearest.index < 0] = -np.inf
        best = reach.argmax(1)
        self.reach = reach[self.everybody, best]
        self.partner = nearest.index[self.everybody, best].astype(np.int64)
        self.bound = core.copy()

    def grown(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the tree's links (n_points - 1, 2) and their reach."""
        # A partner as near as a point's own distance allows is its nearest one, beyond doubt.
        pairs = [self._joined(np.flatnonzero(self.reach >= self.bound))]
        while sum(len(known) for known, _ in pairs) < len(self.core) - 1:
            comp = roots_of(self.forest, 0, self.everybody)[0]
            self.reach[comp[self.partner] == comp] = -np.inf
            largest = np.bincount(comp).argmax()
            while len(rows := self._open(comp, largest)):
                self._look(rows, comp)
            best = self._best(comp)
            found = np.flatnonzero((self.reach == best[comp]) & (comp != largest))
            found = found[np.unique(comp[found], return_index=True)[1]]
            pairs.append(self._joined(found))
        return (np.concatenate([links for links, _ in pairs]),
                np.concatenate([reach for _, reach in pairs]))

    def _joined(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Join points to their partners; return the links that were new."""
        new = [p for p in points if _unite_new(self.forest, p, self.partner[p])]
        new = np.array(new, np.int64)
        return np.stack([new, self.partner[new]], axis=1), self.reach[new]

    def _best(self, comp: NDArray) -> NDArray[np.float32]:
        """Return the best reach that is known for each component, by its root."""
        best = np.full(len(comp), -np.inf, np.float32)
        np.maximum.at(best, comp, self.reach)
        return best

    def _open(self, comp: NDArray, largest: int) -> NDArray:
        """Return points that may reach further than is known: each component's likeliest."""
        known = self._best(comp)[comp]
        points = np.flatnonzero((self.bound > known) & (self.bound > self.reach)
                                & (comp != largest))
        points = points[np.lexsort((-self.bound[points], comp[points]))]
        firsts, start, count = np.unique(comp[points], return_index=True, return_counts=True)
        rank = np.arange(len(points)) - np.repeat(start, count)
        return points[rank < max(1, AT_ONCE // max(1, len(firsts)))]

    def _look(self, points: NDArray, comp: NDArray) -> None:
        """Find the nearest point outside, exactly."""
        def work(rows: NDArray, space: NDArray) -> None:
            best, partner = self.reach[rows], self.partner[rows]
            alone = (comp[rows] == comp[rows[0]]).all()
            others = np.flatnonzero(comp != comp[rows[0]]) if alone else self.everybody
            for piece in blocks(0, len(others), blocked.COLUMNS):
                columns = others[piece]
                _reach(self.products.cosines(rows, columns, space), comp[rows], comp[columns],
                       self.core[rows], self.core[columns], columns, best, partner)
            self.reach[rows], self.partner[rows], self.bound[rows] = best, partner, best

        pieces = blocks(0, len(points), blocked.ROWS)
        self.products.share((points[piece] for piece in pieces), work)


@compiled
def _unite_new(forest, first, second):
    """Join two points, in place; returns whether they were apart."""
    apart = find(forest[0], first) != find(forest[0], second)
    unite(forest, 0, first, second)
    return apart


@compiled
def _reach(cosines, row_comp, column_comp, row_core, column_core, columns, best, partner):
    """Raise, in place, the best reach of rows to points outside their components."""
    for r in range(cosines.shape[0]):
        line = cosines[r]
        for first in range(0, cosines.shape[1], STRIDE):
            if best[r] >= row_core[r]:
                break
            last, top = min(first + STRIDE, cosines.shape[1]), best[r]
            for c in range(first, last):
                top = max(top, min(line[c], column_core[c]))
            if top <= best[r]:
                continue
            for c in range(first, last):
                reach = min(min(line[c], column_core[c]), row_core[r])
                if reach > best[r] and row_comp[r] != column_comp[c]:
                    best[r], partner[r] = reach, columns[c]


@compiled
def _lives(born, links, joined):
    """Return where each point's life as the oldest of a component ends, and its size then."""
    n_points = len(born)
    parent, size = np.arange(n_points), np.ones(n_points, np.int64)
    ended = np.full(n_points, np.inf)
    for i in range(len(links)):
        older, younger = find(parent, links[i, 0]), find(parent, links[i, 1])
        if born[younger] < born[older] or (born[younger] == born[older] and younger < older):
            older, younger = younger, older
        parent[younger] = older
        ended[younger] = joined[i]
        size[older] += size[younger]
    return ended, size
