"""Statistics of the activations of units: streamed moments, Student's t, and its threshold.

Streamed moments per group of images, Student's t from them, and the Benjamini-Yekutieli step-up
rule without p values and without a sort. They know nothing of networks or brains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import special
from torch import Tensor

from helpers.core.errors import LabError

BLOCK_SIZE = 2048
"""Units handled at a time while moments are updated: 64 images x 2,048 units stay in cache."""


@dataclass(frozen=True)
class Moments:
    """Counts, means and sums of squared deviations of every unit, per group of images.

    Images enter batch by batch, each batch centred in float64 on its own mean, and batches are
    joined by the pairwise update of Chan, Golub & LeVeque (1983). Nothing large is ever subtracted
    from something equally large: a unit driven strongly by one image loses no precision, and a
    unit that never changes has deviations of exactly zero.

    Attributes
    ----------
    count : Tensor, int64, shape (n_groups,)
        Images seen per group.
    mean : Tensor, float64, shape (n_groups, n_units)
        Mean activation; 0 before the first image.
    sum_squares : Tensor, float64, shape (n_groups, n_units)
        Sum of squared deviations from the group's mean.
    """

    count: Tensor
    mean: Tensor
    sum_squares: Tensor

    @classmethod
    def start(cls, n_groups: int, first: Tensor) -> Moments:
        """Begin with no image seen; ``first`` (n_units,) sets number and device of the units."""
        empty = torch.zeros(n_groups, first.numel(), dtype=torch.float64, device=first.device)
        return cls(torch.zeros(n_groups, dtype=torch.int64), empty, empty.clone())

    def update(self, activations: Tensor, group: int) -> None:
        """Add images of one group, in place.

        Parameters
        ----------
        activations : Tensor, float, shape (n_images, n_units)
        group : int
        """
        n_images, n_units = activations.shape
        n_before = int(self.count[group])
        n_total = n_before + n_images
        # A tensor on the device: dividing by a plain number multiplies by its reciprocal there,
        # and the mean of a constant would be off by rounding.
        n = torch.tensor(n_images, dtype=torch.float64, device=activations.device)
        buffer = torch.empty(n_images, min(BLOCK_SIZE, n_units), dtype=torch.float64,
                             device=activations.device)
        for start in range(0, n_units, BLOCK_SIZE):
            block = slice(start, min(start + BLOCK_SIZE, n_units))
            values = buffer[:, : block.stop - start].copy_(activations[:, block])
            mean = values.sum(0) / n
            step = mean - self.mean[group, block]
            self.mean[group, block] += step * (n_images / n_total)
            self.sum_squares[group, block] += values.sub_(mean).square_().sum(0)
            self.sum_squares[group, block] += step.square_() * (n_before * n_images / n_total)
        self.count[group] = n_total

    def pool(self, groups: list[list[int]]) -> Moments:
        """Join groups: entry ``i`` of the result is the union of ``groups[i]``."""
        pooled = [self._union(members) for members in groups]
        return Moments(*(torch.stack(values) for values in zip(*pooled)))

    def _union(self, members: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        n, means = self.n[members], self.mean[members]
        mean = means[0] + (n * (means - means[0])).sum(0) / n.sum()
        sum_squares = self.sum_squares[members].sum(0) + (n * (means - mean).square_()).sum(0)
        return self.count[members].sum(), mean, sum_squares

    @property
    def n(self) -> Tensor:
        """Images per group as a float64 column, shape (n_groups, 1)."""
        return self.count.to(self.mean)[:, None]

    @property
    def variance(self) -> Tensor:
        """Unbiased variance, float64, shape (n_groups, n_units)."""
        return self.sum_squares / (self.n - 1)


def float64_device(device: torch.device | str) -> torch.device | str:
    """Return where float64 is computed for tensors of a device: there; for Apple's GPUs, the CPU.

    They have no float64, which statistics, Gram matrices and distances need.
    """
    return "cpu" if str(device).startswith("mps") else device


def t_values(moments: Moments, first: int, second: int) -> tuple[Tensor, int]:
    r"""Compute Student's t of two groups, unit by unit (equal variances).

    .. math:: t = \frac{\bar x_1 - \bar x_2}{\sqrt{s_p^2 (1/n_1 + 1/n_2)}}

    Parameters
    ----------
    moments : Moments
    first, second : int
        Groups. A positive value means that the first group's mean is the larger.

    Returns
    -------
    t : Tensor, float64, shape (n_units,)
        NaN where a unit has the same constant value in both groups; infinite where it is
        constant within both but differs between them, as a saturated ReLU6 unit may (as in
        SciPy).
    df : int
        Degrees of freedom, :math:`n_1 + n_2 - 2`.
    """
    n1, n2 = int(moments.count[first]), int(moments.count[second])
    if min(n1, n2) < 2:
        raise LabError(f"groups of {n1} and {n2} images", expected="at least 2 images in each",
                       remedy="give every domain more images")
    df = n1 + n2 - 2
    within = moments.sum_squares[first] + moments.sum_squares[second]
    difference = moments.mean[first] - moments.mean[second]
    return difference / within.mul_((1 / n1 + 1 / n2) / df).sqrt_(), df


@lru_cache(maxsize=256)
def harmonic_number(m: int) -> float:
    """Return the sum of 1/i for i = 1 ... m."""
    return float(np.sum(1.0 / np.arange(1, m + 1)))


def benjamini_yekutieli_threshold(abs_t: Tensor, df: float, *, alpha: float,
                                  m: int | None = None) -> float:
    r"""Find the critical :math:`|t|` of the Benjamini-Yekutieli step-up rule.

    The rule rejects the ``k`` smallest p values for the largest ``k`` with
    :math:`p_{(k)} \le k \alpha / (m c_m)`, :math:`c_m = \sum_{i \le m} 1/i`. With
    :math:`N(k)` the number of two-sided p values at or below that bound, ``k`` is the largest
    fixed point of ``N``, and because ``N`` only falls with ``k`` it is reached from ``k = m``
    by iteration, each step one count in t-space. No p value is computed, nothing is sorted.

    Parameters
    ----------
    abs_t : Tensor, float64, shape (n_units,)
        :math:`|t|`; NaN (dead units) never counts.
    df : float
        Degrees of freedom.
    alpha : float
        False discovery rate.
    m : int, optional
        Size of the family; by default all units, dead ones included, as in the authors' code.

    Returns
    -------
    float
        Reject where ``abs_t >= threshold``; infinity if nothing is rejected.

    Notes
    -----
    Benjamini & Yekutieli (2001), Theorem 1.3; Prince et al. (2024), authors' selectivity.py.
    """
    if not 0 < alpha < 1:
        raise LabError(f"alpha = {alpha}", expected="a rate between 0 and 1",
                       remedy="0.05 is the published value")
    m = abs_t.numel() if m is None else m
    n_rejected = m
    while n_rejected:
        bound = n_rejected * alpha / (m * harmonic_number(m))
        threshold = -float(special.stdtrit(df, bound / 2))
        count = int((abs_t >= threshold).sum())
        if count >= n_rejected:
            return threshold
        n_rejected = count
    return float("inf")
