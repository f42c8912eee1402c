"""The merge tree, cut anywhere and read as a whole, against distances written out in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from support.point_clouds import cut, draw, people, signs

from helpers.concepts.clustering import EPS, cluster
from helpers.concepts.merge_tree import MergeTree, Persistence, merge_tree
from helpers.core.errors import LabError

ROUNDING = 1e-6
"""Cosines of the tree are float32."""


@dataclass
class Dense:
    """All distances; each point's distance to its m-th nearest participant, own one left out."""

    distance: np.ndarray
    core: np.ndarray

    def heights(self) -> np.ndarray:
        """Distances at which anything can change; those that rounding parts are one."""
        pairs = np.maximum(np.maximum(self.core[:, None], self.core), self.distance)
        found = np.unique(np.append(pairs[~np.eye(len(pairs), dtype=bool)], self.core))
        return found[np.append(True, np.diff(found) > ROUNDING)]

    def labels(self, eps: float) -> np.ndarray:
        """Components of core points, numbered by their first ones; -1 for all other points."""
        core, numbers = np.flatnonzero(self.core < eps), {}
        found = np.full(len(self.core), -1)
        linked = self.distance[np.ix_(core, core)] < eps
        for point, name in zip(core, connected_components(linked, directed=False)[1]):
            found[point] = numbers.setdefault(name, len(numbers))
        return found

    def lives(self) -> list[tuple[int, float, float, int]]:
        """First point, birth, end, core points up to there: eps raised step by step."""
        heights = self.heights()
        born, size, found = {}, {}, []
        for height, eps in zip(heights, np.append((heights[1:] + heights[:-1]) / 2, 3)):
            labels, now = self.labels(eps), {}
            for number in range(labels.max() + 1):
                members = np.flatnonzero(labels == number)
                now[members[self.core[members].argmin()]] = len(members)
            found += [(p, born[p], height, size[p]) for p in size if p not in now]
            born, size = {p: born.get(p, height) for p in now}, now
        return sorted(found + [(p, born[p], np.inf, size[p]) for p in size])


def dense(arrays, m: int) -> Dense:
    units = np.concatenate([np.asarray(x, float) for x in arrays])
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    owner = np.repeat(np.arange(len(arrays)), [len(x) for x in arrays])
    distance = 1 - units @ units.T
    distance = np.maximum(distance, distance.T)  # the same both ways
    near = np.stack([distance[:, owner == s].min(1) for s in range(len(arrays))], axis=1)
    near[np.arange(len(owner)), owner] = np.inf
    return Dense(distance, np.sort(near, axis=1)[:, m - 1])


def settled(arrays, eps: float, m: int) -> np.ndarray:
    """Labels of core points by float64 cosines of the float32 unit vectors."""
    units = np.concatenate([x / np.linalg.norm(x.astype("f8"), axis=1, keepdims=True)
                            for x in arrays]).astype("f4").astype("f8")
    near = units @ units.T > 1 - eps
    owner = np.repeat(np.arange(len(arrays)), [len(x) for x in arrays])
    support = sum(near[:, owner == s].any(1) & (owner != s) for s in range(len(arrays)))
    return Dense(np.where(near, 0.0, 2.0), np.where(support >= m, 0.0, 2.0)).labels(1)


def lives_of(persistence: Persistence) -> list[tuple[int, float, float, int]]:
    return sorted(zip(persistence.point, persistence.born, persistence.ended, persistence.n_core))


def same(tree: MergeTree, whole: Dense, grid) -> int:
    """Hold cuts and counts against the dense ones; return the most clusters at one eps."""
    most, persistence = 0, tree.persistence()
    for eps in grid:
        labels = whole.labels(eps)
        np.testing.assert_array_equal(cut(tree, eps), labels)
        assert persistence.n_clusters(eps) == labels.max() + 1
        most = max(most, labels.max() + 1)
    return most


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_cut_at_any_eps_is_what_full_distances_give(m):
    several = 0
    for seed in range(20):
        arrays, rng = draw(100 * m + seed), np.random.default_rng(seed)
        tree, whole = merge_tree(arrays, min_participants=m), dense(arrays, m)
        heights = whole.heights()
        wide = np.flatnonzero(np.diff(heights) > 2 * ROUNDING)
        wide = rng.choice(wide, min(len(wide), 20), replace=False)
        between = (heights[wide] + heights[wide + 1]) / 2
        several += same(tree, whole, [*EPS, *between[between < 2]]) > 1
    assert several >= 10


