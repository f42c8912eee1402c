"""Distances between predictions and the map made from them, against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ground.errors import LabError
from helpers.landscape import distances as d
from helpers.landscape.inpca import inpca


def predictions(n_models=7, n_pictures=30, n_classes=5, seed=0, sharp=3.0):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(sharp * rng.normal(size=(n_models, n_pictures, n_classes))).float()
    return logits.log_softmax(-1).numpy()


def direct(logs):
    p = np.exp(logs.astype(np.float64))
    found = np.zeros((len(p), len(p)))
    for u in range(len(p)):
        for v in range(len(p)):
            overlap = np.sqrt(p[u] * p[v]).sum(-1)
            found[u, v] = -np.log(np.maximum(overlap, np.exp(-d.MOST))).mean()
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize("budget", [2**28, 2**12, 1])
def test_distances_are_those_of_the_formula_whatever_the_block(budget, monkeypatch):
    monkeypatch.setattr(d, "BUDGET", budget)
    logs = predictions()
    found = d.bhattacharyya(d.of_array(logs), *logs.shape)
    np.testing.assert_allclose(found, direct(logs), atol=2e-6)
    assert (found == found.T).all() and (np.diag(found) == 0).all() and found.min() >= 0


def test_models_that_share_nothing_are_at_the_cap_and_tiny_probabilities_are_safe():
    logs = np.full((3, 4, 3), -np.inf, np.float32)
    logs[0, :, 0] = logs[1, :, 1] = 0
    logs[2] = np.log([1e-38, 1 - 2e-8, 2e-8])
    found = d.bhattacharyya(d.of_array(logs), *logs.shape)
    assert found[0, 1] == pytest.approx(d.MOST)
    assert found[0, 2] == pytest.approx(-0.5 * np.log(1e-38), rel=1e-4)


def test_truth_and_ignorance():
    labels, n_classes = np.array([0, 2, 1, 1]), 3
    both = d.together([d.truth(labels, n_classes), d.ignorance(n_classes)])
    found = d.bhattacharyya(both, 2, 4, n_classes)
    assert found[0, 1] == pytest.approx(0.5 * np.log(3), abs=1e-6)
    logs = predictions(4, 4, 3)
    far = d.bhattacharyya(d.of_array(logs), 4, 4, 3, others=d.truth(labels, 3), n_others=1)
    expected = -0.5 * logs[:, np.arange(4), labels].mean(1)
    np.testing.assert_allclose(far[0], expected, atol=1e-5)


@pytest.mark.parametrize("bad", [np.zeros((7, 29, 5)), np.full((7, 30, 5), 0.5),
                                 np.full((7, 30, 5), np.nan)])
def test_what_is_no_prediction_is_refused(bad):
    with pytest.raises(LabError, match="block"):
        d.bhattacharyya(lambda start, stop: torch.from_numpy(bad).float(), 7, 30, 5)


def reference(dist):
    n = len(dist)
    centre = np.eye(n) - 1 / n
    w = -0.5 * centre @ dist @ centre
    values, vectors = np.linalg.eig(w)
    order = np.argsort(-np.abs(values.real))
    return values.real[order], vectors.real[:, order]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_the_map_is_the_direct_decomposition_and_restores_all_distances(n, seed):
    rng = np.random.default_rng(seed)
    dist = np.abs(rng.normal(size=(n, n)))
    dist = dist + dist.T
    np.fill_diagonal(dist, 0)  # no metric: some axes are imaginary
    found = inpca(dist)
    values, _ = reference(dist)
    np.testing.assert_allclose(np.sort(found.eigenvalues), np.sort(values), atol=1e-9)
    np.testing.assert_allclose(found.distances(), dist, atol=1e-8)
    np.testing.assert_allclose(found.place(dist), found.coordinates, atol=1e-6)
    assert (np.diff(np.abs(found.eigenvalues)) <= 1e-12).all()


def test_negative_eigenvalues_are_there_and_count():
    dist = np.array([[0, 1, 1, 1], [1, 0, 9, 9], [1, 9, 0, 9], [1, 9, 9, 0]], float)
    found = inpca(dist)
    assert (found.eigenvalues < -0.1).any()
    without = found.coordinates @ found.coordinates.T
    own = np.diag(without)
    assert not np.allclose(own[:, None] + own - 2 * without, dist, atol=0.1)
    np.testing.assert_allclose(found.distances(), dist, atol=1e-8)


def test_squared_euclidean_distances_need_as_many_axes_as_there_are_dimensions():
    points = np.random.default_rng(0).normal(size=(20, 3))
    dist = ((points[:, None] - points) ** 2).sum(-1)
    found = inpca(dist)
    assert found.explained_stress()[2] == pytest.approx(1, abs=1e-6)
    assert found.explained_stress()[0] < 0.9
    assert (found.eigenvalues[:3] > 0).all()
    new = np.array([0.3, -0.2, 1.0])
    placed = found.place(((points - new) ** 2).sum(-1))[0, :3]
    back = ((found.coordinates[:, :3] - placed) ** 2).sum(1)
    np.testing.assert_allclose(back, ((points - new) ** 2).sum(1), atol=1e-8)


@pytest.mark.parametrize("bad", [np.zeros((1, 1)), np.ones((3, 3)), np.triu(np.ones((3, 3)), 1),
                                 np.full((3, 3), np.inf), np.zeros((2, 3))])
def test_what_are_no_distances_is_refused(bad):
    with pytest.raises(LabError):
        inpca(bad)
