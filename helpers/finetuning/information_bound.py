"""The InfoNCE bound on the mutual information of images and evoked responses.

Each image is classified among all responses; the log-likelihood bounds the mutual information of
images and responses from below (van den Oord et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helpers.core.errors import LabError
from helpers.training.losses import cosine_similarities

TEMPERATURE = 0.3
"""Of the fine-tuning loss; published, fixed."""
TEMPERATURE_FACTORS = tuple(float(f) for f in np.logspace(-2, 2, 1000))
"""Factors on the temperature that are tried after training (authors' analysis code)."""
NATS_PER_BIT = float(np.log(2))


def infonce_bound_terms(scores: Tensor) -> Tensor:
    r"""Return each pair's term of the InfoNCE bound on mutual information, in nats.

    .. math:: I \ge \frac1K \sum_i \log \frac{e^{c_{ii}}}{\frac1K \sum_j e^{c_{ij}}} \le \log K

    Parameters
    ----------
    scores : Tensor, float, shape (K, K)
        :math:`c_{ij}`, the similarity of image i and response j.

    Returns
    -------
    Tensor, float, shape (K,)
        The bound is their mean.

    Notes
    -----
    van den Oord et al. (2018); authors' analysis code.
    """
    return scores.diagonal() - scores.logsumexp(1) + np.log(len(scores))


@dataclass(frozen=True)
class InformationBound:
    """A lower bound on the mutual information of images and responses.

    Attributes
    ----------
    uncalibrated : float
        At the temperature of the training, nats.
    calibrated : float
        At the best of `TEMPERATURE_FACTORS` for the same pairs, as published: slightly optimistic.
    cross_validated : float
        The factor for each half of the pairs is the best one of the other half.
    temperature_factor : float
        The best factor.
    n : int
        K; no bound exceeds log K.
    """

    uncalibrated: float
    calibrated: float
    cross_validated: float
    temperature_factor: float
    n: int


def information_bound(images: Tensor, responses: Tensor, *, temperature: float = TEMPERATURE,
                      seed: int = 0) -> InformationBound:
    """Bound the information that held-out images and responses share, all in one batch.

    Parameters
    ----------
    images, responses : Tensor, float, shape (K, dimensions)
    temperature : float
        Of the training.
    seed : int
        Of the split of the pairs into halves.

    Raises
    ------
    LabError
        If there are fewer than four pairs, or embeddings that are not finite.
    """
    if not (torch.isfinite(images).all() and torch.isfinite(responses).all()):
        raise LabError("embeddings that are not finite", expected="finite numbers",
                       remedy="train again with a lower learning rate")
    scores = cosine_similarities(images.double(), responses.double()) / temperature
    if len(scores) < 4:
        raise LabError(f"{len(scores)} pairs", expected="4 or more: each half calibrates the other",
                       remedy="hold more images out")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    halves = order.tensor_split(2)
    cross_validated = sum(
        infonce_bound_terms(scores / best_temperature_factor(scores, other))[own].sum()
        for own, other in (halves, halves[::-1])) / len(scores)
    best = best_temperature_factor(scores, order)
    return InformationBound(infonce_bound_terms(scores).mean().item(),
                            infonce_bound_terms(scores / best).mean().item(),
                            float(cross_validated), best, len(scores))


def best_temperature_factor(scores: Tensor, rows: Tensor) -> float:
    """Return the one of `TEMPERATURE_FACTORS` that maximises the bound of some rows.

    The bound is concave in the inverse temperature: along the increasing factors it rises and then
    falls, and its maximum is found by bisection on the difference of two neighbours.
    """
    def bound_at(index: int) -> float:
        return infonce_bound_terms(scores / TEMPERATURE_FACTORS[index])[rows].mean().item()

    low, high = 0, len(TEMPERATURE_FACTORS) - 1
    while low < high:
        middle = (low + high) // 2
        if bound_at(middle) >= bound_at(middle + 1):
            high = middle
        else:
            low = middle + 1
    return TEMPERATURE_FACTORS[low]
