"""Category selectivity of units: the localizer's conjunction test, and indices of selectivity.

The published localizer (Prince, Alvarez & Konkle 2024, Methods; authors' selectivity.py): a unit is
d-selective if it responds more to domain d than to *every* other domain, each contrast
corrected over all units of the layer. All measures start from streamed moments, so no
activation matrix is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.constant_values import subtract_mean
from helpers.core.errors import LabError
from helpers.core.moments import Moments, benjamini_yekutieli_threshold, t_values

ALPHA = 0.05
"""Published false discovery rate of each contrast (authors' selectivity.py)."""


@dataclass(frozen=True)
class Localization:
    """Result of the conjunction test for the units of one layer.

    Attributes
    ----------
    mask : Tensor, bool, shape (n_domains, n_units)
        True where the unit passes every contrast. At most one True per unit.
    t_mean, infinite_contrasts : Tensor, float32 and int8, shape (n_domains, n_units)
        Of `mean_t`.
    """

    mask: Tensor
    t_mean: Tensor
    infinite_contrasts: Tensor


def localize(moments: Moments, domains: tuple[str, ...], *, alpha: float = ALPHA) -> Localization:
    """Test every unit of a layer for selectivity: the conjunction of all pairwise contrasts.

    Every unordered pair of domains is tested once: the reversed contrast has the opposite
    sign, the same two-sided p value and so the same rejections.

    Parameters
    ----------
    moments : Moments
        One group per domain.
    domains : tuple of str
        Names of the groups, in order.
    alpha : float
        False discovery rate (Benjamini-Yekutieli) of each contrast.

    Raises
    ------
    LabError
        If groups and domains differ in number, or a group has fewer than two images.
    """
    n_domains = len(moments.mean)
    if n_domains != len(domains) or n_domains < 2:
        raise LabError(f"{n_domains} groups of images and {len(domains)} domains {domains}",
                       expected="one group per domain, at least two",
                       remedy="pool the groups, or name each of them")
    t_mean, infinite_contrasts = mean_t(moments)
    return Localization(localize_at_alphas(moments, [alpha])[0], t_mean.float(), infinite_contrasts)


def _contrasts(moments: Moments) -> Iterator[tuple[int, int, Tensor, int]]:
    """Yield two domains, t of every unit (positive: larger response to the first), and df."""
    for first, second in combinations(range(len(moments.count)), 2):
        yield first, second, *t_values(moments, first, second)


def mean_t(moments: Moments) -> tuple[Tensor, Tensor]:
    """Average t over the contrasts of each domain with every other one.

    Returns
    -------
    t_mean : Tensor, float64, shape (n_domains, n_units)
        Over contrasts whose t is finite; positive means that the unit prefers the domain. NaN
        where there are none, as for dead units.
    infinite_contrasts : Tensor, int8, shape (n_domains, n_units)
        Contrasts with an infinite t, won minus lost. Such a unit has one constant value in each of
        two domains, as a saturated ReLU6 unit may; 0 in all domains for every other unit.
    """
    total, n_finite, infinite_contrasts = (torch.zeros_like(moments.mean, dtype=dtype)
                                           for dtype in (torch.float64, torch.uint8, torch.int8))
    for first, second, t, _ in _contrasts(moments):
        is_finite, infinite_sign = t.isfinite(), torch.where(t.isinf(), t.sign(), 0).char()
        finite_t = torch.where(is_finite, t, 0)
        for domain, sign in ((first, 1), (second, -1)):
            total[domain] += sign * finite_t
            n_finite[domain] += is_finite
            infinite_contrasts[domain] += sign * infinite_sign
    return total / n_finite, infinite_contrasts


def localize_at_alphas(moments: Moments, alphas: Sequence[float]) -> Tensor:
    """Run the conjunction test at several false discovery rates, each contrast computed once.

    Parameters
    ----------
    moments : Moments
        One group per domain.
    alphas : sequence of float

    Returns
    -------
    Tensor, bool, shape (n_alphas, n_domains, n_units)
        For each rate the mask that `localize` returns.
    """
    masks = torch.ones(len(alphas), *moments.mean.shape, dtype=torch.bool,
                       device=moments.mean.device)
    for first, second, t, df in _contrasts(moments):
        for mask, alpha in zip(masks, alphas):
            critical_t = benjamini_yekutieli_threshold(t.abs(), df, alpha=alpha)
            mask[first] &= t >= critical_t
            mask[second] &= t <= -critical_t
    return masks


def subtract_minimum(activations: NDArray) -> Tensor:
    """Subtract every unit's minimum, which no t depends on, for `resampled_moments`.

    A unit that is silent in a group then has a mean and deviations of exactly 0 in every resample,
    so that t between two such groups is NaN; minus the unit's mean, it would be one rounding
    error over another. A unit that does not vary (`subtract_mean`) is 0 everywhere.

    Parameters
    ----------
    activations : array, float, shape (n_images, n_units)

    Returns
    -------
    Tensor, float64, same shape
    """
    varies = subtract_mean(activations).any(0)
    values = activations.astype(np.float64)
    return torch.from_numpy(np.where(varies, values - values.min(0), 0.0))


def resampled_moments(shifted: Tensor, weights: Tensor) -> Moments:
    """Compute the moments of every unit in every resample, or permutation, of the images.

    Parameters
    ----------
    shifted : Tensor, float64, shape (n_images, n_units)
        Activations, of every unit minus their smallest (`subtract_minimum`).
    weights : Tensor, float64, shape (n_groups, n_resamples, n_images)
        How often each image is in each group; a group has as many images in every resample.

    Returns
    -------
    Moments
        Of shape (n_groups, n_resamples * n_units): all units of the first resample come first.
    """
    n = weights.sum(2)[:, :1]
    members = weights.any(1)    # the other images of a group have no weight in any resample
    sums, squares = (torch.cat([group_weights[:, own] @ values[own] for group_weights, own in zip(
        weights, members)]).view(len(n), -1) for values in (shifted, shifted.square()))
    mean = sums / n
    return Moments(n[:, 0].long(), mean, (squares - n * mean.square()).clamp_(min=0))


def select_twofold(moments: Moments, *, ratio: float = 2.0) -> Tensor:
    """Select units by the 2x rule: a mean at least twice that of every other domain.

    The published rule (authors' selectivity.py and lesioning.py) divides means, so a unit that
    responds *most negatively* to the target would pass. A unit with a negative mean in any domain
    is therefore never selective here; on rectified layers the two rules agree.

    Returns
    -------
    Tensor, bool, shape (n_domains, n_units)
    """
    mean = moments.mean
    top = mean.topk(2, dim=0)
    is_top = torch.arange(len(mean), device=mean.device)[:, None] == top.indices[0]
    max_of_others = torch.where(is_top, top.values[1], top.values[0])
    return (mean >= ratio * max_of_others) & (mean > 0) & (mean >= 0).all(0)


def selectivity_index(moments: Moments) -> Tensor:
    r"""Compute the category selectivity index of every unit and domain.

    .. math:: \mathrm{CSI} = \frac{m_d - m_o}{|m_d| + |m_o|}

    with :math:`m_o` the mean over the other domains' means. +1: responds to the domain only;
    0: no preference. Meant for non-negative activations. Lu & Wang (2025) do not give the formula
    of their index; this is the usual one.

    Returns
    -------
    Tensor, float64, shape (n_domains, n_units); NaN where both means are zero.
    """
    mean = moments.mean
    rest = (mean.sum(0, keepdim=True) - mean) / (len(mean) - 1)
    return (mean - rest) / (mean.abs() + rest.abs())


def d_prime(moments: Moments) -> Tensor:
    r"""Compute d' of every unit and domain against the pooled images of all others.

    .. math:: d' = \frac{m_d - m_o}{\sqrt{(s_d^2 + s_o^2) / 2}}

    Returns
    -------
    Tensor, float64, shape (n_domains, n_units)
        In standard deviations; positive where the response to the domain is larger. NaN for dead
        units; infinite where a unit is constant within both sides but differs between them.
    """
    rows, groups = [], range(len(moments.count))
    for domain in groups:
        pair = moments.pool([[domain], [other for other in groups if other != domain]])
        mean, variance = pair.mean, pair.variance
        rows.append((mean[0] - mean[1]) / ((variance[0] + variance[1]) / 2).sqrt())
    return torch.stack(rows)


def min_t(moments: Moments) -> Tensor:
    """Return the smallest t of every domain against any other: its weakest contrast.

    The conjunction test thresholds this value, so it ranks units for a comparison at equal numbers.

    Returns
    -------
    Tensor, float64, shape (n_domains, n_units)
        Positive in one domain at most. NaN where a contrast has no t; infinite only where all are.
    """
    smallest = torch.full_like(moments.mean, torch.inf)
    for first, second, t, _ in _contrasts(moments):
        smallest[first] = torch.minimum(smallest[first], t)
        smallest[second] = torch.minimum(smallest[second], -t)
    return smallest


def lifetime_sparseness(moments: Moments) -> Tensor:
    r"""Compute lifetime sparseness: the smaller the fraction of images with a response, the higher.

    .. math:: S = \frac{1 - \langle r \rangle^2 / \langle r^2 \rangle}{1 - 1/n}

    over all n images of all groups. 0: the same response to every image; 1: a response to a single
    image. For non-negative activations.

    Returns
    -------
    Tensor, float64, shape (n_units,); NaN for units that are always zero.

    Notes
    -----
    Vinje & Gallant (2000), after Rolls & Tovee (1995).
    """
    pooled = moments.pool([list(range(len(moments.count)))])
    n, mean = pooled.n[0], pooled.mean[0]
    square = mean.square() + pooled.sum_squares[0] / n
    return (1 - mean.square() / square) / (1 - 1 / n)
