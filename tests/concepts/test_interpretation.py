"""What concepts mean, chance, and whether they are found again: against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.concepts.clustering import centroids, cluster
from helpers.concepts.interpretation import (
    associated_vectors,
    auc,
    cross_validated_names,
    frequent_words,
)
from helpers.concepts.nulls import random_rotation_null
from helpers.concepts.stability import (
    agreement,
    bracket_radius,
    cluster_participant,
    compute_fraction_by_chance,
    correlate_with_similarity,
    leave_participant_out,
    match_centroids,
)
from helpers.core.errors import LabError
from helpers.decoding.vectors import cosines, unit


def test_areas_are_scikit_learns():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, (40, 3)).astype(float)  # with ties
    present = rng.random((40, 4)) < [.1, .5, .9, .3]
    found = auc(values, present)
    for cluster_number in range(3):
        for thing in range(4):
            assert found[cluster_number, thing] == pytest.approx(roc_auc_score(
                present[:, thing], values[:, cluster_number]), abs=1e-12)


def test_no_area_where_all_images_have_the_object_or_none():
    found = auc(np.arange(4.0)[:, None], np.array([[1, 0, 1]] * 4, bool))
    assert np.isnan(found).all()
    with pytest.raises(LabError, match="the same images in both"):
        auc(np.ones((4, 1)), np.ones((5, 1), bool))


def test_the_most_and_the_least_associated_are_those_of_sorting():
    rng = np.random.default_rng(1)
    concept_centroids, vectors = rng.standard_normal((3, 5)), rng.standard_normal((20, 5))
    most, least = associated_vectors(concept_centroids, vectors, 4)
    for number, middle in enumerate(concept_centroids):
        near = vectors @ middle / np.linalg.norm(vectors, axis=1)
        assert most[number].tolist() == sorted(range(20), key=lambda i: -near[i])[:4]
        assert least[number].tolist() == sorted(range(20), key=lambda i: near[i])[:4]
    assert associated_vectors(concept_centroids, vectors, 50)[0].shape == (3, 20)


@pytest.mark.parametrize(("vectors", "said"), [
    (np.ones((3, 4)), "rows of the same width"), (np.zeros((3, 5)), "without direction"),
    (np.full((3, 5), np.nan), "without direction")])
def test_vectors_that_fit_no_centroid_are_reported(vectors, said):
    with pytest.raises(LabError, match=said):
        cosines(np.ones((2, 5)), vectors)


def test_words_are_counted_once_an_image_without_stop_words_and_quotations():
    said = [["A red apple.", "The apple is red"], ['The word "APPLE" on a red sign'],
            ["An image of a red-brown dog"]]
    assert frequent_words(said, 2) == ("red",)
    assert frequent_words(said, 1) == ("apple", "dog", "red", "red-brown", "sign", "word")


def people(n_people=6, n_dims=40, n_points=30, seed=0, shared=3):
    """Draw points about directions that all share, or that each has alone."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((shared, n_dims))
    found = {}
    for name in "abcdefgh"[:n_people]:
        own = rng.standard_normal((2, n_dims))
        concept_centroids = np.concatenate([common, own])
        which = np.arange(n_points) % len(concept_centroids)
        found[name] = concept_centroids[which] + .35 * rng.standard_normal((n_points, n_dims))
    return found


def test_turning_keeps_what_it_should_and_destroys_what_is_shared():
    points = people(shared=12, n_points=84)
    found = random_rotation_null(points, seed=1)
    before, after = ({name: unit(values) for name, values in one.items()}
                     for one in (points, found))
    for name in points:
        np.testing.assert_allclose(after[name] @ after[name].T, before[name] @ before[name].T,
                                   atol=1e-5)
    assert [one.n_clusters for one in cluster(points, eps=[.3])] == [12]
    assert cluster(found, eps=[.3])[0].n_clusters <= 2
    again = random_rotation_null(points, seed=1)
    np.testing.assert_array_equal(found["a"], again["a"])
    assert np.abs(found["a"] - random_rotation_null(points, seed=2)["a"]).max() > .1


def test_turning_keeps_the_pooled_covariance():
    rng = np.random.default_rng(0)
    spread = np.repeat([4.0, 2.0, 1.0], 4)
    points = {name: rng.standard_normal((400, 12)) * spread for name in "abcde"}
    moments = [sum(unit(v).astype(float).T @ unit(v) for v in one.values())
               for one in (points, random_rotation_null(points, seed=0))]
    np.testing.assert_allclose(*moments, atol=.05 * moments[0].max())


