"""Deficits: the loss of recognition accuracy after a lesion, by class.

The published measures (Prince, Alvarez & Konkle 2024; authors' validation.py); their tests are in
`helpers.lesions.statistics`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError


def target_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Count the classes, other than the right one, with a logit at least as large as its own.

    Parameters
    ----------
    logits : Tensor, float, shape (n_images, n_classes)
    labels : Tensor, int64, shape (n_images,)

    Returns
    -------
    Tensor, int64, shape (n_images,)
        0 where the right class alone has the largest logit. A tie counts as an error: a network
        that is silenced altogether recognises nothing.

    Raises
    ------
    LabError
        If a value is not finite.
    """
    if not torch.isfinite(logits).all():
        raise LabError("a network's output is not finite", expected="finite values",
                       remedy="check the weights; activations may have overflowed")
    target_logit = logits.gather(1, labels[:, None])
    return (logits >= target_logit).sum(1) - 1


def group_means(values: NDArray, groups: NDArray, n_groups: int) -> NDArray[np.float64]:
    """Average over the images of each group.

    Parameters
    ----------
    values : array, shape (..., n_images)
    groups : array, int, shape (n_images,)
        From 0 to ``n_groups - 1``.

    Returns
    -------
    array, float64, shape (..., n_groups)
        NaN for a group without images.
    """
    one_hot = (groups[:, None] == np.arange(n_groups)).astype(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(values, dtype=float) @ one_hot / one_hot.sum(0)


def compute_deficits(correct: NDArray[np.bool_], groups: NDArray,
                     n_groups: int) -> NDArray[np.float64]:
    """Compute the accuracy drop of each class (or group of classes) after each lesion.

    Parameters
    ----------
    correct : array, bool, shape (1 + n_lesions, n_images)
        Whether each image is recognised; the first row is the intact network.
    groups : array, int, shape (n_images,)

    Returns
    -------
    array, float64, shape (n_lesions, n_groups)
        Accuracy before minus accuracy after, from -1 to 1; positive means impaired. NaN for a
        group without images.
    """
    accuracy = group_means(correct, groups, n_groups)
    return accuracy[0] - accuracy[1:]


def pearson_r_rows(x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Compute Pearson r of each row of ``x`` with the same row of ``y``; NaN if constant."""
    x, y = subtract_mean(x, -1), subtract_mean(y, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))


def deficit_correlations(deficit: NDArray) -> NDArray[np.float64]:
    """Correlate the deficit profiles of every pair of lesions over classes.

    Parameters
    ----------
    deficit : array, float, shape (n_lesions, n_classes)
        Classes that are not finite for every lesion are left out.

    Returns
    -------
    array, float64, shape (n_lesions, n_lesions)
        Pearson r; NaN for a lesion with the same deficit in every class.
    """
    deficit = deficit[:, np.isfinite(deficit).all(0)]
    return pearson_r_rows(deficit[:, None], deficit[None])


@dataclass(frozen=True)
class Dissociation:
    """Deficits on half B of the images, of the classes most impaired on half A.

    Attributes
    ----------
    most_impaired : array, int, shape (n_lesions, k)
        Classes with the largest deficit on half A, per lesion; the paper's probe sets.
    mean, sem : array, float64, shape (n_lesions, n_probe_sets)
        Mean deficit on half B and its standard error over the k classes (SD / sqrt k, ddof 0).
    """

    most_impaired: NDArray[np.int64]
    mean: NDArray[np.float64]
    sem: NDArray[np.float64]


def dissociation(deficit_a: NDArray, deficit_b: NDArray, k: int) -> Dissociation:
    """Select each lesion's k most impaired classes on half A; measure all lesions on half B.

    Parameters
    ----------
    deficit_a, deficit_b : array, float, shape (n_lesions, n_classes)
        Of two halves of the images. Classes without images in a half are never selected; of
        equal deficits the first is.
    k : int

    Raises
    ------
    LabError
        If there are fewer than k classes.
    """
    valid = np.isfinite(deficit_a).all(0) & np.isfinite(deficit_b).all(0)
    if not 1 <= k <= valid.sum():
        raise LabError(f"the {k} most impaired of {valid.sum()} classes",
                       expected="no more classes than have images in both halves",
                       remedy="choose a smaller k, or show more images")
    most_impaired = np.argsort(np.where(valid, -deficit_a, np.inf), axis=1, kind="stable")[:, :k]
    held_out = deficit_b[:, most_impaired]
    return Dissociation(most_impaired, held_out.mean(-1), held_out.std(-1) / np.sqrt(k))


def probe_set_sizes(n_classes: int) -> list[int]:
    """Scale the published 5, 10, 25, 50, 75, 100 of 1,000 classes to ``n_classes``; at least 3."""
    return sorted({min(n_classes, max(3, round(k * n_classes / 1000)))
                   for k in (5, 10, 25, 50, 75, 100)})
