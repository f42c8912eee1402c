"""Fine-tuning at work: every kind of tuning for every region of every participant, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TypeVar

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from helpers.brains.cohort import Cohort
from helpers.finetuning.embedding import BOUND
from helpers.finetuning.jobs import Job, Look, Member
from helpers.finetuning.kinds import KINDS, Kind, kind_of, published_rate
from helpers.finetuning.material import Material, Region, group_of
from helpers.finetuning.outcomes import REGION
from helpers.finetuning.planning import Plan
from helpers.finetuning.work import judged
from helpers.ground.cache import Arrays, cooperatively
from helpers.ground.console import progress
from helpers.ground.errors import LabError
from helpers.ground.machine import workers
from helpers.ground.tunings import FinetuningSpec
from helpers.networks.network import Network

SEARCHED = ("contrastive", "regression", "regression, same head")
"""Kinds whose learning rate is chosen; the others take that of "contrastive"."""
ELSEWHERE = {"V1v": "V1", "V2v": "V2", "V3v": "V3", "hV4": "V4"}
"""Region that a network was tuned to: the area of the atlas that it then meets (spec, C)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """All kinds of tuning, run and compared.

    Parameters
    ----------
    plan : Plan
    n_jobs : int
        Processes. On a GPU one is enough.
    """

    plan: Plan
    n_jobs: int = 1

    @classmethod
    def of(cls, cohort: Cohort, spec: FinetuningSpec, network: Network, untrained: Network, *,
           seed: int = 0, n_jobs: int = 1) -> Study:
        """Plan the tuning of a network to a cohort, at the size that the profile asks for."""
        material = Material(cohort, spec, spec.image_size or network.input_shape[1])
        return cls(Plan(material, network, untrained, seed), n_jobs)

    @property
    def rates(self) -> pd.DataFrame:
        """Learning rates: columns ``kind, rate, r, chosen``.

        What `search` found once and the profile keeps, so that no rounding chooses anew; where
        the profile keeps nothing, its one rate, with ``r`` NaN.
        """
        spec, rows = self.plan.material.spec, []
        for kind in (KINDS[name] for name in SEARCHED):
            found = spec.searched.get(kind.name, ())
            rows += [{"kind": kind.name, "rate": rate, "r": r, "chosen": r == max(found)}
                     for rate, r in zip(spec.rates, found)] or [
                         {"kind": kind.name, "rate": published_rate(kind, spec), "r": np.nan,
                          "chosen": True}]
        return pd.DataFrame(rows)

    def search(self) -> pd.DataFrame:
        """Search for learning rates: columns ``kind, rate, r``, for [finetuning.searched].

        Each rate tunes the same few regions on a part of the training conditions; the other part
        judges, by cross-validated encoding. The same candidates, regions and criterion for all.
        A profile that names no candidates is refused (LabError).
        """
        spec, rows = self.plan.material.spec, []
        if not spec.rates:
            raise LabError("This profile names no learning rates to choose from",
                           expected="several, as in rates = [1e-3, 3e-3, 1e-2]",
                           remedy="add them to [finetuning] in the profile, or use its one rate")
        kinds = [KINDS[name] for name in SEARCHED]
        order = np.random.default_rng([self.plan.seed, 5]).permutation(len(self.plan.regions))
        few = [self.plan.regions[i] for i in sorted(order[:spec.n_searched])]
        tried = [(kind, rate, region) for kind in kinds for rate in spec.rates for region in few]
        found = self.each(_do, [self.plan.searched(*one) for one in tried],
                          "choosing learning rates")
        for (kind, rate, region), (done,) in zip(tried, found):
            rows.append({"kind": kind.name, "rate": rate, "r": done[f"r/{region.label}"].mean()})
        return pd.DataFrame(rows).groupby(["kind", "rate"], sort=False)["r"].mean().reset_index()

    def rate(self, kind: Kind) -> float:
        """Return the learning rate of a kind; variants of the contrastive one share its rate."""
        if kind.objective == "none":
            return 1.0  # of no training
        name = kind.name if kind.name in SEARCHED else "contrastive"
        chosen = self.rates[(self.rates["kind"] == name) & self.rates["chosen"]]
        return float(chosen["rate"].iloc[0])

    def run(self, kinds: Sequence[str], *, everyone: bool = False,
            share: float = 1.0) -> pd.DataFrame:
        """Tune and judge; one row a voxel.

        Parameters
        ----------
        kinds : sequence of str
            Of `helpers.finetuning.kinds.KINDS`.
        everyone : bool
            Whether each participant's network also meets everyone else's held-out pictures.
        share : float
            Of the way to the tuned network; see `helpers.finetuning.jobs.Job`.

        Returns
        -------
        DataFrame
            Columns ``donor`` (whose network; "all" where pooled, "none" where not tuned),
            ``subject, roi, hemisphere, group, kind, seed`` (which training), ``voxel`` (place in
            the region), ``side, vertex`` (where it is in the cohort's files), ``r, p2, ceiling,
            layer``. Scores are means over splits, where there are several. What is not tuned has
            the same rows for every seed.
        """
        rows = pd.concat(_some([_rows(self.plan.material, one, done, donor, kind, seed)
                                for donor, kind, seed, done in self._judged(kinds, everyone, share)
                                for one in self._regions_in(done)], "r", kinds),
                         ignore_index=True)
        same = ["donor", *REGION, "kind", "seed", "voxel", "side", "vertex"]
        return rows.groupby(same, sort=False).agg(
            r=("r", "mean"), p2=("p2", "mean"), ceiling=("ceiling", "first"),
            layer=("layer", "first")).reset_index()

    def curves(self, kinds: Sequence[str]) -> pd.DataFrame:
        """Return the mean r of layers: ``subject, roi, hemisphere, group, kind, seed, layer, r``.

        Each voxel has its best penalty, on the folds that are reported: for comparing layers.
        """
        rows = [{**_told(region), "kind": kind, "seed": seed, "layer": layer, "r": float(r)}
                for _, kind, seed, done in self._judged(kinds)
                for region in self._regions_in(done)
                for layer, r in zip(self.plan.material.spec.layers,
                                    done[f"curve/{region.label}"])]
        names = [name for name in _some(rows, "layer", kinds)[0] if name != "r"]
        return pd.DataFrame(rows).groupby(names, sort=False)["r"].mean().reset_index()

    def bounds(self, kinds: Sequence[str]) -> pd.DataFrame:
        """Bound the information that held-out pictures and responses share, in nats.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, kind, seed, n_voxels``, the fields of
            `helpers.finetuning.contrastive.Bound`, ``dimensions`` (z), and ``shared`` (the best
            bound with the head's shared running statistics, as published). Means over splits.
        """
        material = self.plan.material
        rows = [{**_told(region), "kind": kind, "seed": seed,
                 "n_voxels": len(material.voxels(region).vertex),
                 **dict(zip(BOUND, done[f"bound/{region.label}"].tolist()))}
                for _, kind, seed, done in self._judged(kinds)
                for region in self._regions_in(done, "bound")]
        names = [name for name in _some(rows, "bound", kinds)[0] if name not in BOUND]
        return pd.DataFrame(rows).groupby(names, sort=False)[list(BOUND)].mean().reset_index()

    def elsewhere(self, other: Material, kinds: Sequence[str]) -> pd.DataFrame:
        """Let networks meet a second cohort, whose pictures and responses no tuning has seen.

        Parameters
        ----------
        other : Material
            Its regions are those of `ELSEWHERE`.
        kinds : sequence of str
            Networks of the first participant, as published, or of all where pooled.

        Returns
        -------
        DataFrame
            As of `run`; ``roi`` is the region that the network was tuned to.

        Notes
        -----
        Cross-validated over all pictures of a participant, every fold run (the published script
        ran its first fold five times; spec, appendix C).
        """
        meet = Plan(other, self.plan.network, self.plan.untrained, self.plan.seed)
        asked, told = [], []
        for name, group in self.plan.by_name.items():
            area = ELSEWHERE.get(group[0].roi)
            met = [one for one in meet.regions if one.roi == area
                   and one.hemisphere == group[0].hemisphere]
            for kind, seed in product(map(kind_of, kinds if met else ()), self.seeds):
                regions = group if kind.pooled else group[:1]
                job, _ = self.plan.asked(kind, regions, 0, self.rate(kind), everyone=False,
                                         number=seed)
                looks = tuple(meet.look((one,), shown, shown) for one in met
                              for shown in [_everything(other, one.subject)])
                asked.append((job, looks))
                told.append((_donor(kind, regions), kind.name, seed, met, name))
        frames = [_rows(other, region, done, donor, kind, seed).assign(roi=name)
                  for (donor, kind, seed, met, name), found in zip(
                      told, self.each(_do, asked, "meeting a second cohort"))
                  for region, done in zip(met, found)]
        if not frames:
            raise LabError(f"no region of both cohorts: {', '.join(self.plan.by_name)}",
                           expected="one of " + ", ".join(ELSEWHERE),
                           remedy="name one in [finetuning] of the profile")
        return pd.concat(frames, ignore_index=True)

    @property
    def seeds(self) -> range:
        """Numbers of the trainings of every network."""
        return range(self.plan.material.spec.n_seeds)

    def _judged(self, kinds: Sequence[str], everyone: bool = False,
                share: float = 1.0) -> Iterator[tuple[str, str, int, Arrays]]:
        """Yield donor, kind, seed and what was found, after running all that is missing."""
        wanted = [(kind_of(name), *who, seed) for name in kinds
                  for who in self.plan.who(kind_of(name)) for seed in self.seeds]
        asked = [self.plan.asked(kind, regions, split, self.rate(kind), everyone=everyone,
                                 number=seed) for kind, regions, split, seed in wanted]
        asked = [(replace(job, share=share), looks) for job, looks in asked]
        for (kind, regions, _, seed), done in zip(
                wanted, self.each(_do, asked, "tuning and judging")):
            for one in done:
                yield _donor(kind, regions), kind.name, seed, one

    def networks(self, kinds: Sequence[str], *, share: float = 1.0) -> list[Member]:
        """Return the networks of some kinds and all trainings, on the first split, not yet done."""
        found = []
        for kind in map(kind_of, kinds):
            groups = [group for group, split in self.plan.who(kind) if split == 0]
            tuned = kind.objective != "none"
            for group, seed in product(groups, self.seeds if tuned else range(1)):
                job, _ = self.plan.asked(kind, group, 0, self.rate(kind), everyone=False,
                                         number=seed)
                first = group[0]
                found.append(Member(_donor(kind, group), seed, first.roi if tuned else "none",
                                    first.hemisphere if tuned else "none",
                                    group_of(first.roi) if tuned else "none", kind.name,
                                    replace(job, share=share)))
        return found

    def each(self, do: Callable[..., T], asked: Sequence[tuple], label: str) -> list[T]:
        """Do jobs, with a bar, sharing them with other notebooks; on a GPU one after another."""
        on_cpu = next(self.plan.network.model.parameters()).device.type == "cpu"
        pool = Parallel(n_jobs=workers(self.n_jobs) if on_cpu else 1, return_as="generator",
                        pre_dispatch="n_jobs")
        return cooperatively(partial(_unpacked, do), asked, each=lambda one, some: progress(
            pool(delayed(one)(item) for item in some), label, len(some)))

    def _regions_in(self, done: Arrays, what: str = "r") -> list[Region]:
        known = {region.label: region for region in self.plan.regions}
        return [known[name.removeprefix(f"{what}/")] for name in done
                if name.startswith(f"{what}/")]