def test_the_radius_is_the_largest_with_few_voxels_by_chance():
    by_chance = compute_fraction_by_chance([0, 40, 100, 200],
                                           np.array([[0, 0, 4, 19], [0, 2, 6, 21]]))
    np.testing.assert_allclose(by_chance, [np.nan, .025, .05, .1])
    assert bracket_radius(dict(zip((.1, .2, .3, .4), by_chance))) == (.3, .4)
    assert bracket_radius({.1: 0., .2: 0.}) == (.2, .2), "the last of all has none after it"
    assert bracket_radius({.1: 0., .2: .3, .3: .01, .4: .2}) == (.3, .4), "the last allowed one"
    for none_allowed in ({.1: 1., .2: 2.}, {.1: np.nan, .2: np.nan}):
        assert bracket_radius(none_allowed) == (.1, .1)


def test_what_everyone_shares_is_found_without_one():
    points = people()
    concept_centroids = centroids(points, cluster(points, eps=[.3])[0])
    for name in points:
        again, nearest = leave_participant_out(points, concept_centroids, name, .3, 3)
        assert (again > .95).all()
        np.testing.assert_allclose((nearest * concept_centroids).sum(1), again, atol=1e-9)
    few = {name: values for name, values in points.items() if name in "abcd"}
    # Three that are left are too few for three others: two have to do.
    assert (leave_participant_out(few, concept_centroids, "a", .3, 3)[0] > .95).all()
    own = concept_centroids[:2] * 0 + np.eye(40)[:2]
    again, nearest = leave_participant_out({name: values[3:4]
                                            for name, values in people(shared=0).items()},
                                           own, "a", .3, 3)
    assert (again == -1).all() and np.isnan(nearest).all()


def test_voxels_near_a_concept_respond_to_it_and_the_others_do_not():
    rng = np.random.default_rng(0)
    centre, images = np.eye(8)[0], rng.standard_normal((60, 8))
    weights = np.concatenate([np.tile(centre, (5, 1)), rng.standard_normal((40, 8)) - centre * 2])
    similar = images @ centre / np.linalg.norm(images, axis=1)
    responses = rng.standard_normal((60, 45))
    responses[:, :5] += 2 * similar[:, None]
    r, r_all = correlate_with_similarity(centre, weights, responses, images, .3)
    assert r == pytest.approx(np.corrcoef(similar, responses[:, :5].mean(1))[0, 1])
    assert r_all == pytest.approx(np.corrcoef(similar, responses.mean(1))[0, 1]) and r > r_all
    assert np.isnan(correlate_with_similarity(centre, weights[5:], responses[:, 5:], images, .3)[0])
    assert np.isnan(correlate_with_similarity(centre * np.nan, weights, responses, images,
                                              .3)).all()


def test_names_are_tried_in_those_who_had_no_part_in_the_naming():
    """In each of three participants another object looks best: none of the names holds."""
    rows = [(0, thing, subject, .9 if thing == subject else .5) for subject in "abc"
            for thing in "abc"] + [(1, "a", "c", 1.0)]
    found = cross_validated_names(pd.DataFrame(rows,
                                               columns=["concept", "object", "subject", "auc"]))
    assert found["concept"].tolist() == [0, 0, 0] and (found["auc"] == .5).all()
    rng = np.random.default_rng(0)
    noise = pd.DataFrame([(0, thing, subject, rng.uniform(.3, .7)) for subject in range(40)
                          for thing in range(30)], columns=["concept", "object", "subject", "auc"])
    assert abs(cross_validated_names(noise)["auc"].mean() - .5) < .05
    assert noise.groupby("subject")["auc"].max().mean() > .65  # as choosing in the same would have


def test_centroids_are_found_again_or_not():
    first = np.eye(3)
    assert match_centroids(first, first[[2, 0]]).tolist() == [1, 0, 1]
    assert match_centroids(first, np.empty((0, 3))).tolist() == [-1, -1, -1]
    assert match_centroids(np.empty((0, 3)), first).shape == (0,)


def test_a_participant_alone_has_its_own_directions_too():
    points = people()
    assert len(cluster_participant(points["a"], .3, 4)) == 5
    assert cluster_participant(points["a"][:3], .3, 4).shape == (0, 40)


def test_agreement_counts_noise_as_a_class():
    labels, truth = [np.array([0, 0, 1]), np.array([1, -1])], [np.array([5, 5, 2]),
                                                               np.array([2, 0])]
    assert agreement(labels, truth) == 1
    assert agreement([np.array([0, 0, 0]), np.array([0, 0])], truth) < .1
