"""Fine-tuning at work: every kind of tuning for every region of every participant, and judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from helpers.finetuning import crossvalidation as cv
from helpers.finetuning.kinds import KINDS, Kind, kind_of, published_rate, recipe_of
from helpers.finetuning.material import Material, Region, Split, group_of
from helpers.finetuning.tuning import Pairs
from helpers.finetuning.work import Job, Look, grams, judged
from helpers.ground.cache import Arrays, cached
from helpers.ground.console import progress
from helpers.ground.digest import code_digest, text_digest
from helpers.ground.errors import LabError
from helpers.networks.network import Network

BOUND = ("trained", "best", "crossed", "factor", "n", "dimensions")
"""Columns of a table of bounds, in the order of `helpers.finetuning.work.judged`."""
Asked = tuple[Job, tuple[Look, ...]]


@dataclass(frozen=True)
class Study:
    """A cohort, a network, and the settings under which all kinds of tuning are compared.

    Parameters
    ----------
    material : Material
    network, untrained : Network
    seed : int
    n_jobs : int
        Processes. On a GPU one is enough.
    """

    material: Material
    network: Network
    untrained: Network
    seed: int = 0
    n_jobs: int = 1

    @cached_property
    def table(self) -> pd.DataFrame:
        """The regions of all participants; see `Material.regions`."""
        return self.material.regions()

    @cached_property
    def regions(self) -> list[Region]:
        """Those that are used."""
        used = self.table[self.table["why"] == ""]
        if used.empty:
            raise LabError("no region of any participant can be used",
                           expected=f"{self.material.spec.fewest_voxels} voxels that vary",
                           remedy="name other ROIs in [finetuning] of the profile")
        return [Region(*row) for row in zip(used["subject"], used["roi"], used["hemisphere"])]

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Learning rates tried: columns ``kind, rate, r, chosen``; ``r`` is NaN where none was.

        Each rate tunes the same few regions on a part of the training conditions; the other part
        judges, by cross-validated encoding. The same candidates, regions and criterion for all.
        """
        spec, rows = self.material.spec, []
        kinds = [kind for kind in KINDS.values() if kind.name in SEARCHED]
        if not spec.rates:
            return pd.DataFrame([{"kind": kind.name, "rate": published_rate(kind, spec),
                                  "r": np.nan, "chosen": True} for kind in kinds])
        rng = np.random.default_rng([self.seed, 5])
        few = [self.regions[i] for i in sorted(rng.permutation(len(self.regions))[
            :spec.n_searched])]
        asked = [(kind, rate, region) for kind in kinds for rate in spec.rates for region in few]
        found = self._run([self._searched(*one) for one in asked], "choosing learning rates")
        for (kind, rate, region), (done,) in zip(asked, found):
            rows.append({"kind": kind.name, "rate": rate,
                         "r": done[f"p2/{_label(region)}"].mean()})
        table = pd.DataFrame(rows).groupby(["kind", "rate"], sort=False)["r"].mean().reset_index()
        best = table.groupby("kind")["r"].transform("max")
        return table.assign(chosen=table["r"] == best)

    def rate(self, kind: Kind) -> float:
        """Return the learning rate of a kind; variants of the contrastive one share its rate."""
        name = kind.name if kind.name in SEARCHED else "contrastive"
        chosen = self.rates[(self.rates["kind"] == name) & self.rates["chosen"]]
        return float(chosen["rate"].iloc[0])

    def run(self, kinds: Sequence[str], *, everyone: bool = False) -> pd.DataFrame:
        """Tune and judge; one row a voxel.

        Parameters
        ----------
        kinds : sequence of str
            Of `helpers.finetuning.kinds.KINDS`.
        everyone : bool
            Whether each participant's network also meets everyone else's held-out pictures.

        Returns
        -------
        DataFrame
            Columns ``donor`` (whose network; "all" where pooled, "none" where not tuned),
            ``subject, roi, hemisphere, group, kind, voxel, r, p2, ceiling, layer`` and
            ``normalised`` (r over the voxel's ceiling).
        """
        frames = []
        for donor, name, _, done in self._judged(kinds, everyone):
            for region in self._regions_in(done):
                label = _label(region)
                n = len(done[f"r/{label}"])
                frame = pd.DataFrame({
                    "donor": donor, "subject": region.subject, "roi": region.roi,
                    "hemisphere": region.hemisphere, "group": group_of(region.roi), "kind": name,
                    "voxel": np.arange(n), "r": done[f"r/{label}"],
                    "p2": done.get(f"p2/{label}", np.full(n, np.nan)),
                    "ceiling": self.material.ceiling(region), "layer": str(done[f"layer/{label}"])})
                frames.append(frame)
        rows = pd.concat(frames, ignore_index=True)
        same = ["donor", "subject", "roi", "hemisphere", "group", "kind", "voxel"]
        rows = rows.groupby(same, sort=False).agg(  # over the splits, where there are several
            r=("r", "mean"), p2=("p2", "mean"), ceiling=("ceiling", "first"),
            layer=("layer", lambda names: names.mode()[0])).reset_index()
        return rows.assign(normalised=rows["r"] / rows["ceiling"])

    def curves(self, kinds: Sequence[str]) -> pd.DataFrame:
        """Return the mean r of every layer: ``subject, roi, hemisphere, group, kind, layer, r``.

        Each voxel has its best penalty, on the folds that are reported: for comparing layers.
        """
        rows = []
        for _, name, _, done in self._judged(kinds, everyone=False):
            for region in self._regions_in(done):
                rows += [{"subject": region.subject, "roi": region.roi, "group":
                          group_of(region.roi), "hemisphere": region.hemisphere, "kind": name,
                          "layer": layer, "r": float(r)} for layer, r in
                         zip(self.material.spec.layers, done[f"curve/{_label(region)}"])]
        names = [name for name in rows[0] if name != "r"]
        return pd.DataFrame(rows).groupby(names, sort=False)["r"].mean().reset_index()

    def bounds(self, kinds: Sequence[str]) -> pd.DataFrame:
        """Bound the information that held-out pictures and responses share, in nats.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, kind, n_voxels``, the fields of
            `helpers.finetuning.contrastive.Bound`, and ``dimensions`` (z). Means over splits.
        """
        rows = []
        for _, name, _, done in self._judged(kinds, everyone=False):
            for region in self._regions_in(done):
                label = _label(region)
                rows.append({"subject": region.subject, "roi": region.roi,
                             "hemisphere": region.hemisphere, "group": group_of(region.roi),
                             "kind": name, "n_voxels": len(done[f"r/{label}"]),
                             **dict(zip(BOUND, done[f"bound/{label}"].tolist()))})
        names = [name for name in rows[0] if name not in BOUND]
        return pd.DataFrame(rows).groupby(names, sort=False)[list(BOUND)].mean().reset_index()

    def _regions_in(self, done: Arrays) -> list[Region]:
        labels = {_label(region): region for region in self.regions}
        return [labels[name.removeprefix("r/")] for name in done if name.startswith("r/")]

    def _judged(self, kinds: Sequence[str],
                everyone: bool) -> Iterator[tuple[str, str, int, Arrays]]:
        """Yield donor, kind, split and what was found, after running all that is missing."""
        wanted = [(kind_of(name), *who) for name in kinds
                  for who in self._who(kind_of(name))]
        asked = [self._asked(kind, regions, split, everyone) for kind, regions, split in wanted]
        for (kind, regions, split), done in zip(wanted, self._run(asked, "tuning and judging")):
            donor = ("none" if kind.objective == "none" else "all" if kind.pooled
                     else regions[0].subject)
            for one in done:
                yield donor, kind.name, split, one

    def _who(self, kind: Kind) -> Iterable[tuple[tuple[Region, ...], int]]:
        """Return the regions of each network of a kind, and the split it is tuned on."""
        n = max(len(self.material.splits(s)) for s in self.material.subjects)
        by_roi = {}
        for region in self.regions:
            by_roi.setdefault((region.roi, region.hemisphere), []).append(region)
        groups = ([tuple(self.regions)] if kind.objective == "none" else
                  [tuple(group) for group in by_roi.values()] if kind.pooled else
                  [(region,) for region in self.regions])
        return [(group, split) for group in groups for split in range(n)]

    def _run(self, asked: Sequence[Asked], label: str) -> list[list[Arrays]]:
        """Do jobs in processes of their own, with a bar."""
        done = Parallel(n_jobs=self.n_jobs, return_as="generator", pre_dispatch="n_jobs")(
            delayed(_do)(job, looks) for job, looks in asked)
        return list(progress(done, label, len(asked)))

    def _searched(self, kind: Kind, rate: float, region: Region) -> Asked:
        fit, choose = self.material.splits(region.subject)[0].search
        job = self._job(kind, (region,), [fit], rate)
        return job, (self._look((region,), choose, fit, f"search {_label(region)}"),)

    def _asked(self, kind: Kind, regions: tuple[Region, ...], split: int,
               everyone: bool) -> Asked:
        """Return a job, and looks at the held-out pictures of those whom it meets."""
        parts = {s: self.material.splits(s)[split] for s in self.material.subjects}
        trains = [parts[region.subject].train for region in regions]
        rate = np.nan if kind.objective == "none" else self.rate(kind)
        job = self._job(kind, regions, trains, rate)
        met = regions if not everyone or kind.objective == "none" or kind.pooled else [
            region for region in self.regions if region.name == regions[0].name]
        by_pictures: dict[bytes, list[Region]] = {}
        for region in met:
            by_pictures.setdefault(parts[region.subject].test.tobytes(), []).append(region)
        looks = [look for group in by_pictures.values()
                 for look in self._looks(tuple(group), parts, split)]
        return job, tuple(looks)

    def _looks(self, regions: tuple[Region, ...], parts: dict[str, Split],
               split: int) -> Iterator[Look]:
        """Yield the looks at regions with common held-out pictures."""
        first = parts[regions[0].subject]
        if self.material.spec.protocol != "P1":
            yield self._look(regions, first.test, first.train, f"held out {split}")
            return
        for region in regions:
            part = parts[region.subject]
            conditions = np.union1d(part.train, part.test)
            yield replace(self._look((region,), conditions, part.train, f"all {split}"), folds=(),
                          fixed={_label(region): self._beforehand(region, split)},
                          fit=np.searchsorted(conditions, part.train),
                          test=np.searchsorted(conditions, part.test))

    def _look(self, regions: tuple[Region, ...], conditions: NDArray[np.int64],
              train: NDArray[np.int64], name: str) -> Look:
        pixels, condition = self.material.pictures(conditions)
        y = {_label(region): self.material.responses(region, conditions, train)
             for region in regions}
        return Look(name, pixels, condition, y, tuple(cv.deal(len(conditions), seed=self.seed)))

    def _beforehand(self, region: Region, split: int) -> tuple[str, float]:
        """Choose layer and penalty once, on the untuned network (P1, spec 3.3).

        On the training conditions of the first participant who has the region.
        """
        first = next(one for one in self.regions if one.name == region.name)
        train = self.material.splits(first.subject)[split].train
        look = self._look((first,), train, train, "beforehand")
        job = self._job(KINDS["untuned"], (first,), [train], np.nan)
        made = cached("judged", f"beforehand-{first.name}", {
            "network": self.network.digest, "look": look.digest,
            "layers": list(self.material.spec.layers),
            "code": code_digest(["helpers.finetuning.work"])}, lambda: dict(zip(
                ("layer", "alpha"), map(np.array, cv.layer_and_alpha(
                    grams(self.network.model, job, look), look.responses[_label(first)],
                    look.folds)[:2]))))
        return str(made["layer"]), float(made["alpha"])

    def _job(self, kind: Kind, regions: tuple[Region, ...],
             trains: Sequence[NDArray[np.int64]], rate: float) -> Job:
        spec, people, told = self.material.spec, [], []
        if kind.objective != "none":
            for region, train in zip(regions, trains):
                pixels, condition = self.material.pictures(train)
                y = self.material.responses(region, train, train)
                if kind.shuffled:
                    y = y[np.random.default_rng([self.seed, 6]).permutation(len(y))]
                people.append(Pairs(region.subject, pixels, condition, y))
                told += [_label(region), y.tobytes().hex()[:0], str(train.tolist()),
                         self.material.cohort.digest(region.subject), spec.standardise,
                         spec.most_pictures]
        widest = int(self.table["n_used"].max())
        name = f"{kind.name}-{regions[0].name}-{regions[0].subject}".replace(" ", "_")
        recipe = recipe_of(kind, spec, 1.0 if np.isnan(rate) else rate)
        identity = text_digest(f"{self.material.cohort.album.digest} {told}")
        return Job(name.replace(",", ""), kind, self.network if kind.trained else self.untrained,
                   tuple(people), identity, recipe, spec, self.material.side, widest, self.seed)


SEARCHED = ("contrastive", "regression", "regression, same head")
"""Kinds whose learning rate is chosen; the others take that of "contrastive"."""


def _label(region: Region) -> str:
    return f"{region.subject}/{region.name}"


def _do(job: Job, looks: Sequence[Look]) -> list[Arrays]:
    return [judged(job, look) for look in looks]
