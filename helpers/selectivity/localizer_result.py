"""Result of a localizer: the preferred domain, mean t and infinite t values of every unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.core.constant_values import finite_mean

NONE = 255
"""Label of a unit that is selective for no domain."""
INFINITE_T_RANK = 1e12
"""Larger than any finite t; stands for an infinite t in a ranking."""


@dataclass(frozen=True)
class LocalizerResult:
    """Selective units of a network, by layer.

    Attributes
    ----------
    domains : tuple of str
    labels : dict, layer -> uint8, shape (n_units,)
        Index of the unit's domain, or ``NONE``; estimated from all images.
    half_labels : dict, layer -> uint8, shape (2, n_units)
        The same from every second image only: one half can define the units and the other
        measure them.
    t_mean : dict, layer -> float32, shape (n_domains, n_units)
        Mean t of each domain against every other one, over the contrasts with a finite t; NaN
        where there are none, as for dead units.
    held_out_d_prime : dict, layer -> float32, shape (n_domains, n_defined)
        d' of each domain against the pooled others on the second half of the images, for the
        units that the first half defines (those with a label there, in order). Infinite where a
        unit is constant within both but differs between them.
    infinite_contrasts : dict, layer -> int8, shape (n_domains, n_units)
        Contrasts with an infinite t, won minus lost, of units that are constant within two domains
        and different between them, as a saturated ReLU6 unit may be. 0 in most networks.
    """

    domains: tuple[str, ...]
    labels: dict[str, np.ndarray]
    half_labels: dict[str, np.ndarray]
    t_mean: dict[str, np.ndarray]
    held_out_d_prime: dict[str, np.ndarray]
    infinite_contrasts: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """Layer names in the order in which the network computes them."""
        return tuple(self.labels)

    def units(self, layer: str, domain: str) -> np.ndarray:
        """Return the indices of the units of ``layer`` selective for ``domain``."""
        return np.flatnonzero(self.labels[layer] == self.domains.index(domain))

    @property
    def n_infinite(self) -> dict[str, int]:
        """Number of units with an infinite t, of the layers that have some."""
        n_units = {layer: int(contrasts.any(0).sum())
                   for layer, contrasts in self.infinite_contrasts.items()}
        return {layer: n for layer, n in n_units.items() if n}

    def ranking(self, layer: str) -> np.ndarray:
        """Return mean t, with units of infinite t ranked first or last.

        A unit with infinite t precedes all others where it wins more such contrasts than it loses,
        and follows all others where it loses more, whatever its finite t.

        Returns
        -------
        array, float64, shape (n_domains, n_units); NaN for dead units.
        """
        return rank_t(self.t_mean[layer].astype(np.float64),
                      self.infinite_contrasts.get(layer, np.zeros((1, 1))))

    def t_of_selective_units(self, domain: str, layers: Sequence[str] = ()) -> np.ndarray:
        """Return the mean t of all units selective for a domain, of some layers or of all.

        Units whose t is infinite in every contrast have no finite mean and are left out.
        """
        index = self.domains.index(domain)
        t = np.concatenate([self.t_mean[layer][index, self.units(layer, domain)]
                            for layer in layers or self.layers])
        return t[np.isfinite(t)]

    def table(self) -> pd.DataFrame:
        """Summarise as one row per layer and domain.

        Returns
        -------
        DataFrame
            Columns ``layer, depth`` (0 ... 1), ``domain, n_units, n_selective, proportion``;
            ``n_selective_half`` units that pass on the first half, and of these, on the second
            half: ``proportion_replicated`` (fraction that pass the whole test again),
            ``same_preference`` (fraction whose largest d' is again for this domain),
            ``held_out_d_prime`` (mean of finite d').
        """
        rows = [self._row(layer, depth, index)
                for depth, layer in zip(np.linspace(0, 1, len(self.layers)), self.layers)
                for index in range(len(self.domains))]
        return pd.DataFrame(rows)

    def _row(self, layer: str, depth: float, index: int) -> dict[str, object]:
        labels, (first, second) = self.labels[layer], self.half_labels[layer]
        defined = first == index
        held_out = self.held_out_d_prime[layer][:, first[first != NONE] == index]
        return {
            "layer": layer, "depth": depth, "domain": self.domains[index],
            "n_units": labels.size, "n_selective": int((labels == index).sum()),
            "proportion": float((labels == index).mean()), "n_selective_half": int(defined.sum()),
            "proportion_replicated": float(finite_mean(second[defined] == index)),
            "same_preference": float(finite_mean(nan_argmax(held_out) == index)),
            "held_out_d_prime": float(finite_mean(held_out[index])),
        }


def rank_t(t_mean: np.ndarray, infinite_contrasts: np.ndarray) -> np.ndarray:
    """Return mean t, of units with infinite contrasts before or after all finite values."""
    return np.where(infinite_contrasts.any(0),
                    np.nan_to_num(t_mean) + INFINITE_T_RANK * infinite_contrasts, t_mean)


def nan_argmax(values: np.ndarray) -> np.ndarray:
    """Return the row of each column's largest value; -1 where all are NaN."""
    return np.where(np.isnan(values).all(0), -1,
                    np.where(np.isnan(values), -np.inf, values).argmax(0))
