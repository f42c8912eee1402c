"""InfoNCE between images and the responses they evoked, and what it bounds about information.

An image's embedding should find its own response among those of the batch. How well it does
bounds the mutual information of the two from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from helpers.core.errors import LabError

TEMPERATURE = 0.3
"""Published; fixed."""
TEMPERATURE_FACTORS = tuple(float(f) for f in np.logspace(-2, 2, 1000))
"""Factors on the temperature that are tried after training (authors' analysis code)."""
NATS_PER_BIT = float(np.log(2))


def info_nce(images: Tensor, responses: Tensor, *, temperature: float | Tensor = TEMPERATURE,
             symmetric: bool = False) -> Tensor:
    r"""Let each image find its own response among those of the batch.

    .. math:: L = -\frac1N \sum_j \log \frac{e^{s_{jj}/\tau}}{\sum_i e^{s_{ij}/\tau}}, \qquad
              s_{ij} = \cos(z^y_i, z^x_j)

    Parameters
    ----------
    images, responses : Tensor, float, shape (n, dimensions)
        Embeddings :math:`z^x` and :math:`z^y`; row j of both belongs to image j.
    temperature : float or Tensor
        :math:`\tau`.
    symmetric : bool
        Whether each response must find its image, too (not in the paper): the mean of both.

    Returns
    -------
    Tensor
        The loss, scalar, in nats; log n at chance.

    Notes
    -----
    Mulrooney & Brockmeier (2024); authors' training scripts.
    """
    scores = cosine_similarities(images, responses) / temperature
    target = torch.arange(len(scores), device=scores.device)
    loss = functional.cross_entropy(scores, target)
    return (loss + functional.cross_entropy(scores.T, target)) / 2 if symmetric else loss


def cosine_similarities(images: Tensor, responses: Tensor) -> Tensor:
    """Return the cosine of every image (row) with every response (column), (n, n).

    Raises
    ------
    LabError
        If there are fewer than two pairs, or the embeddings do not match.
    """
    if images.shape != responses.shape or images.ndim != 2 or len(images) < 2:
        raise LabError(f"embeddings {tuple(images.shape)} of images and "
                       f"{tuple(responses.shape)} of responses",
                       expected="two matrices of the same shape, with 2 rows or more: among one "
                       "pair alone there is nothing to tell apart",
                       remedy="use batches of 2 or more")
    return functional.normalize(images, dim=1) @ functional.normalize(responses, dim=1).T


def infonce_bound_terms(scores: Tensor) -> Tensor:
    r"""Return each pair's term of the InfoNCE bound on mutual information, in nats.

    .. math:: I \ge \frac1K \sum_i \log \frac{e^{c_{ii}}}{\frac1K \sum_j e^{c_{ij}}} \le \log K

    Parameters
    ----------
    scores : Tensor, float, shape (K, K)
        :math:`c_{ij}`, how well image i and response j go together.

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
        At the best of `TEMPERATURE_FACTORS`, chosen on the same pairs, as published: slightly too
        good.
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
        Deals the pairs into halves.

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
        raise LabError(f"{len(scores)} pairs", expected="4 or more: a half chooses for the other",
                       remedy="hold more images out")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    halves = order.tensor_split(2)
    cross_validated = sum(infonce_bound_terms(scores / best_temperature_factor(scores,
                                                                               other))[own].sum()
                          for own, other in (halves, halves[::-1])) / len(scores)
    temperature_factor = best_temperature_factor(scores, order)
    return InformationBound(infonce_bound_terms(scores).mean().item(),
                            infonce_bound_terms(scores / temperature_factor).mean().item(),
                            float(cross_validated), temperature_factor,
                            len(scores))


def best_temperature_factor(scores: Tensor, rows: Tensor) -> float:
    """Return that of `TEMPERATURE_FACTORS` on the temperature that makes the bound of some rows
    largest.

    The bound is concave in the inverse temperature, so that along the increasing factors it
    rises and then falls: where two neighbours say which way it goes, half of them need no look.
    """
    def bound_at(factor_idx: int) -> float:
        return infonce_bound_terms(scores / TEMPERATURE_FACTORS[factor_idx])[rows].mean().item()

    low, high = 0, len(TEMPERATURE_FACTORS) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if bound_at(middle) >= bound_at(middle + 1) else (middle + 1,
                                                                                    high)
    return TEMPERATURE_FACTORS[low]
