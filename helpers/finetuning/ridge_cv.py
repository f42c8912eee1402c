"""Encoding accuracy of a layer: ridge on principal components, by three protocols of selection.

All steps of the published encoding stage (centring, at most 1,000 principal components, ridge with
intercept for nine penalties) depend on the features through their Gram matrix alone, so that one
decomposition is enough for all penalties, voxels, regions and participants. Gram matrices are
decomposed where they are: on the CPU by LAPACK, on a GPU there, in float64 on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.linalg.lapack import dposv
from torch import Tensor

from helpers.core.errors import LabError
from helpers.core.moments import float64_device
from helpers.rsa.dissimilarity import pearson_r

ALPHAS = tuple(10.0**k for k in range(-1, 8))
"""Published penalties."""
MAX_COMPONENTS = 1000
N_FOLDS = 5
VOXELS_AT_ONCE = 2048
"""Predictions of these voxels are held at once: 1 GB at the published size."""
Kernel = NDArray[np.float64] | Tensor
"""A Gram matrix, and what is decomposed from it: an array, or a float64 tensor on a GPU."""


def linear_kernel(features: NDArray, device: torch.device | str = "cpu") -> Kernel:
    """Return the Gram matrix of centred features, float64, (n_conditions, n_conditions).

    Parameters
    ----------
    features : array, float, shape (n_conditions, n_units)
    device : torch.device
        "cpu": the matrix is an array. A GPU: it is a tensor there, and all that is computed from it
        is computed there as well.

    Notes
    -----
    The mean over conditions is subtracted first. Fits centre again on their own conditions, so
    that this changes nothing but the rounding: features far from zero would lose digits.
    """
    if (device := torch.device(float64_device(device))).type != "cpu":
        features = torch.from_numpy(features).to(device, torch.float64)
    else:
        features = np.asarray(features, np.float64)
    features = features - features.mean(0)
    return features @ features.T


def predict_ridge(K: Kernel, y: NDArray, train: NDArray, test: NDArray, *,
                  alphas: Sequence[float] = ALPHAS,
                  max_components: int = MAX_COMPONENTS) -> NDArray[np.float64]:
    """Predict conditions by ridge on principal components of others, for all penalties.

    Parameters
    ----------
    K : array or Tensor, float64, shape (n_conditions, n_conditions)
        Gram matrix.
    y : array, float, shape (n_conditions, n_voxels)
    train, test : array, int
        Rows.
    alphas : sequence of float
    max_components : int
        Published: 1,000.

    Returns an array, float64, shape (n_alphas, n_test, n_voxels).

    With eigenvectors U and eigenvalues l of the centred Gram matrix of the fitted conditions,
    the components are U sqrt(l), and ridge predicts mean + K U (l + alpha)^-1 U' (y - mean).
    """
    return _fit_components(K, train, test, max_components)(y, alphas)


def _fit_components(K: Kernel, train: NDArray, test: NDArray, max_components: int
                    ) -> Callable[[NDArray, Sequence[float]], NDArray[np.float64]]:
    """Fit principal components to some conditions; return what predicts others from y and alphas,
    (n_alphas, n_test, n_voxels)."""
    train_kernel, test_kernel = K[np.ix_(train, train)], K[np.ix_(test, train)]
    column_means = train_kernel.mean(0)
    centred = train_kernel - column_means - column_means[:, None] + column_means.mean()
    values, vectors = _eigh_largest(centred, min(max_components, len(train) - 1))
    test_components = (test_kernel - test_kernel.mean(1, keepdims=True) - column_means
                       + column_means.mean()) @ vectors

    def predict(y: NDArray, alphas: Sequence[float]) -> NDArray[np.float64]:
        y_train = _like(vectors, y[train])
        mean = y_train.mean(0, dtype=_library(y_train).float64)
        response_loadings = vectors.T @ (y_train - mean)
        return np.stack([_to_numpy(mean + test_components / (values + alpha) @ response_loadings)
                         for alpha in alphas])

    return predict


def _eigh_largest(symmetric: Kernel, n: int) -> tuple[Kernel, Kernel]:
    """Return the largest eigenvalues (n,), at least 0, and their eigenvectors."""
    first = len(symmetric) - n
    if isinstance(symmetric, Tensor):
        values, vectors = torch.linalg.eigh(symmetric)
    elif first <= 1:
        values, vectors = eigh(symmetric, driver="evd")
    else:
        values, vectors = eigh(symmetric, driver="evr",
                               subset_by_index=(first, len(symmetric) - 1))
    return values[-n:].clip(0), vectors[:, -n:]


def _library(values: Kernel) -> ModuleType:
    return torch if isinstance(values, Tensor) else np


def _like(values: Kernel, y: NDArray) -> Kernel:
    """Return responses where ``values`` are: on a GPU in float64, else as they are."""
    return torch.from_numpy(y).to(values) if isinstance(values, Tensor) else y


def _to_numpy(values: Kernel) -> NDArray:
    return values.cpu().numpy() if isinstance(values, Tensor) else values


def score_ridge(K: Kernel, y: NDArray, train: NDArray, test: NDArray,
                **settings: object) -> NDArray[np.float64]:
    """Correlate predicted with measured responses, voxel by voxel, (n_alphas, n_voxels).

    A voxel whose prediction or measurement does not vary counts as 0. Other arguments are those
    of `predict_ridge`.
    """
    return correlate_predictions(predict_ridge(K, y, train, test, **settings), y[test])


def correlate_predictions(predicted: NDArray[np.float64], y: NDArray) -> NDArray[np.float64]:
    """Correlate predictions (n_alphas, n, n_voxels) with y (n, n_voxels); returns (n_alphas,
    n_voxels), 0 for what does not vary."""
    n_alphas, n, n_voxels = predicted.shape
    flat = predicted.transpose(1, 0, 2).reshape(n, n_alphas * n_voxels)
    r = pearson_r(flat, np.tile(y, (1, n_alphas)))
    return np.nan_to_num(r).reshape(n_alphas, n_voxels)


def make_folds(n: int, *, n_folds: int = N_FOLDS, seed: int = 0) -> list[NDArray[np.int64]]:
    """Split conditions at random into folds of almost equal size.

    Raises
    ------
    LabError
        If a fold would hold fewer than three conditions, which have no correlation.
    """
    if n < 3 * n_folds or n_folds < 3:
        raise LabError(f"{n} held-out conditions in {n_folds} folds",
                       expected="3 folds or more, of 3 conditions or more",
                       remedy="hold more images out")
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(part) for part in np.array_split(order, n_folds)]


def compute_fold_scores(K: Kernel, y: NDArray, folds: Sequence[NDArray],
                        **settings: object) -> NDArray[np.float64]:
    """Score a layer in all folds, and in all pairs of folds (one fit for each pair).

    ``folds`` are rows, together all; other arguments are those of `compute_fold_scores_of`.

    Returns
    -------
    array, float64, shape (n_folds, n_folds, n_alphas, n_voxels)
        Place (a, b): fold b, predicted from all folds but a and b. The diagonal, a fold that is
        predicted from all others, is what is reported; a selection by the rest of row a is
        independent of fold a.
    """
    return compute_fold_scores_of(K, y, folds, [np.ones(len(y), bool)], **settings)[0]


def compute_fold_scores_of(K: Kernel, y: NDArray, folds: Sequence[NDArray],
                           masks: Sequence[NDArray[np.bool_]], *, inner_folds: bool = True,
                           alphas: Sequence[float] = ALPHAS,
                           max_components: int = MAX_COMPONENTS) -> list[NDArray[np.float64]]:
    """Score several sets of conditions, from the same predictions: all conditions are fitted to.

    ``masks``: bool, each (n_conditions,), the conditions that count in scores. Without
    ``inner_folds`` all but the diagonal is NaN. Voxels are predicted by parts, so that memory does
    not grow with them. Returns an array as `compute_fold_scores` for each mask.
    """
    pairs = [(fold, fold) for fold in range(len(folds))]
    pairs += combinations(range(len(folds)), 2) if inner_folds else ()
    predict = fit_held_out(K, [folds[a] if a == b else np.concatenate([folds[a], folds[b]])
                               for a, b in pairs], alphas, max_components)
    parts = []
    for first in range(0, y.shape[1], VOXELS_AT_ONCE):
        y_part = y[:, first:first + VOXELS_AT_ONCE]
        predicted = dict(zip(pairs, predict(y_part)))
        parts.append([_score_folds(predicted, y_part, folds, mask) for mask in masks])
    return [np.concatenate(scores, axis=-1) for scores in zip(*parts)]


def _score_folds(predicted: Mapping[tuple[int, int], NDArray], y: NDArray,
                 folds: Sequence[NDArray], scored: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Correlate predictions of every pair of folds with the scored rows."""
    def correlate(one: NDArray, fold: NDArray) -> NDArray:
        kept = scored[fold]
        return correlate_predictions(one[:, kept], y[fold[kept]])

    scores = np.full((len(folds), len(folds), len(predicted[0, 0]), y.shape[1]), np.nan)
    for (a, b), one in predicted.items():
        scores[a, b] = correlate(one[:, -len(folds[b]):], folds[b])
        if a != b:
            scores[b, a] = correlate(one[:, :len(folds[a])], folds[a])
    return scores


