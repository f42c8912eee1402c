"""Chance and truth of shared concepts, on simulated voxels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.brains.ground_truth import driving_kinds
from helpers.concepts.clustering import cluster, count_shared
from helpers.concepts.nulls import principal_axes, random_rotation_null
from helpers.concepts.statistics import (
    antipodal_null,
    antipodal_pairs,
    largest_proportion,
    maximum_test,
    recovery,
    two_sided_p,
)
from helpers.core.errors import LabError
from helpers.core.intervals import proportion_interval

EPS = (.1, .2, .3, .4, .5, .6, .7, .8)
SUBJECTS = "abcdefgh"
DIMS = 32


KINDS = ("food", "faces", "bodies", "places", "words", "animals", "warm", "upright")
"""What all share; cars are planted in one participant alone."""


def weights(seed: int, spread: float = .08, n_own: int = 25, n_sharing: int = 8):
    """Draw eight participants' weights: kinds that some of them share, and voxels of no kind.

    ``spread``: of a kind's voxels about its direction; large: nothing is shared.
    """
    rng = np.random.default_rng(seed)
    directions = dict(zip((*KINDS, "cars"), np.linalg.qr(rng.standard_normal((DIMS, DIMS)))[0]))
    points, kinds = {}, {}
    for number, subject in enumerate(SUBJECTS):
        mine = [*KINDS * 4 * (number < n_sharing), *["cars"] * 4 * (subject == "c"), *[""] * n_own]
        kinds[subject] = np.array(mine)
        points[subject] = rng.standard_normal((len(mine), DIMS))
        for voxel, kind in enumerate(mine):
            if kind:
                points[subject][voxel] = directions[kind] + spread * points[subject][voxel]
    return points, kinds


def shared(points) -> np.ndarray:
    return count_shared(cluster(points, eps=EPS, min_participants=3))["voxels"]


def draws(points, n: int, seed: int) -> np.ndarray:
    return np.stack([shared(random_rotation_null(points, seed=1000 * seed + number))
                     for number in range(n)])


def test_voxels_count_in_concepts_of_half_of_the_participants():
    line = np.array([[1.0, 0, 0], [.99, .05, 0], [0, 1, 0], [0, 0, 1]])
    points = [line[[0, 1, 2]], line[[0, 2]], line[[3, 3]], line[[3]]]
    found = count_shared(cluster(points, eps=[.1], min_participants=1))
    assert found == {"concepts": [3], "voxels": [8]}
    points = [line[[0, 2]], line[[0, 2]], line[[3, 0]], line[[3]], line[[1]], line[[0, 3]]]
    found = count_shared(cluster(points, eps=[.1], min_participants=1))
    assert found == {"concepts": [3], "voxels": [5 + 3]}  # of two, a third of six participants


def test_voxels_rise_with_sharing_where_the_number_of_concepts_falls():
    voxels = [int(count_shared(cluster(weights(0, n_own=5, n_sharing=n)[0], eps=[.3],
                                       min_participants=1))["voxels"][0]) for n in range(9)]
    assert voxels[:4] == [0] * 4 and voxels[4:] == [n * len(KINDS) * 4 for n in range(4, 9)]
    by_radius = count_shared(cluster(weights(0)[0], eps=EPS, min_participants=3))
    assert (np.diff(by_radius["voxels"]) >= 0).all() and (np.diff(by_radius["concepts"]) < 0).any()


def fake_counts(rng, n: int) -> np.ndarray:
    """Draw numbers of clusters by radius: independent, rarely any at first, many later."""
    return rng.poisson([.05, .1, 1, 4, 10, 30, 50, 20, 5, 1], (n, 10))


def test_a_radius_chosen_against_the_draws_that_test_it_finds_too_much_by_chance():
    """The radius of most clusters beyond chance, and the maximum over radii; nothing to find."""
    rng, naive, maximum = np.random.default_rng(0), [], []
    for _ in range(400):
        found, *null = fake_counts(rng, 40)
        null = np.array(null)
        place = (found - null.mean(0)).argmax()
        naive.append((1 + (null[:, place] >= found[place]).sum()) / 40 <= .05)
        maximum.append(maximum_test(found, null, 4).p <= .05)
    assert np.mean(naive) > .1 and np.mean(maximum) < .075


def test_what_is_shared_at_any_radius_is_found_and_less_than_chance_contradicts():
    rng = np.random.default_rng(1)
    found, *null = fake_counts(rng, 100)
    test = maximum_test(found, null, 4)
    assert test.p == two_sided_p(test.observed, test.null) > .05
    for place in range(10):
        test = maximum_test(found + 80 * (np.arange(10) == place), null, 4)
        assert test.p == test.p_of_radius[place] == 2 / 100 and len(test.null) == 99
        assert (np.delete(test.p_of_radius, place) > .05).all()
    low = maximum_test(np.zeros(10), np.array(null) + 100, 4)
    assert low.p == 2 / 100 and low.observed < low.null.mean()


def test_a_single_small_concept_where_draws_have_none_is_no_finding():
    null = np.zeros((99, 3))
    null[:, 2] = np.random.default_rng(0).integers(20, 40, 99)
    assert maximum_test([4, 4, 28], null, 4).p > .05
    assert maximum_test([4, 90, 28], null, 4).p == .02


@pytest.mark.parametrize(("observed", "null", "smallest"), [
    (np.ones(3), np.ones((5, 4)), 1), (np.ones(3), np.ones((0, 3)), 1),
    (np.ones(3), np.ones(3), 1), (np.ones(3), np.ones((5, 3)), 0)])
def test_other_shapes_are_refused(observed, null, smallest):
    with pytest.raises(LabError, match="a statistic"):
        maximum_test(observed, null, smallest)


@pytest.mark.slow
def test_shared_weights_are_found_and_unshared_ones_are_not():
    for seed in range(2):
        points = weights(seed)[0]
        assert maximum_test(shared(points), draws(points, 40, seed), 4).p < .05
    chance = []
    for seed in range(20):
        points = weights(seed, spread=8.0, n_own=5)[0]
        chance.append(maximum_test(shared(points), draws(points, 19, seed), 4).p <= .1)
    assert np.mean(chance) < .25  # the upper and the lower end of the twenty: 2 of 20 expected


@pytest.mark.slow
def test_the_largest_of_many_small_clusters_is_large_by_chance():
    rng = np.random.default_rng(0)
    k = rng.binomial(6, .5, (200, 20))
    low = np.array([largest_proportion(one, np.full(20, 6))[1] for one in k])
    each = np.array([max(proportion_interval(int(x), 6)[0] for x in one) for one in k])
    assert (low > .5).mean() <= .05 < (each > .5).mean()
    assert largest_proportion([30, 0], [30, 4])[1] > .8  # a large one that is
    assert np.isnan(largest_proportion([], [])).all()
    assert largest_proportion([3], [4]) == (.75, *proportion_interval(3, 4))


def test_planted_kinds_are_found_by_shared_clusters():
    points, kinds = weights(0, spread=.05)
    found = cluster(points, eps=[.15], min_participants=3)[0]
    table = recovery(kinds, found.labels)
    assert list(table.index) == sorted((*KINDS, "cars")) and table.loc["food", "voxels"] == 32
    assert (table.loc[[*KINDS], ["recall", "purity"]] > .9).all(axis=None)
    assert table.loc["cars", ["voxels", "concepts", "recall"]].tolist() == [4, 0, 0]
    assert np.isnan(table.loc["cars", "purity"])  # planted in one participant alone


@pytest.mark.parametrize("wrong", ["rotated", "one giant cluster", "not planted", "noise"])
def test_planted_kinds_are_not_found_by_a_wrong_method_nor_where_they_were_not_planted(wrong):
    (points, kinds), eps = weights(0, spread=.05), .15
    if wrong == "rotated":
        points = random_rotation_null(points, seed=0)
    elif wrong == "one giant cluster":
        eps = 1.2
    elif wrong == "not planted":
        points = weights(0, spread=8.0)[0]
    found = cluster(points, eps=[eps], min_participants=3)[0]
    labels = [np.full(len(one), -1) for one in found.labels] if wrong == "noise" else found.labels
    table = recovery(kinds, labels)
    assert (table["recall"] < .1).all() and not (table["purity"] > .5).any()
    assert found.n_clusters == 1 or wrong != "one giant cluster"


def test_recall_and_purity_are_those_of_counting_by_hand():
    kinds = {"a": ["food", "food", "", "faces"], "b": ["food", "faces", "faces", ""]}
    table = recovery(kinds, [[0, 0, 0, 2], [-1, 0, 2, 5]])
    assert table.loc["food"].tolist() == [3, 1, 2 / 3, 2 / 4]
    assert table.loc["faces"].tolist() == [3, 1, 2 / 3, 1]
    assert recovery({}, []).empty


def test_regions_count_by_their_domain():
    regions = np.array(["FFA-1", "OFA", "V1v", "", "concept: food", "PPA",
                        "concept: below baseline for writing", "concept: less for writing, above"])
    assert driving_kinds(regions).tolist() == ["faces", "faces", "", "", "food", "scenes",
                                               "not writing", "not writing"]


def test_opposite_centroids_are_counted_against_unrelated_ones():
    rng = np.random.default_rng(0)
    values = {subject: rng.standard_normal((200, DIMS)) for subject in SUBJECTS}
    some = rng.standard_normal((4, DIMS))
    both = np.concatenate([some, -some]) / np.linalg.norm(some, axis=1).mean()
    assert [pair[:2] for pair in antipodal_pairs(both)] == [(0, 4), (1, 5), (2, 6), (3, 7)]
    null = antipodal_null(both, values, 99, seed=0)
    assert null.shape == (99,) and null.mean() < 1 and two_sided_p(4, null) == .02
    narrow = {name: one * ([9] + [.3] * (DIMS - 1)) for name, one in values.items()}
    axis = np.eye(1, DIMS) * np.array([[1], [1], [-1], [-1]]) + .01 * some
    chance = antipodal_null(axis, narrow, 99, seed=0)  # of four, along one axis: signs by chance
    assert 2 < chance.mean() < 4 and two_sided_p(4, chance) > .05
    assert antipodal_null(np.empty((0, DIMS)), values, 3, seed=0).tolist() == [0, 0, 0]


def test_axes_of_other_vectors_can_be_given():
    points = weights(0)[0]
    axes = principal_axes(points)
    for name, values in random_rotation_null(points, seed=3, axes=axes).items():
        np.testing.assert_array_equal(values, random_rotation_null(points, seed=3)[name])
