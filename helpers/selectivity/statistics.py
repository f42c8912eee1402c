"""Which units are selective for a domain, and how strongly.

The published localizer (Prince, Alvarez & Konkle 2024, Methods; authors' selectivity.py): a unit is
d-selective if it responds more to domain d than to *every* other domain, each contrast
corrected over all units of the layer. All measures start from streamed moments, so no
activation matrix is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from helpers.core.errors import LabError
from helpers.core.statistics import Moments, benjamini_yekutieli_threshold, t_values

ALPHA = 0.05
"""Published false discovery rate of each contrast (authors' selectivity.py)."""


@dataclass(frozen=True)
class Localization:
    """The units of one layer and the domains they are selective for.

    Attributes
    ----------
    domains : tuple of str
    mask : Tensor, bool, shape (n_domains, n_units)
        True where the unit passes every contrast. At most one True per unit.
    t_mean : Tensor, float32, shape (n_domains, n_units)
        Mean t over those contrasts of the domain with every other one whose t is finite; positive
        means that the unit prefers the domain. NaN where there are none, as for dead units.
    infinite_contrasts : Tensor, int8, shape (n_domains, n_units)
        Contrasts with an infinite t, won minus lost. Such a unit has one constant value in each of
        two domains, as a saturated ReLU6 unit may; 0 in all domains for every other unit.
    n_dead : int
        Units with one constant value over all images; never selective, always counted in m.
    """

    domains: tuple[str, ...]
    mask: Tensor
    t_mean: Tensor
    infinite_contrasts: Tensor
    n_dead: int

    @property
    def proportion(self) -> Tensor:
        """Fraction of all units of the layer, float64, shape (n_domains,)."""
        return self.mask.double().mean(1)

    @property
    def n_infinite(self) -> int:
        """Units with an infinite t in some contrast."""
        return int(self.infinite_contrasts.any(0).sum())


def localize(moments: Moments, domains: tuple[str, ...], *, alpha: float = ALPHA) -> Localization:
    """Run the conjunction test over all units of a layer.

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
    n_domains, n_units = moments.mean.shape
    if n_domains != len(domains) or n_domains < 2:
        raise LabError(f"{n_domains} groups of images and {len(domains)} domains {domains}",
                       expected="one group per domain, at least two",
                       remedy="pool the groups, or name each of them")
    device = moments.mean.device
    mask = torch.ones(n_domains, n_units, dtype=torch.bool, device=device)
    t_sum = torch.zeros(n_domains, n_units, dtype=torch.float64, device=device)
    t_count = torch.zeros(n_domains, n_units, dtype=torch.uint8, device=device)
    infinite_contrasts = torch.zeros(n_domains, n_units, dtype=torch.int8, device=device)
    for first, second, t, df in _contrasts(moments):
        critical = benjamini_yekutieli_threshold(t.abs(), df, alpha=alpha)
        mask[first] &= t >= critical
        mask[second] &= t <= -critical
        is_infinite = t.isinf()
        if is_infinite.any():
            sign = torch.where(is_infinite, t.sign(), 0).to(torch.int8)
            infinite_contrasts[first] += sign
            infinite_contrasts[second] -= sign
            t[is_infinite] = torch.nan
        is_finite = ~t.isnan()
        for domain, signed in ((first, t), (second, -t)):
            t_sum[domain] += signed.nan_to_num()
            t_count[domain] += is_finite
    dead = (moments.sum_squares == 0).all(0) & (moments.mean == moments.mean[0]).all(0)
    return Localization(domains, mask, (t_sum / t_count).float(), infinite_contrasts,
                        int(dead.sum()))


def _contrasts(moments: Moments) -> Iterator[tuple[int, int, Tensor, int]]:
    """Yield two domains, t of every unit (positive: the first drives it more), and df."""
    for first, second in combinations(range(len(moments.count)), 2):
        yield first, second, *t_values(moments, first, second)


def localize_at_alphas(moments: Moments, alphas: Sequence[float]) -> Tensor:
    """Run the conjunction test at several false discovery rates, each contrast computed once.

    Parameters
    ----------
    moments : Moments
        One group per domain.
    alphas : sequence of float

    Returns
    -------
    Tensor, bool, shape (n_rates, n_domains, n_units)
        For each rate the mask that `localize` returns.
    """
    mask = torch.ones(len(alphas), *moments.mean.shape, dtype=torch.bool,
                      device=moments.mean.device)
    for first, second, t, df in _contrasts(moments):
        for alpha_mask, alpha in zip(mask, alphas):
            critical = benjamini_yekutieli_threshold(t.abs(), df, alpha=alpha)
            alpha_mask[first] &= t >= critical
            alpha_mask[second] &= t <= -critical
    return mask


def select_twofold(moments: Moments, *, ratio: float = 2.0) -> Tensor:
    """Apply the 2x rule: the target's mean is at least twice that of every other domain.

    The published rule (authors' selectivity.py and lesioning.py) divides means, so a unit that
    responds *most negatively* to the target would pass. A unit with a negative mean in any domain
    is therefore never selective here; on rectified layers the two rules agree.

    Returns
    -------
    Tensor, bool, shape (n_domains, n_units)
    """
    mean = moments.mean
    non_negative = (mean >= 0).all(0)
    best_other = max_other_mean(mean)
    return (mean >= ratio * best_other) & (mean > 0) & non_negative


def max_other_mean(mean: Tensor) -> Tensor:
    """Return, for every domain, the largest mean among the other ones (same shape)."""
    top = mean.topk(2, dim=0)
    is_top = torch.arange(len(mean), device=mean.device)[:, None] == top.indices[0]
    return torch.where(is_top, top.values[1], top.values[0])


def top_fraction(t_mean: Tensor, fraction: float) -> Tensor:
    """Select the units above the (1 - fraction) percentile of mean t, per domain (authors'
    selectivity.py and lesioning.py).

    Parameters
    ----------
    t_mean : Tensor, shape (n_domains, n_units)
        NaN (dead units) is never selected, infinity always.
    fraction : float
        Between 0 and 1, of the live units.

    Returns
    -------
    Tensor, bool, shape (n_domains, n_units)
    """
    if not 0 < fraction < 1:
        raise LabError(f"fraction = {fraction}", expected="a share between 0 and 1",
                       remedy="0.05 takes the five percent of units with the largest mean t")
    threshold = torch.stack([_quantile(row[~row.isnan()], 1 - fraction) for row in t_mean])
    return (t_mean > threshold[:, None]) | (t_mean == torch.inf)


def _quantile(values: Tensor, q: float) -> Tensor:
    """Return the linear-interpolated quantile; torch.quantile refuses more than 16 M values."""
    if not len(values):
        return torch.tensor(torch.inf, dtype=values.dtype, device=values.device)
    ordered = values.sort().values
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    if ordered[low] == ordered[high] or ordered[high].isinf():
        return ordered[low]  # between infinities there is nothing to interpolate
    return torch.lerp(ordered[low], ordered[high], position - low)


def domain_versus_rest(moments: Moments, domain: int) -> Moments:
    """Pool all images into two groups: those of the domain, and all others."""
    rest = [g for g in range(len(moments.count)) if g != domain]
    return moments.pool([[domain], rest])


def selectivity_index(moments: Moments) -> Tensor:
    r"""Compute the category selectivity index of every unit and domain.

    .. math:: \mathrm{CSI} = \frac{m_d - m_o}{|m_d| + |m_o|}

    with :math:`m_o` the mean over the other domains' means. +1: responds to the domain only;
    0: no preference. Meant for non-negative activations (Lu & Wang 2025; their formula is
    unknown, this is the stand-in of their spec).

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
        In standard deviations; positive where the domain drives the unit more. NaN for dead
        units; infinite where a unit is constant within both sides but differs between them.
    """
    rows = []
    for domain in range(len(moments.count)):
        pair = domain_versus_rest(moments, domain)
        mean, variance = pair.mean, pair.variance
        rows.append((mean[0] - mean[1]) / ((variance[0] + variance[1]) / 2).sqrt())
    return torch.stack(rows)


def min_t(moments: Moments) -> Tensor:
    """Return the smallest t of every domain against any other: how clear its weakest contrast is.

    The conjunction test asks for this value to be large, so it ranks units for a comparison at
    equal numbers.

    Returns
    -------
    Tensor, float64, shape (n_domains, n_units)
        Positive in one domain at most. NaN where a contrast has no t; infinite only where all are.
    """
    n_domains, n_units = moments.mean.shape
    min_over_contrasts = torch.full((n_domains, n_units), torch.inf, dtype=torch.float64,
                                    device=moments.mean.device)
    for first, second, t, _ in _contrasts(moments):
        min_over_contrasts[first] = torch.minimum(min_over_contrasts[first], t)
        min_over_contrasts[second] = torch.minimum(min_over_contrasts[second], -t)
    return min_over_contrasts


def lifetime_sparseness(moments: Moments) -> Tensor:
    r"""Compute how few of the images a unit answers to.

    .. math:: S = \frac{1 - \langle r \rangle^2 / \langle r^2 \rangle}{1 - 1/n}

    over all n images of all groups. 0: the same answer to every image; 1: to one alone. For
    non-negative activations.

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