def average_folds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the reported scores of `compute_fold_scores` over folds, (n_alphas, n_voxels)."""
    return scores[range(len(scores)), range(len(scores))].mean(0)


def fit_held_out(K: Kernel, held_out: Sequence[NDArray], alphas: Sequence[float] = ALPHAS,
                 max_components: int = MAX_COMPONENTS
                 ) -> Callable[[NDArray], list[NDArray[np.float64]]]:
    """Decompose what predicts each set of rows from all others; return the prediction: it maps y
    (n_conditions, n_voxels) to an array (n_alphas, n_rows, n_voxels) for each set of rows."""
    if len(K) - 1 <= max_components:
        decomposed = _eigh_centred(K)
        return lambda y: _predict_from_one(decomposed, y, held_out, alphas)
    # With fewer components than conditions every fit has components of its own.
    all_rows = np.arange(len(K))
    fits = [_fit_components(K, np.setdiff1d(all_rows, rows), rows, max_components)
            for rows in held_out]
    return lambda y: [fit(y, alphas) for fit in fits]


def _predict_from_one(decomposed: tuple[Kernel, Kernel], y: NDArray, held_out: Sequence[NDArray],
                      alphas: Sequence[float]) -> list[NDArray[np.float64]]:
    r"""Predict sets of rows from all others, by one decomposition for all sets and penalties.

    Ridge with an intercept is a linear smoother: on all rows, :math:`y - \hat y = R y` with
    :math:`R = V \alpha (\Lambda + \alpha)^{-1} V'`, of the centred Gram matrix's eigenvectors V
    and eigenvalues, the constant vector left out. Without the rows F, the residual *there* is
    :math:`R_{FF}^{-1} (R y)_F`, exactly (the leave-one-out identity, for sets of rows; Cook &
    Weisberg 1982). Returns an array (n_alphas, n_rows, n_voxels) for each set of rows.
    """
    (values, vectors), y = decomposed, np.asarray(y, np.float64)
    centred = _like(vectors, y - y.mean(0))
    predictions: list[list[NDArray[np.float64]]] = [[] for _ in held_out]
    for alpha in alphas:
        residual = (vectors * (alpha / (values + alpha))) @ vectors.T
        left = residual @ centred
        for rows, predicted in zip(held_out, predictions):
            predicted.append(y[rows] - _to_numpy(
                _solve_posdef(residual[np.ix_(rows, rows)], left[rows])))
    return [np.stack(predicted) for predicted in predictions]


def _solve_posdef(a: Kernel, b: Kernel) -> Kernel:
    """Solve a x = b, a positive definite, without SciPy's slower estimate of its condition."""
    if isinstance(a, Tensor):
        factor, failed = torch.linalg.cholesky_ex(a)
        return torch.linalg.pinv(a, hermitian=True) @ b if failed else torch.cholesky_solve(
            b, factor)
    _, x, failed = dposv(a, b, lower=1)
    return np.linalg.lstsq(a, b, rcond=None)[0] if failed else x


