"""Clusters of points that several participants share, against the published procedure."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from support.point_clouds import draw, signs

from helpers.concepts.clustering import EPS, centroids, cluster, expansion_radius
from helpers.core.errors import LabError


def published(arrays, eps: float, m: int) -> list[np.ndarray]:
    """The procedure of the official code (authors' clustering code): queue, states, stolen border
    points."""
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in arrays]
    cosines = [[one.astype(np.float64) @ other.T for other in units] for one in units]
    state = [np.full(len(x), -2) for x in arrays]  # unseen -2, noise -1
    label = 0
    for s, own in enumerate(state):
        for v in range(len(own)):
            if own[v] != -2:
                continue
            queue, queued, core_found = deque([(s, v)]), {(s, v)}, False
            while queue:
                p, i = queue.popleft()
                near = [np.flatnonzero(row[i] > 1 - eps) for row in cosines[p]]
                if sum(len(n) > 0 for j, n in enumerate(near) if j != p) >= m:
                    core_found = True
                    state[p][i] = label
                    for j, n in enumerate(near):
                        for q in n:
                            if (j, q) != (p, i) and (j, q) not in queued and state[j][q] != label:
                                queue.append((j, q))
                                queued.add((j, q))
                elif core_found:
                    state[p][i] = label
                else:
                    state[p][i] = -1
            label += core_found
    return state


def contested(arrays, found, eps: float) -> int:
    """Count border points that touch core points of several clusters."""
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in arrays]
    everyone, labels = np.concatenate(units), np.concatenate(found.labels)
    core = np.concatenate(found.core)
    touches = (everyone @ everyone.T > 1 - eps) & core
    return sum(len(np.unique(labels[touches[i]])) > 1 for i in np.flatnonzero(
        (labels >= 0) & ~core))


@pytest.mark.slow
def test_clusters_are_those_of_the_published_procedure():
    cases = borders = clusters = 0
    for seed in range(120):
        arrays = draw(seed)
        m = 1 + seed % 3
        for found in cluster(arrays, min_participants=m):
            for mine, theirs in zip(found.labels, published(arrays, found.eps, m)):
                np.testing.assert_array_equal(mine, theirs)
            cases, clusters = cases + 1, clusters + found.n_clusters
            borders += contested(arrays, found, found.eps)
    assert cases == 120 * len(EPS) and borders >= 10 and clusters > cases / 2


@pytest.mark.slow
def test_ties_and_equal_points_are_as_in_the_published_procedure():
    """Cosines are exact, and some as large as 1 - eps: those are no neighbours."""
    grid, clusters, alike = (0.125, 0.25, 0.375, 0.5, 0.625), 0, 0
    for seed in range(40):
        arrays, m = signs(seed), 1 + seed % 3
        everyone = np.concatenate(arrays)
        for found in cluster(arrays, eps=grid, min_participants=m, expansion=0.0):
            theirs = published(arrays, found.eps, m)
            np.testing.assert_array_equal(np.concatenate(found.labels), np.concatenate(theirs))
            clusters += found.n_clusters
            alike += (everyone @ everyone.T == 16 * (1 - found.eps)).sum()
            for x, labels, masks in zip(arrays, found.labels, found.expanded):
                near = [((x @ x.T > 16 * (1 - found.eps))[:, labels == number]).any(1)
                        for number in range(found.n_clusters)]
                np.testing.assert_array_equal(masks.toarray(), np.reshape(near, masks.shape))
    assert clusters > 100 and alike > 1000


def test_a_mask_takes_in_whoever_is_near_a_member_of_the_same_participant():
    for seed in range(20):
        arrays = draw(seed)
        units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in arrays]
        for found in cluster(arrays):
            radius = expansion_radius(found.eps)
            for unit, labels, masks in zip(units, found.labels, found.expanded):
                for number in range(found.n_clusters):
                    members = labels == number
                    near = (unit @ unit[members].T > 1 - radius).any(1)
                    np.testing.assert_array_equal(masks[[number]].toarray()[0], near)


def test_the_order_of_points_changes_numbers_alone():
    arrays, rng = draw(3), np.random.default_rng(0)
    orders = [rng.permutation(len(x)) for x in arrays]
    for one, other in zip(cluster(arrays), cluster([x[o] for x, o in zip(arrays, orders)])):
        for a, b, c, d, order in zip(one.core, other.core, one.labels, other.labels, orders):
            np.testing.assert_array_equal(a[order], b)
            np.testing.assert_array_equal((c == -1)[order], d == -1)
        assert one.n_clusters == other.n_clusters


def test_centroids_are_mean_directions_of_members():
    arrays = draw(5)
    found = cluster(arrays)[2]
    assert found.n_clusters > 0
    for number, centre in enumerate(centroids(arrays, found)):
        members = np.concatenate([x[labels == number] / np.linalg.norm(
            x[labels == number], axis=1, keepdims=True) for x, labels in zip(arrays, found.labels)])
        mean = members.mean(0)
        np.testing.assert_allclose(centre, mean / np.linalg.norm(mean), atol=1e-5)


def test_vectors_without_direction_are_left_out():
    arrays = draw(1)
    whole = cluster(arrays)
    arrays[1] = np.insert(arrays[1], 2, 0, axis=0)
    for one, other in zip(whole, cluster(arrays)):
        assert other.labels[1][2] == -1
        np.testing.assert_array_equal(np.delete(other.labels[1], 2), one.labels[1])


@pytest.mark.parametrize(("change", "options", "said"), [
    (lambda x: x[:1], {}, "1 participant"),
    (lambda x: [*x[:2], x[2][:0]], {}, "no point with a direction"),
    (lambda x: [*x[:2], x[2] * np.nan], {}, "NaN"),
    (lambda x: [*x[:2], x[2][:, :2]], {}, "differ in dimensions"),
    (lambda x: x, {"eps": [0.0]}, "radii"),
    (lambda x: x, {"eps": [2.0]}, "radii"),
    (lambda x: x[:3], {"min_participants": 3}, "min_participants = 3")])
def test_bad_input_is_reported(change, options, said):
    with pytest.raises(LabError, match=said):
        cluster(change(draw(0)), **{"min_participants": 1, **options})
