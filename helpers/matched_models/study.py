"""Siblings at work: every network of a profile's table [language] on the six sets, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.config.profile import Profile
from helpers.config.vision_language import LanguageSpec
from helpers.core.cache import cached_table
from helpers.core.digest import code_digest
from helpers.core.paths import zoo_dir
from helpers.matched_models.block_statistics import (
    ALL_IMAGES,
    BlockStatistics,
    HeldOutResponses,
    collect_held_out_responses,
    compute_block_statistics,
    with_block_layers,
)
from helpers.matched_models.layer_consistency import consistency
from helpers.matched_models.statistics import (
    bootstrap_tuning_strength,
    selective_proportion_table,
    tuning_strength_table,
)
from helpers.matched_models.training_dynamics import (
    COLUMNS,
    BrainRegions,
    measure_checkpoint,
    read_training_record,
)
from helpers.networks.network import Network
from helpers.networks.registry import seed_names
from helpers.selectivity.unit_distribution import measure_distribution
from helpers.stimuli.image_sets import CORE, ImageSet
from helpers.stimuli.six_category_localizer import SixCategoryLocalizer, make_six_category_localizer


@dataclass(frozen=True)
class MatchedModelsStudy:
    """Networks that differ in supervision, and the images on which they are compared.

    Attributes
    ----------
    spec : LanguageSpec
    images : SixCategoryLocalizer
    open : callable
        Name of a network -> Network.
    seed, batch_size : int
    """

    spec: LanguageSpec
    images: SixCategoryLocalizer
    open: Callable[[str], Network]
    seed: int
    batch_size: int
    _networks: dict[str, Network] = field(default_factory=dict)
    _blocks: dict[str, dict[str, BlockStatistics]] = field(default_factory=dict)

    @classmethod
    def from_profile(cls, profile: Profile, images: Callable[[str], ImageSet],
                     open_network: Callable[[str], Network], *,
                     second_localizer: bool = False) -> MatchedModelsStudy:
        """Begin the study that a profile's table [language] describes.

        Parameters
        ----------
        profile : Profile
        images, open_network : callable
            Name of an image set, or of a network -> what it names, made available: a laboratory's
            ``images`` and ``network``.
        second_localizer : bool
            Make the six sets from the table's second localizer.

        Raises
        ------
        LabError
            If the profile has no such table, or something is absent.
        """
        spec = profile.table("language")
        return cls(spec, make_six_category_localizer(images(spec.second_localizer
                                                            if second_localizer
                                                            else spec.images)), open_network,
                   profile.seed, profile.batch_size)

    def iter_networks(self) -> Iterator[tuple[str, int, str]]:
        """Yield kind, seed and name of every network."""
        for condition, name in self.spec.conditions.items():
            yield from ((condition, seed, one) for seed, one in enumerate(seed_names(name)))

    def network(self, name: str) -> Network:
        """Open a network, once, with the ends of its stages as layers."""
        if name not in self._networks:
            self._networks[name] = with_block_layers(self.open(name), self.spec.layers)
        return self._networks[name]

    def blocks(self, name: str) -> dict[str, BlockStatistics]:
        """Return the statistics of a network's stages."""
        if name not in self._blocks:
            self._blocks[name] = compute_block_statistics(self.network(name), self.images,
                                                          batch_size=self.batch_size)
        return self._blocks[name]

    def responses(self, name: str) -> dict[str, HeldOutResponses]:
        """Return what selective units say to the images that had no part in choosing them."""
        return collect_held_out_responses(self.network(name), self.images, self.blocks(name), CORE,
                                          max_units=self.spec.max_units, seed=self.seed,
                                          batch_size=self.batch_size)

    def proportions(self) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.selective_proportion_table` of every network.
        """
        return self._concat_networks(lambda name: selective_proportion_table(self.blocks(name),
                                                                             CORE))

    def tuning_strengths(self, *, n_best: int = 0) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.tuning_strength_table` of every network."""
        return self._concat_networks(lambda name: tuning_strength_table(self.blocks(name), CORE,
                                                                        n_best=n_best))

    def bootstrap_strengths(self) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.bootstrap_tuning_strength` of every network."""
        sets = np.array(self.images.domains)[self.images.halves == 1]
        return self._concat_networks(lambda name: bootstrap_tuning_strength(
            self.responses(name), sets, CORE, seed=self.seed, n_boot=self.spec.n_boot))

    def unit_distributions(self) -> pd.DataFrame:
        """Measure how selective units are spread over maps and positions.

        Returns
        -------
        DataFrame
            One row per network, layer, domain and measure: ``observed, corrected, null_mean,
            null_low, null_high, n_units``.
        """
        return self._concat_networks(lambda name: self._cached_table("spread", name,
                                                                     self._unit_distribution))

    def _unit_distribution(self, name: str) -> pd.DataFrame:
        rows = []
        for layer, block in self.blocks(name).items():
            for domain in CORE:
                mask = block.selective_mask(domain, ALL_IMAGES)
                result = measure_distribution(block.to_feature_maps(mask), seed=self.seed,
                                n_nulls=self.spec.n_nulls)
                rows += [{"layer": layer, "domain": domain, "measure": measure,
                          "n_units": int(mask.sum()), **vars(one)}
                         for measure, one in result.items()]
        return pd.DataFrame(rows)

    def layer_consistencies(self) -> pd.DataFrame:
        """Compare which images are alike for the selective units of each pair of layers.

        Returns
        -------
        DataFrame
            One row per network and pair of layers: ``layer, other, r``; rows whose ``layer`` is
            "all" hold the mean over pairs, and ``low, high`` its interval over resampled images.
        """
        return self._concat_networks(lambda name: self._cached_table("agreement", name,
                                                                     self._layer_consistency))

    def _layer_consistency(self, name: str) -> pd.DataFrame:
        sets = np.array(self.images.domains)[self.images.halves == 1]
        intact = np.isin(sets, CORE)
        result = consistency([one.values[intact] for one in self.responses(name).values()],
                             seed=self.seed, n_boot=self.spec.n_boot)
        layers = list(self.spec.layers)
        rows = [{"layer": one, "other": other, "r": result.matrix[i, j], "low": np.nan,
                 "high": np.nan} for i, one in enumerate(layers) for j, other in enumerate(layers)]
        return pd.DataFrame([*rows, {"layer": "all", "other": "all", "r": result.mean,
                                     "low": result.low, "high": result.high}])

    def checkpoint_measures(self, name: str, categories: ImageSet,
                            regions: BrainRegions | None) -> pd.DataFrame:
        """Return `helpers.matched_models.training_dynamics.measure_checkpoint` of one network as
        it is."""
        return measure_checkpoint(self.network(name), self.blocks(name), categories, regions,
                                  n_best=self.spec.n_units, batch_size=self.batch_size)

    def training_record(self, categories: ImageSet, regions: BrainRegions | None) -> pd.DataFrame:
        """Return how networks' measures rose while they were trained, as the zoo recorded it.

        Where the profile names no record, the networks are measured as they are: step 0 those that
        are untrained, step 1 all others.

        Returns
        -------
        DataFrame
            Columns ``COLUMNS`` of `helpers.matched_models.training_dynamics`.
        """
        if self.spec.record:
            return read_training_record(zoo_dir() / self.spec.record)
        return pd.concat([self.checkpoint_measures(name, categories, regions).assign(
            condition=condition, seed=seed, step=int(condition != self.spec.untrained))
            for condition, seed, name in self.iter_networks()], ignore_index=True)[list(COLUMNS)]

    def _concat_networks(self, make_table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        tables = [make_table(name).assign(condition=condition, seed=seed)
                  for condition, seed, name in self.iter_networks()]
        return pd.concat(tables, ignore_index=True)

    def _cached_table(self, cache_kind: str, name: str,
                      make: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        network = self.network(name)
        return cached_table(cache_kind, name, {
            "network": network.parts, "images": self.images.digest,
            "seed": self.seed, "spec": self.spec,
            "code": code_digest(["helpers.matched_models.study"])}, lambda: make(name))


def mean_consistency_matrix(layer_consistencies: pd.DataFrame, condition: str,
                            layers: list[str]) -> np.ndarray:
    """Average the layer x layer matrices of one kind over its seeds."""
    condition_rows = layer_consistencies[(
        layer_consistencies["condition"] == condition) & (layer_consistencies["layer"] != "all")]
    return condition_rows.pivot_table(index="layer", columns="other", values="r",
                                      dropna=False).loc[layers, layers].to_numpy()