def _eigh_centred(K: Kernel) -> tuple[Kernel, Kernel]:
    """Return eigenvalues (n - 1,) and eigenvectors (n, n - 1) of a Gram matrix, centred.

    A Householder reflection maps the constant vector to the first axis, to which all eigenvectors
    are then orthogonal.
    """
    library, n = _library(K), len(K)
    reflector = library.full_like(K[0], n**-0.5)
    reflector[0] += 1
    reflector /= library.linalg.norm(reflector)
    reflected = K - 2 * library.outer(K @ reflector, reflector)
    reflected -= 2 * library.outer(reflector, reflector @ reflected)
    if isinstance(K, Tensor):
        values, inner = torch.linalg.eigh(reflected[1:, 1:])
    else:
        values, inner = eigh(reflected[1:, 1:], driver="evd", check_finite=False)
    vectors = library.vstack([library.zeros_like(inner[:1]), inner])
    vectors -= 2 * library.outer(reflector, reflector @ vectors)
    return values.clip(0), vectors


def score_nested(by_layer: Mapping[str, NDArray[np.float64]]) -> tuple[NDArray[np.float64], str]:
    """Score by nested cross-validation: penalty per voxel, layer per region, anew for every fold.

    The criterion of selection is that of `score_p2`, on folds other than the reported one.

    Parameters
    ----------
    by_layer : dict, layer -> array
        Of `compute_fold_scores`.

    Returns
    -------
    r : array, float64, shape (n_voxels,)
        Correlation of predicted and measured responses.
    layer : str
        The selected layer; the most frequent one where folds differ.
    """
    selected, r = [], []
    n_folds = len(next(iter(by_layer.values())))
    for fold in range(n_folds):
        others = np.arange(n_folds) != fold
        inner = {layer: scores[fold, others].mean(0) for layer, scores in by_layer.items()}
        layer = max(inner, key=lambda name: inner[name].max(0).mean())
        alpha = inner[layer].argmax(0)
        r.append(np.take_along_axis(by_layer[layer][fold, fold], alpha[None], axis=0)[0])
        selected.append(layer)
    return np.mean(r, axis=0), Counter(selected).most_common(1)[0][0]


