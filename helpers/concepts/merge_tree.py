"""The merge tree: births and merges of clusters while eps grows over all values.

Core points at every eps are joined as in single linkage over mutual reachability,

    r(p, q) = max(b(p), b(q), d(p, q)),    b(p): distance from p to the m-th nearest participant,

p being core for eps > b(p) (authors' clustering code, rules 1 and 2). The minimum spanning tree of
r holds the components of core points at every eps. It grows by Boruvka's rounds: in each round
every component but the largest finds the nearest point outside; only points that may have a nearer
one than is known are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks
from helpers.concepts.clustering import MIN_PARTICIPANTS, check_support
from helpers.concepts.core_components import STRIDE
from helpers.concepts.neighbours import Nearest, kth_smallest_of_others, nearest_neighbours
from helpers.concepts.point_cloud import Participants, make_point_cloud
from helpers.concepts.union_find import find, roots_of, union
from helpers.core.compiled import compile_kernel

BLOCK_SIZE = 4096
"""Points for which the nearest one outside their components is looked for at a time."""
MIN_PERSISTENCE = 1e-6
"""Lives that are no longer are left out: ties, as of equal points, which rounding has parted."""


@dataclass(frozen=True)
class Persistence:
    """Clusters that live for more than one eps; of those that merge the oldest goes on.

    The oldest is the one born first, of several the one whose first point comes first.

    Attributes
    ----------
    born : array, float64, shape (n_lives,)
        Cosine distance above which the cluster exists; rising.
    ended : array, float64, same shape
        Cosine distance up to which it is not part of an older one; infinite for the one that stays.
    point : array, int32, same shape
        The core point that it began with, the first of several: row of all participants' arrays,
        one after another.
    n_core : array, int64, same shape
        Core points at eps = ``ended``; all points for the one that stays.
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

    Points are named by their rows in all participants' arrays, one after another. Distances are
    made of float32 cosines as they come: off by 1e-7 or so (3e-5 at the very worst, in 512
    dimensions), while `cluster` settles doubtful ones. So the two agree wherever no distance is as
    near to eps as that.

    Attributes
    ----------
    core : array, float64, shape (n_points,)
        Cosine distance to the m-th nearest participant: a point is core for eps above it. Infinite
        for vectors of length 0, which are in no link.
    links : array, int32, shape (n_points that have a length - 1, 2)
        Pairs of points, in the order in which they join while eps grows.
    joined : array, float64, shape (n_links,)
        Cosine distance above which the two of a link are core and in one cluster; rising.
    """

    core: NDArray[np.float64]
    links: NDArray[np.int32]
    joined: NDArray[np.float64]

    def persistence(self) -> Persistence:
        """Return the lives of all clusters, but for those of `MIN_PERSISTENCE` or less."""
        ended, n_core = _lifetimes(self.core, self.links, self.joined)
        lives = np.flatnonzero(np.isfinite(self.core))
        lives = lives[ended[lives] - self.core[lives] > MIN_PERSISTENCE]
        lives = lives[np.argsort(self.core[lives], kind="stable")]
        return Persistence(self.core[lives], ended[lives], lives.astype(np.int32), n_core[lives])


def merge_tree(participants: Participants, *, min_participants: int = MIN_PARTICIPANTS,
               device: torch.device | str = "cpu") -> MergeTree:
    """Join core points at all eps at once, in memory that grows with the number of points.

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)
        One row per point, of any length, as for `cluster`.
    min_participants : int
        m, 1 ... n_participants - 1.
    device : torch.device or str

    Returns
    -------
    MergeTree

    Raises
    ------
    LabError
        If participants or m are not such.
    """
    points = make_point_cloud(participants)
    check_support(min_participants, len(points.names))
    products, position = BlockwiseCosine(points.vectors, device), points.position
    nearest = nearest_neighbours(points, products)
    core_cosine = -kth_smallest_of_others(-nearest.cosine, points.owner, min_participants)
    links, reach = _Forest(products, nearest, core_cosine).grown()
    order = np.argsort(-reach, kind="stable")
    core = np.full(sum(points.sizes), np.inf)
    core[position] = 1 - core_cosine.astype(np.float64)
    return MergeTree(core, position[links[order]], 1 - reach[order].astype(np.float64))


class _Forest:
    """A growing spanning forest, and what each point knows of the nearest point outside.

    Reach: min(core cosines of both, cosine); the larger the nearer. ``reach``, ``partner``: the
    best that is known; ``bound``: what it is at most. They change from round to round. ``table``:
    the reach to the nearest neighbour in each participant.
    """

    def __init__(self, products: BlockwiseCosine, nearest: Nearest,
                 core: NDArray[np.float32]) -> None:
        self.products, self.core, self.index = products, core, nearest.index
        self.parent = np.arange(len(core), dtype=np.int32)
        self.table = np.minimum(np.minimum(nearest.cosine, core[nearest.index]), core[:, None])
        self.table[nearest.index < 0] = -np.inf
        self.reach, self.partner = np.empty(len(core), np.float32), np.empty(len(core), np.int32)
        self.bound = core.copy()
        self._fall_back(np.arange(len(core)), self.parent)

    def grown(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the tree's links (n_points - 1, 2) and their reach."""
        # A partner as near as a point's own distance allows is its nearest one, beyond doubt.
        known = [self._joined(np.flatnonzero(self.reach >= self.bound))]
        while sum(len(links) for links, _ in known) < len(self.core) - 1:
            comp = roots_of(self.parent[None], 0, np.arange(len(self.core)))[0]
            self._fall_back(np.flatnonzero(comp[self.partner] == comp), comp)
            largest = np.bincount(comp).argmax()
            while len(rows := self._open(comp, largest)):
                self._look(rows, comp)
            found = np.flatnonzero((self.reach == self._best(comp)) & (comp != largest))
            found = found[np.unique(comp[found], return_index=True)[1]]
            known.append(self._joined(found))
        return tuple(map(np.concatenate, zip(*known)))

    def _joined(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Join points to their partners; return the links that were new, and their reach."""
        points = points[_join_points(self.parent, points, self.partner[points])]
        return np.stack([points, self.partner[points]], axis=1), self.reach[points]

    def _fall_back(self, points: NDArray, comp: NDArray) -> None:
        """Make the best nearest neighbour outside the partner of points whose own is inside now."""
        index = self.index[points]
        reach = np.where(comp[index] == comp[points, None], -np.inf, self.table[points])
        best = np.arange(len(points)), reach.argmax(1)
        self.reach[points], self.partner[points] = reach[best], index[best]

    def _best(self, comp: NDArray) -> NDArray[np.float32]:
        """Return, for each point, the best reach that is known in its component."""
        best = np.full(len(comp), -np.inf, np.float32)
        np.maximum.at(best, comp, self.reach)
        return best[comp]

    def _open(self, comp: NDArray, largest: int) -> NDArray:
        """Return points that may reach further than is known: each component's likeliest."""
        points = np.flatnonzero((self.bound > self._best(comp)) & (comp != largest))
        points = points[np.lexsort((-self.bound[points], comp[points]))]
        _, start, turn = np.unique(comp[points], return_index=True, return_inverse=True)
        rank = np.arange(len(points)) - start[turn]
        return points[rank < max(1, BLOCK_SIZE // max(1, len(start)))]

    def _look(self, points: NDArray, comp: NDArray) -> None:
        """Find the nearest point outside, exactly."""
        def work(rows: NDArray, space: NDArray) -> None:
            best, partner = self.reach[rows], self.partner[rows]
            for columns in blocks(0, len(comp), blocked.COLUMNS):
                _reach(self.products.cosines(rows, columns, space), comp[rows], comp[columns],
                       self.core[rows], self.core[columns], columns.start, best, partner)
            self.reach[rows], self.partner[rows], self.bound[rows] = best, partner, best

        pieces = blocks(0, len(points), blocked.ROWS)
        self.products.share((points[piece] for piece in pieces), work)


@compile_kernel
def _join_points(parent, points, partners):
    """Join points to partners, in place, one after another; tell which were apart until then."""
    apart = np.empty(len(points), np.bool_)
    for i in range(len(points)):
        apart[i] = union(parent, points[i], partners[i])
    return apart


@compile_kernel
def _reach(cosines, row_comp, column_comp, row_core, column_core, start, best, partner):
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
                    best[r], partner[r] = reach, start + c


@compile_kernel
def _lifetimes(born, links, joined):
    """Return where each point's life as the oldest of a component ends, and the size up to there.

    All links of one distance join at once: sizes are taken before the first of them.
    """
    n_points, n_links, first = len(born), len(links), 0
    parent, size = np.arange(n_points), np.ones(n_points, np.int64)
    ended, n_core = np.full(n_points, np.inf), size.copy()
    while first < n_links:
        last = first
        while last < n_links and joined[last] == joined[first]:
            for point in links[last]:
                root = find(parent, point)
                n_core[root] = size[root]
            last += 1
        for i in range(first, last):
            older, younger = find(parent, links[i, 0]), find(parent, links[i, 1])
            if (born[younger], younger) < (born[older], older):
                older, younger = younger, older
            parent[younger] = older
            ended[younger] = joined[i]
            size[older] += size[younger]
        first = last
    n_core[np.isinf(ended)] = n_links + 1
    return ended, n_core
