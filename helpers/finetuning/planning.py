"""Which network is tuned on what, and which pictures it meets: jobs and looks, before any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.finetuning import crossvalidation as cv
from helpers.finetuning.jobs import Job, Look
from helpers.finetuning.kinds import KINDS, Kind, recipe_of
from helpers.finetuning.material import Material, Region, Split
from helpers.finetuning.tuning import Pairs
from helpers.finetuning.work import grams
from helpers.ground.cache import cached
from helpers.ground.digest import array_digest, code_digest, text_digest
from helpers.ground.errors import LabError
from helpers.networks.network import Network

Asked = tuple[Job, tuple[Look, ...]]


@dataclass(frozen=True)
class Plan:
    """A cohort and a network: every job that may be asked for.

    Parameters
    ----------
    material : Material
    network, untrained : Network
    seed : int
    """

    material: Material
    network: Network
    untrained: Network
    seed: int = 0

    @cached_property
    def table(self) -> pd.DataFrame:
        """The regions of all participants; see `Material.regions`."""
        return self.material.regions()

    @cached_property
    def regions(self) -> list[Region]:
        """Those that are used.

        Raises
        ------
        LabError
            If there are none.
        """
        used = self.table[self.table["why"] == ""]
        if used.empty:
            raise LabError("no region of any participant can be used",
                           expected=f"{self.material.spec.fewest_voxels} voxels that vary",
                           remedy="name other ROIs in [finetuning] of the profile")
        return [Region(*row) for row in zip(used["subject"], used["roi"], used["hemisphere"])]

    @cached_property
    def by_name(self) -> dict[str, tuple[Region, ...]]:
        """Regions of the same name, of all participants who have them."""
        found: dict[str, list[Region]] = {}
        for region in self.regions:
            found.setdefault(region.name, []).append(region)
        return {name: tuple(group) for name, group in found.items()}

    def who(self, kind: Kind) -> list[tuple[tuple[Region, ...], int]]:
        """Return the regions of each network of a kind, and the split it is tuned on.

        Where nothing is tuned, one network meets all regions.
        """
        n = max(len(self.material.splits(s)) for s in self.material.subjects)
        groups = ([tuple(self.regions)] if kind.objective == "none"
                  else list(self.by_name.values()) if kind.pooled
                  else [(region,) for region in self.regions])
        return [(group, split) for group in groups for split in range(n)]

    def seed_of(self, regions: Sequence[Region], number: int) -> int:
        """Return the seed of a network's training: another one for each network and number.

        Kinds of tuning share it, so that they differ in nothing but what they are.
        """
        name = f"{self.seed} {number} {' '.join(region.label for region in regions)}"
        return int(text_digest(name)[:7], 16)

    def job(self, kind: Kind, regions: Sequence[Region], trains: Sequence[NDArray[np.int64]],
            rate: float, number: int = 0) -> Job:
        """Plan the tuning of one network on the conditions ``trains`` of each region.

        ``number`` says which of its trainings, from 0.
        """
        spec, people, told = self.material.spec, [], []
        for region, train in zip(regions, trains) if kind.objective != "none" else ():
            pixels, condition = self.material.pictures(train)
            y = self.material.responses(region, train, train)
            if kind.shuffled:
                y = y[np.random.default_rng([self.seed, 6, number]).permutation(len(y))]
            people.append(Pairs(region.subject, pixels, condition, y))
            told += [region.label, array_digest(train), spec.most_pictures, array_digest(y)]
        name = f"{kind.name}-{regions[0].name}-{regions[0].subject}-{number}".replace(" ", "_")
        return Job(name.replace(",", ""), kind, self.network if kind.trained else self.untrained,
                   tuple(people), text_digest(f"{self.material.pictures_key} {told}"),
                   recipe_of(kind, spec, rate), spec, self.material.side,
                   int(self.table["n_used"].max()), self.seed_of(regions, number))

    def searched(self, kind: Kind, rate: float, region: Region) -> Asked:
        """Plan a trial of a learning rate, on parts of the training conditions alone."""
        fit, choose = self.material.splits(region.subject)[0].search
        return (self.job(kind, (region,), [fit], rate),
                (replace(self.look((region,), choose, fit), protocol="P2"),))

    def asked(self, kind: Kind, regions: tuple[Region, ...], split: int, rate: float, *,
              everyone: bool, number: int = 0) -> Asked:
        """Plan a network and its looks at the held-out pictures of those whom it meets.

        Its own participants, or ``everyone`` who has a region of the same name.
        """
        parts = {s: self.material.splits(s)[split] for s in self.material.subjects}
        job = self.job(kind, regions, [parts[region.subject].train for region in regions], rate,
                       number)
        met = self.by_name[regions[0].name] if everyone and kind.objective != "none" else regions
        by_pictures: dict[bytes, list[Region]] = {}
        for region in met:
            by_pictures.setdefault(parts[region.subject].test.tobytes(), []).append(region)
        return job, tuple(look for group in by_pictures.values()
                          for look in self._looks(kind, tuple(group), parts, split))

    def _looks(self, kind: Kind, regions: tuple[Region, ...], parts: Mapping[str, Split],
               split: int) -> Iterator[Look]:
        """Yield the looks at regions with common held-out pictures."""
        protocol, first = self.material.spec.protocol, parts[regions[0].subject]
        if kind.fixed or protocol != "P1":
            found = [self.look((region,), first.test, parts[region.subject].train)
                     for region in regions]
            yield replace(found[0], protocol="" if kind.fixed else protocol, responses={
                label: y for look in found for label, y in look.responses.items()})
            return
        for region in regions:
            part = parts[region.subject]
            conditions = np.union1d(part.train, part.test)
            yield replace(self.look((region,), conditions, part.train), folds=(),
                          protocol="P1", fixed={region.label: self._beforehand(region, split)},
                          fit=np.searchsorted(conditions, part.train),
                          test=np.searchsorted(conditions, part.test))

    def look(self, regions: Sequence[Region], conditions: NDArray[np.int64],
             train: NDArray[np.int64]) -> Look:
        """Show the pictures of some conditions, and ask for the responses of some regions."""
        pixels, condition = self.material.pictures(conditions)
        y = {region.label: self.material.responses(region, conditions, train)
             for region in regions}
        return Look(pixels, condition, y, folds=tuple(cv.deal(len(conditions), seed=self.seed)))

    def _beforehand(self, region: Region, split: int) -> tuple[str, float]:
        """Choose layer and penalty once, on the untuned network (P1, spec 3.3).

        On the training conditions of the first participant who has the region.
        """
        first = self.by_name[region.name][0]
        train = self.material.splits(first.subject)[split].train
        look = self.look((first,), train, train)
        job = self.job(KINDS["untuned"], (first,), [train], 1.0)

        def make() -> dict[str, np.ndarray]:
            products = grams(self.network.model, job, look)
            layer, alpha, _ = cv.layer_and_alpha(products, look.responses[first.label], look.folds)
            return {"layer": np.array(layer), "alpha": np.array(alpha)}

        made = cached("judged", f"beforehand-{first.name}".replace(" ", "_"), {
            "network": self.network.parts, "look": look.digest,
            "layers": list(self.material.spec.layers),
            "code": code_digest(["helpers.finetuning.work"])}, make)
        return str(made["layer"]), float(made["alpha"])
