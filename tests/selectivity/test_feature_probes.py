"""k-nearest-neighbour and linear probes against scikit-learn and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from helpers.selectivity.linear_probes import knn_accuracy, predict_linear_probe


def linear_probe_accuracy(train_x, train_y, test_x, test_y) -> float:
    return float((predict_linear_probe(train_x, train_y, test_x) == test_y).mean())


@pytest.fixture
def clouds():
    """Five overlapping clouds in 12 dimensions: train_x, train_y, test_x, test_y."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 12))
    train_y, test_y = rng.integers(5, size=400), rng.integers(5, size=1500)
    noise = rng.normal(size=(1900, 12)) * 1.5
    return centres[train_y] + noise[:400], train_y, centres[test_y] + noise[400:], test_y


@pytest.mark.parametrize("k", [1, 5, 20, 1000])
def test_nearest_neighbours_agree_with_scikit_learn(clouds, k):
    train_x, train_y, test_x, test_y = clouds
    reference = KNeighborsClassifier(min(k, 400), metric="cosine").fit(train_x, train_y)
    assert knn_accuracy(*clouds, k=k) == pytest.approx(reference.score(test_x, test_y), abs=1e-9)


def test_neighbours_ignore_the_length_of_features(clouds):
    train_x, train_y, test_x, test_y = clouds
    lengths = np.random.default_rng(1).uniform(0.1, 10, size=(len(test_x), 1))
    assert knn_accuracy(train_x, train_y, test_x * lengths, test_y) == knn_accuracy(*clouds)


def test_a_dead_network_has_the_same_neighbours_for_all_images():
    nothing = np.zeros((40, 3))
    labels = np.arange(40) % 2
    assert knn_accuracy(nothing, labels, nothing, labels) == 0.5


@pytest.mark.parametrize("probe", [knn_accuracy, linear_probe_accuracy])
def test_shuffled_labels_give_chance(clouds, probe):
    train_x, train_y, test_x, test_y = clouds
    shuffled = np.random.default_rng(2).permutation(train_y)
    assert probe(*clouds) > 0.5
    assert probe(train_x, shuffled, test_x, test_y) < 0.32


def test_linear_probe_is_invariant_to_scale_and_offset_of_features(clouds):
    train_x, train_y, test_x, test_y = clouds
    scale, shift = np.logspace(-3, 3, 12), np.arange(12.0)
    moved = linear_probe_accuracy(train_x * scale + shift, train_y, test_x * scale + shift, test_y)
    assert moved == pytest.approx(linear_probe_accuracy(*clouds), abs=0.01)


def test_linear_probe_classifies_separable_classes():
    """Three classes that lie far apart."""
    rng = np.random.default_rng(3)
    y = np.arange(300) % 3
    x = np.eye(3)[y] * 6 + rng.normal(size=(300, 3))
    assert linear_probe_accuracy(x[:150], y[:150], x[150:], y[150:]) > 0.97
