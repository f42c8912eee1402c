"""Merge tree: births and merges of clusters as eps increases, and their persistence.

Core points are joined as in single linkage of the mutual reachability distance (Campello et al.
2013),

    r(p, q) = max(b(p), b(q), d(p, q)),    b(p): distance from p to the m-th nearest participant,

where p is core for eps > b(p) (rules 1 and 2 of `helpers.concepts.clustering`). The minimum
spanning tree of r contains the components of core points at every eps. It is built by Boruvka's
algorithm: in each round every component but the largest is joined to its nearest point outside;
cosines are computed only for points that may have a nearer one than is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts.blockwise_cosine import BlockwiseCosine, blocks
from helpers.concepts.clustering import MIN_PARTICIPANTS, check_support
from helpers.concepts.neighbours import Nearest, kth_smallest_of_others, nearest_neighbours
from helpers.concepts.point_cloud import Participants, make_point_cloud
from helpers.concepts.union_find import find, roots_of, union
from helpers.core.compiled import compile_kernel

MIN_PERSISTENCE = 1e-6
"""Clusters that persist no longer are ties, such as equal points, separated by rounding."""


@dataclass(frozen=True)
class Persistence:
    """Births and deaths of clusters as eps increases (zero-dimensional persistence).

    Of clusters that merge, the oldest continues: the one born first, or, among equals, the one
    whose first point comes first.

    Attributes
    ----------
    born : array, float64, shape (n_clusters,)
        Cosine distance above which the cluster exists; increasing.
    ended : array, float64, same shape
        Cosine distance up to which it is not part of an older one; infinite for the last one.
    point : array, int32, same shape
        Its first core point: row of all participants' arrays, one after another.
    n_core : array, int64, same shape
        Core points at eps = ``ended``; all points for the last one.
    """

    born: NDArray[np.float64]
    ended: NDArray[np.float64]
    point: NDArray[np.int32]
    n_core: NDArray[np.int64]

    def n_clusters(self, eps: float) -> int:
        """Return the number of clusters at one eps."""
        return int(((self.born < eps) & (eps <= self.ended)).sum())


@dataclass(frozen=True)
class MergeTree:
    """Minimum spanning tree of all points under mutual reachability.

    Points are rows of all participants' arrays, one after another. Distances are from float32
    cosines, with errors of about 1e-7 (bound: 3e-5 in 512 dimensions), whereas `cluster` recomputes
    those near a threshold: the two agree wherever no distance is that close to eps.

    Attributes
    ----------
    core : array, float64, shape (n_points,)
        Cosine distance to the m-th nearest participant: a point is core for eps above it. Infinite
        for zero vectors, which are in no link.
    links : array, int32, shape (n_nonzero_points - 1, 2)
        Pairs of points, in the order in which they join as eps increases.
    joined : array, float64, shape (n_links,)
        Cosine distance above which both points are core and in one cluster; increasing.
    """

    core: NDArray[np.float64]
    links: NDArray[np.int32]
    joined: NDArray[np.float64]

    def persistence(self) -> Persistence:
        """Return the clusters that persist for more than `MIN_PERSISTENCE`."""
        ended, n_core = _lifetimes(self.core, self.links, self.joined)
        first = np.flatnonzero(np.isfinite(self.core))
        first = first[ended[first] - self.core[first] > MIN_PERSISTENCE]
        first = first[np.argsort(self.core[first], kind="stable")]
        return Persistence(self.core[first], ended[first], first.astype(np.int32), n_core[first])


def merge_tree(participants: Participants, *, min_participants: int = MIN_PARTICIPANTS,
               device: torch.device | str = "cpu") -> MergeTree:
    """Return the merge tree of core points, in memory that grows with the number of points.

    Parameters
    ----------
    participants : mapping or sequence of arrays, shape (n_points, n_dims)
        One row per point, of any norm, as for `cluster`.
    min_participants : int
        m, 1 ... n_participants - 1.
    device : torch.device or str

    Returns
    -------
    MergeTree

    Raises
    ------
    LabError
        If participants or m are invalid.
    """
    points = make_point_cloud(participants)
    check_support(min_participants, len(points.names))
    products, position = BlockwiseCosine(points.vectors, device), points.position
    nearest = nearest_neighbours(points, products, np.empty(0))
    core_cosine = -kth_smallest_of_others(-nearest.cosine, points.owner, min_participants)
    links, reach = _Forest(products, nearest, core_cosine).spanning_tree()
    order = np.argsort(-reach, kind="stable")
    core = np.full(sum(points.sizes), np.inf)
    core[position] = 1 - core_cosine.astype(np.float64)
    return MergeTree(core, position[links[order]], 1 - reach[order].astype(np.float64))


class _Forest:
    """Spanning forest of Boruvka's algorithm, and each point's nearest point outside its component.

    Reach, the similarity that corresponds to mutual reachability: min(core cosines of both points,
    their cosine). ``reach``, ``partner``: the largest one known for each point; ``bound``: its
    upper bound. They change from round to round. ``table``: the reach of the nearest neighbour in
    each participant.
    """

    def __init__(self, products: BlockwiseCosine, nearest: Nearest,
                 core: NDArray[np.float32]) -> None:
        self.products, self.core, self.index = products, core, nearest.index
        self.parent = np.arange(len(core), dtype=np.int32)
        self.table = np.minimum(np.minimum(nearest.cosine, core[nearest.index]), core[:, None])
        self.table[nearest.index < 0] = -np.inf
        self.reach, self.partner = np.empty(len(core), np.float32), np.empty(len(core), np.int32)
        self.bound = core.copy()
        self._update_partners(np.arange(len(core)), self.parent)

    def spanning_tree(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the links of the tree, (n_points - 1, 2), and their reach."""
        # A partner at the upper bound is certainly the nearest one.
        known = [self._join(np.flatnonzero(self.reach >= self.bound))]
        while sum(len(links) for links, _ in known) < len(self.core) - 1:
            comp = roots_of(self.parent[None], 0, np.arange(len(self.core)))[0]
            self._update_partners(np.flatnonzero(comp[self.partner] == comp), comp)
            smaller = comp != np.bincount(comp).argmax()
            self._search(np.flatnonzero((self.bound > self._best(comp)) & smaller), comp)
            nearest = np.flatnonzero((self.reach == self._best(comp)) & smaller)
            nearest = nearest[np.unique(comp[nearest], return_index=True)[1]]
            known.append(self._join(nearest))
        return tuple(map(np.concatenate, zip(*known)))

    def _join(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Join points to their partners; return the new links and their reach."""
        points = points[_join_points(self.parent, points, self.partner[points])]
        return np.stack([points, self.partner[points]], axis=1), self.reach[points]

    def _update_partners(self, points: NDArray, comp: NDArray) -> None:
        """Replace partners by the best nearest neighbour that is outside a point's component."""
        index = self.index[points]
        reach = np.where(comp[index] == comp[points, None], -np.inf, self.table[points])
        best = np.arange(len(points)), reach.argmax(1)
        self.reach[points], self.partner[points] = reach[best], index[best]

    def _best(self, comp: NDArray) -> NDArray[np.float32]:
        """Return, for each point, the largest known reach in its component."""
        best = np.full(len(comp), -np.inf, np.float32)
        np.maximum.at(best, comp, self.reach)
        return best[comp]

    def _search(self, points: NDArray, comp: NDArray) -> None:
        """Find the nearest point outside by comparison with all points."""
        def work(rows: NDArray, buffer: NDArray) -> None:
            best, partner = self.reach[rows], self.partner[rows]
            for columns in blocks(0, len(comp), blocked.COLUMNS):
                _reach(self.products.cosines(rows, columns, buffer), comp[rows], comp[columns],
                       self.core[rows], self.core[columns], columns.start, best, partner)
            self.reach[rows], self.partner[rows], self.bound[rows] = best, partner, best

        pieces = blocks(0, len(points), blocked.ROWS)
        self.products.run((points[piece] for piece in pieces), work)


@compile_kernel
def _join_points(parent, points, partners):
    """Join points to partners, in place, one after another; return which were separate."""
    apart = np.empty(len(points), np.bool_)
    for i in range(len(points)):
        apart[i] = union(parent, points[i], partners[i])
    return apart


@compile_kernel
def _reach(cosines, row_comp, column_comp, row_core, column_core, start, best, partner):
    """Update, in place, the largest reach of rows to points outside their components."""
    for r in range(cosines.shape[0]):
        for c in range(cosines.shape[1]):
            reach = min(cosines[r, c], column_core[c], row_core[r])
            if reach > best[r] and row_comp[r] != column_comp[c]:
                best[r], partner[r] = reach, start + c


@compile_kernel
def _lifetimes(born, links, joined):
    """Return the death of the component born with each point, and its size just before.

    Links of equal distance join simultaneously: sizes are those before the first of them.
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
