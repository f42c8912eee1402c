"""What notebooks 13 to 15 call: every network of a profile's table [language], as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config.profile import Profile
from helpers.config.vision_language import LanguageSpec
from helpers.core.cache import cached_table
from helpers.core.console import echo
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.matched_models import statistics, training_dynamics
from helpers.matched_models.block_statistics import (
    BlockStatistics,
    HeldOutResponses,
    collect_held_out_responses,
    compute_block_statistics,
    with_block_layers,
)
from helpers.matched_models.layer_consistency import consistency_table
from helpers.matched_models.training_dynamics import KEYS, BrainRegions
from helpers.networks.network import Network
from helpers.networks.registry import seed_names
from helpers.stimuli.domains import core_domains
from helpers.stimuli.image_sets import ImageSet
from helpers.stimuli.six_category_localizer import SixCategoryLocalizer, make_six_category_localizer


@dataclass(frozen=True)
class MatchedModelsStudy:
    """Networks that differ in their training objective, and the images that compare them.

    The tables of its methods have the columns ``condition, seed`` besides those named there.

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
    def from_profile(cls, profile: Profile, open_images: Callable[[str], ImageSet],
                     open_network: Callable[[str], Network], *,
                     second_localizer: bool = False) -> MatchedModelsStudy:
        """Begin the study that a profile's table [language] describes.

        Parameters
        ----------
        profile : Profile
        open_images, open_network : callable
            Name of an image set, or of a network -> what it names, made available: ``images`` and
            ``network`` of `helpers.lab`.
        second_localizer : bool
            Use the table's second localizer.

        Raises
        ------
        LabError
            If the profile has no such table, or something is absent.
        """
        spec = profile.table("language")
        images = open_images(spec.second_localizer if second_localizer else spec.images)
        return cls(spec, make_six_category_localizer(images), open_network, profile.seed,
                   profile.batch_size)

    @property
    def domains(self) -> tuple[str, ...]:
        """Intact sets, whose units are counted: the paper's, then others."""
        return core_domains(self.images.domains)

    def iter_networks(self) -> Iterator[tuple[str, int, str]]:
        """Yield condition, seed and name of every network."""
        for condition, first in self.spec.conditions.items():
            yield from ((condition, seed, name) for seed, name in enumerate(seed_names(first)))

    def network(self, name: str) -> Network:
        """Open a network, once, with the outputs of its blocks as layers."""
        if name not in self._networks:
            self._networks[name] = with_block_layers(self.open(name), self.spec.layers)
        return self._networks[name]

    def blocks(self, name: str) -> dict[str, BlockStatistics]:
        """Return the statistics of a network's blocks."""
        if name not in self._blocks:
            self._blocks[name] = compute_block_statistics(self.network(name), self.images,
                                                          batch_size=self.batch_size)
        return self._blocks[name]

    def responses(self, name: str) -> dict[str, HeldOutResponses]:
        """Return the responses of selective units to the images that did not select them."""
        return collect_held_out_responses(
            self.network(name), self.images, self.blocks(name), self.domains,
            max_units=self.spec.max_units, seed=self.seed, batch_size=self.batch_size)

    def proportions(self) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.selective_proportion_table` of all networks."""
        return self._each_network(None, lambda name: statistics.selective_proportion_table(
            self.blocks(name), self.domains))

    def tuning_strengths(self, *, n_best: int = 0) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.tuning_strength_table` of all networks."""
        return self._each_network(None, lambda name: statistics.tuning_strength_table(
            self.blocks(name), self.domains, n_best=n_best))

    def bootstrap_strengths(self) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.bootstrap_tuning_strength` of all networks."""
        return self._each_network(None, lambda name: statistics.bootstrap_tuning_strength(
            self.responses(name), self._held_out_domains, self.domains, seed=self.seed,
            n_boot=self.spec.n_boot))

    def unit_distributions(self) -> pd.DataFrame:
        """Return `helpers.matched_models.statistics.unit_distribution_table` of all networks."""
        return self._each_network("spread", lambda name: statistics.unit_distribution_table(
            self.blocks(name), self.domains, seed=self.seed, n_nulls=self.spec.n_nulls))

    def layer_consistencies(self) -> pd.DataFrame:
        """Return `helpers.matched_models.layer_consistency.consistency_table` of all networks.

        Patterns are those of the selective units, over the intact images.
        """
        intact = np.isin(self._held_out_domains, self.domains)
        return self._each_network("agreement", lambda name: consistency_table(
            {layer: one.values[intact] for layer, one in self.responses(name).items()},
            seed=self.seed, n_boot=self.spec.n_boot))

    def training_record(self, categories: ImageSet, regions: BrainRegions | None) -> pd.DataFrame:
        """Return the measures of networks during training, as the zoo recorded them.

        Where the profile names no record, the networks are measured as they are: untrained ones
        as step 0, all others as step 1.

        Returns
        -------
        DataFrame
            Columns ``COLUMNS`` of `helpers.matched_models.training_dynamics`.
        """
        if self.spec.record:
            return self._read_record(zoo_dir() / self.spec.record, regions)
        table = self._each_network(None, lambda name: training_dynamics.measure_checkpoint(
            self.network(name), self.blocks(name), categories, regions, n_best=self.spec.n_units,
            batch_size=self.batch_size))
        step = (table["condition"] != self.spec.untrained).astype(int)
        return table.assign(step=step)[list(training_dynamics.COLUMNS)]

    def _read_record(self, path: Path, regions: BrainRegions | None) -> pd.DataFrame:
        """Read the zoo's record, which was measured on the images of the demo.

        Its RDMs are compared with the responses of this profile's participants.
        """
        record = training_dynamics.read_training_record(path)
        recorded = set(record["domain"])
        if not recorded & set(self.domains):
            raise LabError(f"a localizer of {', '.join(self.domains)}, and a record of "
                           f"{', '.join(sorted(recorded))} in {path}",
                           expected="a record of the localizer's domains",
                           remedy="leave the key 'record' out of the profile's table [language]: "
                           "networks are then measured on this localizer as they are")
        if not set(self.domains) <= recorded:
            echo(f"{path.name} has no measures of {', '.join(set(self.domains) - recorded)}: "
                 "these domains are left out")
        if regions is None:
            return record.assign(similarity=np.nan)
        similarity = pd.concat({
            (condition, seed, step): training_dynamics.similarities(rdms, regions)
            for condition, seed, name in self.iter_networks() if condition != self.spec.untrained
            for step, rdms in training_dynamics.read_checkpoint_rdms(
                zoo_dir() / training_dynamics.rdm_file(name), regions).items()})
        return record.set_index(list(KEYS)).join(similarity.rename_axis(KEYS),
                                                 how="outer").reset_index()

    @property
    def _held_out_domains(self) -> np.ndarray:
        """Domains of the second half of the images, shape (n_images,)."""
        return np.array(self.images.domains)[self.images.halves == 1]

    def _each_network(self, cache_kind: str | None,
                      measure: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        """Measure every network, by its name; each table is cached where a kind is given."""
        tables = []
        for condition, seed, name in self.iter_networks():
            table = measure(name) if cache_kind is None else cached_table(cache_kind, name, {
                "network": self.network(name).parts, "images": self.images.digest,
            "seed": self.seed, "spec": self.spec,
                "code": code_digest(["helpers.matched_models.study"])}, partial(measure, name))
            tables.append(table.assign(condition=condition, seed=seed))
        return pd.concat(tables, ignore_index=True)
