"""Shared concepts do not depend on how the work is cut: blocks, threads, kinds of numbers.

Constants that plain Python reads are set to tiny values.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.point_clouds import cut as cut_tree
from support.point_clouds import draw, people, signs

from helpers.concepts import blockwise_cosine as blocked
from helpers.concepts import core_components
from helpers.concepts.clustering import centroids, cluster
from helpers.concepts.merge_tree import merge_tree

GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
M, SEEDS = 2, (0, 1)
CUTS = {"blocks": {(blocked, "ROWS"): 5, (blocked, "COLUMNS"): 3},
        "rows": {(blocked, "ROWS"): 1},
        "columns": {(blocked, "COLUMNS"): 1},
        "links": {(core_components, "MAX_LINKS"): 1},
        "all": {(blocked, "ROWS"): 4, (blocked, "COLUMNS"): 6, (core_components, "MAX_LINKS"): 1}}


def results(arrays) -> list[np.ndarray]:
    """All that clustering gives, and the merge tree's cuts at the same eps."""
    found = cluster(arrays, eps=GRID, min_participants=M)
    tree = merge_tree(arrays, min_participants=M)
    return [np.asarray(part) for each in found for part in (
        *each.labels, *each.core, *(masks.toarray() for masks in each.expanded), each.counts(),
        each.expanded_counts(), cut_tree(tree, each.eps))]


def lives(arrays) -> np.ndarray:
    persistence = merge_tree(arrays, min_participants=M).persistence()
    return np.array([persistence.born, persistence.ended, persistence.point, persistence.n_core])


@pytest.fixture(scope="module")
def uncut():
    """What comes out with the constants as they are."""
    found = [results(make(seed)) for make in (people, signs) for seed in SEEDS]
    return found, [lives(signs(seed)) for seed in SEEDS]


def same(mine: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def cut(monkeypatch, constants) -> None:
    for (module, name), value in constants.items():
        assert value < getattr(module, name)
        monkeypatch.setattr(module, name, value)


def test_what_is_cut_has_something_of_everything():
    """Several clusters, border points, overlapping masks, noise taken in, and points left out."""
    for seed in SEEDS:
        found = cluster(people(seed), eps=GRID, min_participants=M)
        assert max(each.n_clusters for each in found) > 5 and found[-1].n_clusters < 3
        labels, core = (np.concatenate(part) for part in (found[0].labels, found[0].core))
        assert ((labels >= 0) & ~core).any() and (labels < 0).any()
        assert (found[0].expanded_counts() > found[0].counts()).any()
        assert any((masks.toarray().sum(0) > 1).any() for each in found for masks in each.expanded)
        assert [own[2] for own in found[0].labels][4] == -1  # a zero vector


@pytest.mark.slow
@pytest.mark.parametrize("constants", CUTS.values(), ids=CUTS)
def test_results_do_not_depend_on_how_work_is_cut(constants, uncut, monkeypatch):
    cut(monkeypatch, constants)
    arrays = [make(seed) for make in (people, signs) for seed in SEEDS]
    for x, expected in zip(arrays, uncut[0]):
        same(results(x), expected)
    for x, expected in zip(arrays[len(SEEDS):], uncut[1]):
        np.testing.assert_array_equal(lives(x), expected)


def test_products_are_cut_as_told(monkeypatch):
    """The constants do decide how large blocks are."""
    shapes, plain = [], blocked.BlockwiseCosine.cosines

    def seen(self, rows, columns, space):
        found = plain(self, rows, columns, space)
        shapes.append(found.shape)
        return found

    monkeypatch.setattr(blocked.BlockwiseCosine, "cosines", seen)
    cut(monkeypatch, CUTS["all"])
    results(people(0))
    assert np.max(shapes, axis=0).tolist() == [4, 6] and len(shapes) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_do_not_depend_on_the_number_of_threads(n_threads, uncut, monkeypatch):
    cut(monkeypatch, CUTS["blocks"])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        for seed, expected in zip(SEEDS, uncut[0]):
            same(results(people(seed)), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.float64, list])
def test_integers_and_lists_are_as_good_as_floats(kind):
    rounded = [np.rint(9 * x) for x in people(0)]
    given = [x.astype(int).tolist() if kind is list else x.astype(kind) for x in rounded]
    plain = [x.astype(np.float32) for x in rounded]
    same(results(given), results(plain))
    found = cluster(plain, eps=GRID, min_participants=M)[2]
    np.testing.assert_array_equal(centroids(given, found), centroids(plain, found))


def test_an_equal_point_in_the_same_participant_changes_nothing_for_others():
    """Support counts participants, not points; a copy is all that the point is."""
    for seed in range(10):
        arrays = draw(seed)
        more = [np.concatenate([x, 3 * x[:2]]) for x in arrays]
        for one, two in zip(cluster(arrays, min_participants=M), cluster(more, min_participants=M)):
            for parts in ((one.core, two.core), (one.labels, two.labels)):
                for alone, copied in zip(*parts):
                    np.testing.assert_array_equal(copied, np.append(alone, alone[:2]))
            for alone, copied in zip(one.expanded, two.expanded):
                alone = alone.toarray()
                np.testing.assert_array_equal(copied.toarray(), np.hstack([alone, alone[:, :2]]))


def test_an_equal_point_in_many_participants_is_core_at_any_eps():
    for seed in range(10):
        arrays = draw(seed)
        lonely = np.random.default_rng(seed).normal(size=(1, arrays[0].shape[1]))
        more = [np.concatenate([x, lonely * (1 + s)]) if s < 3 else x
                for s, x in enumerate(arrays)]
        for m, is_core in ((2, True), (3, False)):
            found = cluster(more, eps=[1e-5], min_participants=m)[0]
            assert [x[-1] for x in found.core[:3]] == [is_core] * 3
            assert found.n_clusters == is_core
            assert [x[-1] for x in found.labels[:3]] == [is_core - 1] * 3
