"""Siblings at work: every network of a profile's table [language] on the six sets, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.ground.cache import cached_table
from helpers.ground.digest import code_digest
from helpers.ground.languages import LanguageSpec
from helpers.ground.paths import zoo_dir
from helpers.ground.profile import Profile
from helpers.networks.network import Network
from helpers.networks.registry import members
from helpers.selectivity.spread import spread
from helpers.siblings.emergence import COLUMNS, Regions, moment_rows, read_record
from helpers.siblings.outcomes import share_rows, strength_resampled, strength_rows
from helpers.siblings.stages import (
    WHOLE,
    Answers,
    Stage,
    held_out_answers,
    stage_statistics,
    with_stages,
)
from helpers.similarity.consistency import consistency
from helpers.stimuli.image_sets import CORE, ImageSet
from helpers.stimuli.six_sets import SixSets, six_sets


@dataclass(frozen=True)
class SiblingStudy:
    """Networks that differ in what they were told, and the pictures that compare them.

    Attributes
    ----------
    spec : LanguageSpec
    pictures : SixSets
    open : callable
        Name of a network -> Network.
    seed, batch_size : int
    """

    spec: LanguageSpec
    pictures: SixSets
    open: Callable[[str], Network]
    seed: int
    batch_size: int
    _opened: dict[str, Network] = field(default_factory=dict)
    _stages: dict[str, dict[str, Stage]] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile, images: Callable[[str], ImageSet],
           open_network: Callable[[str], Network], *, second: bool = False) -> SiblingStudy:
        """Begin the study that a profile's table [language] describes.

        Parameters
        ----------
        profile : Profile
        images, open_network : callable
            Name of an image set, or of a network -> what it names, made present: a laboratory's
            ``images`` and ``network``.
        second : bool
            Make the six sets from the table's second localizer.

        Raises
        ------
        LabError
            If the profile has no such table, or something is absent.
        """
        spec = profile.table("language")
        return cls(spec, six_sets(images(spec.second if second else spec.images)), open_network,
                   profile.seed, profile.batch_size)

    def members(self) -> Iterator[tuple[str, int, str]]:
        """Yield kind, seed and name of every network."""
        for kind, name in self.spec.kinds.items():
            yield from ((kind, seed, one) for seed, one in enumerate(members(name)))

    def network(self, name: str) -> Network:
        """Open a network, once, with the ends of its stages as layers."""
        if name not in self._opened:
            self._opened[name] = with_stages(self.open(name), self.spec.layers)
        return self._opened[name]

    def stages(self, name: str) -> dict[str, Stage]:
        """Return the statistics of a network's stages."""
        if name not in self._stages:
            self._stages[name] = stage_statistics(self.network(name), self.pictures,
                                                  batch_size=self.batch_size)
        return self._stages[name]

    def answers(self, name: str) -> dict[str, Answers]:
        """Return what selective units say to the pictures that had no part in choosing them."""
        return held_out_answers(self.network(name), self.pictures, self.stages(name), CORE,
                                at_most=self.spec.n_kept, seed=self.seed,
                                batch_size=self.batch_size)

    def shares(self) -> pd.DataFrame:
        """Return `helpers.siblings.outcomes.share_rows` of every network."""
        return self._each(lambda name: share_rows(self.stages(name), CORE))

    def strengths(self, *, n_best: int = 0) -> pd.DataFrame:
        """Return `helpers.siblings.outcomes.strength_rows` of every network."""
        return self._each(lambda name: strength_rows(self.stages(name), CORE, n_best=n_best))

    def resampled(self) -> pd.DataFrame:
        """Return `helpers.siblings.outcomes.strength_resampled` of every network."""
        sets = np.array(self.pictures.domains)[self.pictures.halves == 1]
        return self._each(lambda name: strength_resampled(
            self.answers(name), sets, CORE, seed=self.seed, n_boot=self.spec.n_boot))

    def spreads(self) -> pd.DataFrame:
        """Measure how selective units are spread over maps and positions.

        Returns
        -------
        DataFrame
            One row per network, layer, domain and measure: ``observed, corrected, null_mean,
            null_low, null_high, n_units``.
        """
        return self._each(lambda name: self._kept("spread", name, self._spread))

    def _spread(self, name: str) -> pd.DataFrame:
        rows = []
        for layer, stage in self.stages(name).items():
            for domain in CORE:
                mask = stage.selective(domain, WHOLE)
                found = spread(stage.maps(mask), seed=self.seed, n_nulls=self.spec.n_nulls)
                rows += [{"layer": layer, "domain": domain, "measure": measure,
                          "n_units": int(mask.sum()), **vars(one)}
                         for measure, one in found.items()]
        return pd.DataFrame(rows)

    def agreements(self) -> pd.DataFrame:
        """Compare which pictures are alike for the selective units of each pair of layers.

        Returns
        -------
        DataFrame
            One row per network and pair of layers: ``layer, other, r``; rows whose ``layer`` is
            "all" hold the mean over pairs, and ``low, high`` its interval over resampled pictures.
        """
        return self._each(lambda name: self._kept("agreement", name, self._agreement))

    def _agreement(self, name: str) -> pd.DataFrame:
        sets = np.array(self.pictures.domains)[self.pictures.halves == 1]
        intact = np.isin(sets, CORE)
        found = consistency([one.values[intact] for one in self.answers(name).values()],
                            seed=self.seed, n_boot=self.spec.n_boot)
        layers = list(self.spec.layers)
        rows = [{"layer": one, "other": other, "r": found.matrix[i, j], "low": np.nan,
                 "high": np.nan} for i, one in enumerate(layers) for j, other in enumerate(layers)]
        return pd.DataFrame([*rows, {"layer": "all", "other": "all", "r": found.mean,
                                     "low": found.low, "high": found.high}])

    def moment(self, name: str, categories: ImageSet, regions: Regions | None) -> pd.DataFrame:
        """Return `helpers.siblings.emergence.moment_rows` of one network as it is."""
        return moment_rows(self.network(name), self.stages(name), categories, regions,
                           n_best=self.spec.n_units, batch_size=self.batch_size)

    def moments(self, categories: ImageSet, regions: Regions | None) -> pd.DataFrame:
        """Return how networks' measures rose while they were trained, as the zoo recorded it.

        Where the profile names no record, the networks are measured as they are: step 0 those that
        are untrained, step 1 all others.

        Returns
        -------
        DataFrame
            Columns ``COLUMNS`` of `helpers.siblings.emergence`.
        """
        if self.spec.record:
            return read_record(zoo_dir() / self.spec.record)
        return pd.concat([self.moment(name, categories, regions).assign(
            kind=kind, seed=seed, step=int(kind != self.spec.untrained))
            for kind, seed, name in self.members()], ignore_index=True)[list(COLUMNS)]

    def _each(self, table_of: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        tables = [table_of(name).assign(kind=kind, seed=seed)
                  for kind, seed, name in self.members()]
        return pd.concat(tables, ignore_index=True)

    def _kept(self, kind: str, name: str, make: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        network = self.network(name)
        return cached_table(kind, name, {
            "network": network.parts, "images": self.pictures.digest,
            "seed": self.seed, "spec": self.spec,
            "code": code_digest(["helpers.siblings.study"])}, lambda: make(name))


def matrix_of(agreements: pd.DataFrame, kind: str, layers: list[str]) -> np.ndarray:
    """Average the layer x layer matrices of one kind over its seeds."""
    its = agreements[(agreements["kind"] == kind) & (agreements["layer"] != "all")]
    return its.pivot_table(index="layer", columns="other", values="r",
                           dropna=False).loc[layers, layers].to_numpy()