def score_p2(by_layer: Mapping[str, NDArray[np.float64]]) -> tuple[NDArray[np.float64], str]:
    """Select and report on the same folds, as the authors' later code (P2): optimistic.

    Mean r over folds for each layer, penalty and voxel; the best penalty of each voxel; then the
    layer with the best mean over voxels (authors' encoding scripts). Arguments and results are
    those of `score_nested`.
    """
    best = {layer: average_folds(scores).max(0) for layer, scores in by_layer.items()}
    layer = max(best, key=lambda name: best[name].mean())
    return best[layer], layer


def select_layer_and_alpha(kernels: Mapping[str, Kernel], y: NDArray, folds: Sequence[NDArray], *,
                           alphas: Sequence[float] = ALPHAS
                           ) -> tuple[str, float, dict[str, float]]:
    """Select one layer and one penalty for a region, as the preprint (P1).

    ``kernels``: layer -> Gram matrix of its features, (n_conditions, n_conditions).

    Returns
    -------
    layer : str
        With the best mean r over folds and voxels, at its best penalty in each fold.
    alpha : float
        The most frequent best penalty of the folds there.
    by_layer : dict, layer -> float
        That mean r (Figure 2).

    Notes
    -----
    The authors' encoding scripts accumulated the mean over folds wrongly; this is the mean.
    """
    all_rows, means, modal_alpha = np.arange(len(y)), {}, {}
    for layer, K in kernels.items():
        by_fold = np.stack([score_ridge(K, y, np.setdiff1d(all_rows, fold), fold,
                                        alphas=alphas).mean(1) for fold in folds])
        means[layer] = float(by_fold.max(1).mean())
        modal_alpha[layer] = Counter(by_fold.argmax(1).tolist()).most_common(1)[0][0]
    layer = max(means, key=means.get)
    return layer, alphas[modal_alpha[layer]], means