def _some(found: list, what: str, kinds: Sequence[str]) -> list:
    """Refuse kinds of tuning of which a table has nothing to tell."""
    if not found:
        raise LabError(f"{', '.join(kinds)}: no {what} to tell",
                       expected="bounds of contrastive kinds; r and layers of any kind but those "
                                "of fixed z", remedy="ask for other kinds")
    return found


def _unpacked(do: Callable[..., T], arguments: tuple) -> T:
    return do(*arguments)


def _do(job: Job, looks: Sequence[Look]) -> list[Arrays]:
    return [judged(job, look) for look in looks]


def _donor(kind: Kind, regions: Sequence[Region]) -> str:
    return "none" if kind.objective == "none" else "all" if kind.pooled else regions[0].subject


def _told(region: Region) -> dict[str, str]:
    return {"subject": region.subject, "roi": region.roi, "hemisphere": region.hemisphere,
            "group": group_of(region.roi)}


def _rows(material: Material, region: Region, done: Arrays, donor: str, kind: str,
          seed: int) -> pd.DataFrame:
    """Return one row a voxel of a region."""
    r, voxels = done[f"r/{region.label}"], material.voxels(region)
    return pd.DataFrame({
        "donor": donor, **_told(region), "kind": kind, "seed": seed, "voxel": np.arange(len(r)),
        "side": voxels.hemisphere.astype(object), "vertex": voxels.vertex, "r": r,
        "p2": done.get(f"p2/{region.label}", np.full(len(r), np.nan)),
        "ceiling": material.ceiling(region), "layer": str(done[f"layer/{region.label}"])})


def _everything(material: Material, subject: str) -> np.ndarray:
    """Return all conditions of a participant's first split."""
    split = material.splits(subject)[0]
    return np.union1d(split.train, split.test)