@pytest.mark.slow
@pytest.mark.parametrize(("make", "n_cases", "grid"), [
    (draw, 300, EPS), (people, 100, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
    (signs, 100, (0.125, 0.25, 0.375, 0.5, 0.625))])
def test_a_cut_of_the_tree_gives_the_clusters_of_core_points_at_every_eps(make, n_cases, grid):
    """Two independent ways to the same components, in 500 random cases."""
    for seed in range(n_cases):
        arrays, m = make(seed), 1 + seed % 3
        tree = merge_tree(arrays, min_participants=m)
        for found in cluster(arrays, eps=grid, min_participants=m):
            np.testing.assert_array_equal(cut(tree, found.eps), np.where(
                np.concatenate(found.core), np.concatenate(found.labels), -1))


def test_pairs_within_rounding_of_eps_are_settled_by_cluster_alone():
    """Cosines within 1e-7 of 1 - eps: float32 distances of the tree do not tell on which side."""
    differ = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.normal(size=(64, 64)))[0].reshape(-1, 2, 64)[:12]
        cosine = 1 - np.resize(EPS, 12) + 2e-8 * rng.normal(size=12)
        sine = np.sqrt(1 - cosine**2)
        arrays = [axes[:, 0].astype("f4")] + [
            (cosine[:, None] * axes[:, 0] + side * sine[:, None] * axes[:, 1]).astype("f4")
            for side in (1, -1, 1)]
        tree = merge_tree(arrays, min_participants=2)
        for found in cluster(arrays, eps=EPS, min_participants=2):
            labels = np.where(np.concatenate(found.core), np.concatenate(found.labels), -1)
            np.testing.assert_array_equal(labels, settled(arrays, found.eps, 2))
            differ += (labels != cut(tree, found.eps)).any()
    assert differ > 10


@pytest.mark.slow
def test_lives_are_those_seen_while_eps_is_raised_step_by_step():
    n = several = 0
    for seed in range(50):
        arrays, m = [x[:4] for x in draw(seed)], 1 + seed % 3
        mine = lives_of(merge_tree(arrays, min_participants=m).persistence())
        theirs = dense(arrays, m).lives()
        assert [(p, size) for p, _, _, size in mine] == [(p, size) for p, _, _, size in theirs]
        np.testing.assert_allclose(np.array(mine)[:, 1:3], np.array(theirs)[:, 1:3], atol=ROUNDING)
        n, several = n + len(mine), several + (len(mine) > 2)
    assert n > 100 and several > 10


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 2, 3])
def test_ties_are_settled_by_the_order_of_the_input(m):
    """Distances are multiples of 1/8, without rounding: eps may be one of them."""
    ties = 0
    for seed in range(30):
        arrays = signs(seed)
        tree, whole = merge_tree(arrays, min_participants=m), dense(arrays, m)
        persistence = tree.persistence()
        same(tree, whole, np.arange(1, 32) / 16)
        assert lives_of(persistence) == whole.lives()
        ties += len(np.unique(persistence.born)) < len(persistence.born) - 1
        assert (np.lexsort((persistence.point,
                            persistence.born)) == np.arange(len(persistence.born))).all()
    assert ties > 10


def test_equal_points_are_one_cluster_whatever_rounding_makes_of_them():
    """Three hundred directions that all five have, half of them twice, and some points apart."""
    rng = np.random.default_rng(0)
    base, which = rng.normal(size=(300, 64)).astype("f4"), [*range(300), *range(0, 300, 2)]
    arrays = [np.concatenate([(s + 1) * base[which], rng.normal(size=(37 * s, 64))])
              for s in range(5)]
    tree = merge_tree(arrays, min_participants=3)
    persistence = tree.persistence()
    assert (persistence.born < 0.1).sum() == persistence.n_clusters(1e-5) == 300
    assert np.abs(persistence.born[:300]).max() < ROUNDING
    for own in np.split(cut(tree, 1e-5), np.cumsum([len(x) for x in arrays])[:-1]):
        assert (own[450:] == -1).all()
        np.testing.assert_array_equal(own[:450], which)


def test_one_direction_is_one_cluster_and_opposite_ones_are_never_core():
    one = merge_tree([[[1.0, 0]], [[2.0, 0], [3, 0]]], min_participants=1)
    assert lives_of(one.persistence()) == [(0, 0, np.inf, 3)]
    assert cut(one, 0.01).tolist() == [0, 0, 0]
    apart = merge_tree([[[1.0, 0]], [[-2.0, 0]]], min_participants=1)
    assert lives_of(apart.persistence()) == [(0, 2, np.inf, 2)]
    assert cut(apart, 1.99).tolist() == [-1, -1]


def test_vectors_without_direction_are_in_no_link():
    arrays = draw(8)
    whole = merge_tree(arrays, min_participants=1)
    arrays[1] = np.insert(arrays[1], 2, 0, axis=0)
    place = len(arrays[0]) + 2
    tree = merge_tree(arrays, min_participants=1)
    assert tree.core[place] == np.inf and place not in tree.links and len(
        tree.persistence().born) > 3
    np.testing.assert_allclose(np.delete(tree.core, place), whole.core, atol=ROUNDING)
    np.testing.assert_allclose(tree.joined, whole.joined, atol=ROUNDING)
    np.testing.assert_array_equal(tree.links - (tree.links > place), whole.links)
    for eps in EPS:
        np.testing.assert_array_equal(cut(tree, eps), np.insert(cut(whole, eps), place, -1))


@pytest.mark.parametrize(("change", "m", "said"), [
    (lambda x: x[:1], 1, "1 participant"),
    (lambda x: [*x[:2], x[2] * np.nan], 1, "NaN"),
    (lambda x: [*x[:2], x[2][:, :2]], 1, "differ in dimensions"),
    (lambda x: [*x[:2], x[2][0]], 1, "points x dimensions"),
    (lambda x: x[:3], 3, "min_participants = 3 with 3 participants"),
    (lambda x: x, 0, "min_participants = 0"),
    (lambda x: x, 1.5, "min_participants = 1.5")])
def test_bad_input_is_reported(change, m, said):
    with pytest.raises(LabError, match=said):
        merge_tree(change(draw(0)), min_participants=m)
