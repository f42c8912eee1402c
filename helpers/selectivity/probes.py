"""How well a network's features tell categories apart: nearest neighbours, a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BLOCK = 1024
"""Test images per matrix product."""


def knn_accuracy(train_x: NDArray, train_y: NDArray, test_x: NDArray, test_y: NDArray, *,
                 k: int = 20) -> float:
    """Classify by a vote of the k training images of greatest cosine similarity.

    Parameters
    ----------
    train_x, test_x : ndarray
        Float (n_train, n_units) and (n_test, n_units).
    train_y, test_y : ndarray
        Integer labels (n_train,) and (n_test,), not negative.
    k : int
        Number of neighbours; all votes count the same, a tie goes to the smaller label.

    Returns
    -------
    float
        Fraction of the test images whose label is found, 0 to 1.

    Notes
    -----
    Wu et al. (2018) weigh votes by similarity; equal votes need no temperature to be chosen.
    """
    train_normed, test_normed = _normalise_rows(train_x), _normalise_rows(test_x)
    n_classes = int(max(train_y.max(), test_y.max())) + 1
    k = min(k, len(train_normed))
    n_correct = 0
    for start in range(0, len(test_normed), BLOCK):
        similarity = test_normed[start:start + BLOCK] @ train_normed.T
        nearest = np.argpartition(similarity, -k, axis=1)[:, -k:]
        votes = np.zeros((len(nearest), n_classes), dtype=np.int64)
        np.add.at(votes, (np.arange(len(nearest))[:, None], train_y[nearest]), 1)
        n_correct += int((votes.argmax(axis=1) == test_y[start:start + BLOCK]).sum())
    return n_correct / len(test_normed)


def _normalise_rows(x: NDArray) -> NDArray:
    x = np.asarray(x, dtype=np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(norms, np.finfo(np.float32).tiny)


def linear_probe_accuracy(train_x: NDArray, train_y: NDArray, test_x: NDArray, test_y: NDArray,
                          *, penalty: float = 100.0, max_iter: int = 500) -> float:
    """Classify by multinomial logistic regression on standardised features.

    ``min_W Σ_i cross-entropy(W x_i, y_i) + penalty / 2 · ||W||²``.

    Parameters
    ----------
    train_x, test_x : ndarray
        Float (n_train, n_units) and (n_test, n_units); standardised with the training
        images' mean and standard deviation.
    train_y, test_y : ndarray
        Integer labels (n_train,) and (n_test,).
    penalty : float
        Weight of the squared coefficients; larger means simpler.
    max_iter : int
        Limit of L-BFGS, which starts from zero, so nothing is random.

    Returns
    -------
    float
        Fraction of the test images whose label is found, 0 to 1.
    """
    predicted = predict_linear_probe(train_x, train_y, test_x, penalty=penalty, max_iter=max_iter)
    return float((predicted == test_y).mean())


def predict_linear_probe(train_x: NDArray, train_y: NDArray, test_x: NDArray, *,
                         penalty: float = 100.0,
                         max_iter: int = 500) -> NDArray:
    """Return the labels that the reader of `linear_probe_accuracy` tells, (n_test,)."""
    probe = make_pipeline(StandardScaler(),
                          LogisticRegression(C=1 / penalty, max_iter=max_iter, tol=1e-3))
    probe.fit(np.asarray(train_x, dtype=np.float32), train_y)
    return probe.predict(np.asarray(test_x, dtype=np.float32))
