"""Fine-tuning at work: every condition for every region of every participant, and judged."""

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
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import Arrays, cooperative_map
from helpers.core.console import progress
from helpers.core.errors import LabError
from helpers.core.machine import count_workers
from helpers.finetuning.conditions import (
    CONDITIONS,
    Condition,
    default_learning_rate,
    get_condition,
)
from helpers.finetuning.data import CohortData, Region, region_group
from helpers.finetuning.evaluate import evaluate
from helpers.finetuning.held_out_bound import BOUND_COLUMNS
from helpers.finetuning.run_plan import RunPlan
from helpers.finetuning.runs import EvaluationSet, FineTunedModel, FineTuningRun
from helpers.finetuning.statistics import REGION_COLUMNS
from helpers.networks.network import Network

SEARCHED_CONDITIONS = ("contrastive", "regression", "regression, same head")
"""Kinds whose learning rate is chosen; the others take that of "contrastive"."""
TRANSFER_AREAS = {"V1v": "V1", "V2v": "V2", "V3v": "V3", "hV4": "V4"}
"""Region that a network was fine-tuned to: the area of the atlas that it then meets (paper's
Appendix C)."""

T = TypeVar("T")


@dataclass(frozen=True)
class FineTuningStudy:
    """All conditions, run and compared.

    Parameters
    ----------
    plan : RunPlan
    n_jobs : int
        Processes. On a GPU one is enough.
    """

    plan: RunPlan
    n_jobs: int = 1

    @classmethod
    def from_cohort(cls, cohort: Cohort, spec: FinetuningSpec, network: Network, untrained: Network,
                    *,
                    seed: int = 0, n_jobs: int = 1) -> FineTuningStudy:
        """Plan the tuning of a network to a cohort, at the size that the profile asks for."""
        cohort_data = CohortData(cohort, spec, spec.image_size or network.input_shape[1])
        return cls(RunPlan(cohort_data, network, untrained, seed), n_jobs)

    @property
    def learning_rates(self) -> pd.DataFrame:
        """Learning rates: columns ``condition, learning_rate, r, chosen``.

        What `search_learning_rates` found once and the profile keeps, so that no rounding chooses
        anew; where the profile keeps nothing, its one rate, with ``r`` NaN.
        """
        spec, rows = self.plan.cohort_data.spec, []
        for condition in (CONDITIONS[name] for name in SEARCHED_CONDITIONS):
            results = spec.rate_search_scores.get(condition.name, ())
            rows += [{"condition": condition.name, "learning_rate": learning_rate, "r": r,
                      "chosen": r == max(results)}
                     for learning_rate, r in zip(spec.learning_rates, results)] or [
                         {"condition": condition.name,
                          "learning_rate": default_learning_rate(condition, spec), "r": np.nan,
                          "chosen": True}]
        return pd.DataFrame(rows)

    def search_learning_rates(self) -> pd.DataFrame:
        """Search for learning rates: columns ``condition, learning_rate, r``, for
        [finetuning.searched].

        Each rate tunes the same few regions on a part of the training conditions; the other part
        judges, by cross-validated encoding. The same candidates, regions and criterion for all.
        A profile that names no candidates is refused (LabError).
        """
        spec, rows = self.plan.cohort_data.spec, []
        if not spec.learning_rates:
            raise LabError("This profile names no learning rates to choose from",
                           expected="several, as in learning_rates = [1e-3, 3e-3, 1e-2]",
                           remedy="add them to [finetuning] in the profile, or use its one rate")
        conditions = [CONDITIONS[name] for name in SEARCHED_CONDITIONS]
        order = np.random.default_rng([self.plan.seed, 5]).permutation(len(self.plan.regions))
        search_regions = [self.plan.regions[i] for i in sorted(order[:spec.n_rate_search_regions])]
        candidates = [(condition, learning_rate, region) for condition in conditions
                      for learning_rate in spec.learning_rates for region in search_regions]
        results = self.map_runs(_evaluate_all,
                                [self.plan.rate_search_request(*one) for one in candidates],
                                "choosing learning rates")
        for (condition, learning_rate, region), (result,) in zip(candidates, results):
            rows.append({"condition": condition.name, "learning_rate": learning_rate,
                         "r": result[f"r/{region.label}"].mean()})
        return pd.DataFrame(rows).groupby(["condition", "learning_rate"],
                                          sort=False)["r"].mean().reset_index()

    def learning_rate(self, condition: Condition) -> float:
        """Return the learning rate of a condition; variants of the contrastive one share its rate.
        """
        if condition.objective == "none":
            return 1.0  # of no training
        name = condition.name if condition.name in SEARCHED_CONDITIONS else "contrastive"
        chosen = self.learning_rates[(
            self.learning_rates["condition"] == name) & self.learning_rates["chosen"]]
        return float(chosen["learning_rate"].iloc[0])

    def voxel_scores(self, conditions: Sequence[str], *, all_subjects: bool = False,
                     interpolation: float = 1.0) -> pd.DataFrame:
        """Tune and judge; one row a voxel.

        Parameters
        ----------
        kinds : sequence of str
            Of `helpers.finetuning.conditions.CONDITIONS`.
        all_subjects : bool
            Whether each participant's network also meets everyone else's held-out images.
        interpolation : float
            Of the way to the fine-tuned network; see `helpers.finetuning.runs.FineTuningRun`.

        Returns
        -------
        DataFrame
            Columns ``donor`` (whose network; "all" where pooled, "none" where not tuned),
            ``subject, roi, hemisphere, group, condition, seed`` (which training), ``voxel`` (place
            in the region), ``side, vertex`` (where it is in the cohort's files), ``r, p2, ceiling,
            layer``. Scores are means over splits, where there are several. What is not tuned has
            the same rows for every seed.
        """
        rows = pd.concat(_require_rows([_voxel_rows(self.plan.cohort_data, one, result, donor,
                                                    condition, seed)
                                for donor, condition, seed, result in self._iter_evaluations(
                                    conditions, all_subjects, interpolation)
                                        for one in self._regions_in(result)], "r", conditions),
                         ignore_index=True)
        key_columns = ["donor", *REGION_COLUMNS, "condition", "seed", "voxel", "vertex_hemisphere",
                       "vertex"]
        return rows.groupby(key_columns, sort=False).agg(
            r=("r", "mean"), p2=("p2", "mean"), noise_ceiling=("noise_ceiling", "first"),
            layer=("layer", "first")).reset_index()

    def curves(self, conditions: Sequence[str]) -> pd.DataFrame:
        """Return the mean r of layers: ``subject, roi, hemisphere, group, condition, seed, layer,
        r``.

        Each voxel has its best penalty, on the folds that are reported: for comparing layers.
        """
        rows = [{**_region_columns(region), "condition": condition, "seed": seed, "layer": layer,
                 "r": float(r)}
                for _, condition, seed, result in self._iter_evaluations(conditions)
                for region in self._regions_in(result)
                for layer, r in zip(self.plan.cohort_data.spec.layers,
                                    result[f"curve/{region.label}"])]
        names = [name for name in _require_rows(rows, "layer", conditions)[0] if name != "r"]
        return pd.DataFrame(rows).groupby(names, sort=False)["r"].mean().reset_index()

    def bounds(self, conditions: Sequence[str]) -> pd.DataFrame:
        """Bound the information that held-out images and responses share, in nats.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, condition, seed, n_voxels``, the fields of
            `helpers.finetuning.info_nce.Bound`, ``dimensions`` (z), and ``shared`` (the best
            bound with the head's shared running statistics, as published). Means over splits.
        """
        cohort_data = self.plan.cohort_data
        rows = [{**_region_columns(region), "condition": condition, "seed": seed,
                 "n_voxels": len(cohort_data.voxels(region).vertex),
                 **dict(zip(BOUND_COLUMNS, result[f"bound/{region.label}"].tolist()))}
                for _, condition, seed, result in self._iter_evaluations(conditions)
                for region in self._regions_in(result, "bound")]
        names = [name for name in _require_rows(rows, "bound",
                                                conditions)[0] if name not in BOUND_COLUMNS]
        return pd.DataFrame(rows).groupby(names,
                                          sort=False)[list(BOUND_COLUMNS)].mean().reset_index()

    def transfer(self, other: CohortData, conditions: Sequence[str]) -> pd.DataFrame:
        """Let networks meet a second cohort, whose images and responses no tuning has seen.

        Parameters
        ----------
        other : CohortData
            Its regions are those of `TRANSFER_AREAS`.
        kinds : sequence of str
            Networks of the first participant, as published, or of all where pooled.

        Returns
        -------
        DataFrame
            As of `voxel_scores`; ``roi`` is the region that the network was fine-tuned to.

        Notes
        -----
        Cross-validated over all images of a participant, every fold run (the published script
        ran its first fold five times; spec, appendix C).
        """
        transfer_plan = RunPlan(other, self.plan.network, self.plan.untrained, self.plan.seed)
        evaluation_requests, row_labels = [], []
        for name, group in self.plan.regions_by_name.items():
            area = TRANSFER_AREAS.get(group[0].roi)
            receivers = [one for one in transfer_plan.regions if one.roi == area
                         and one.hemisphere == group[0].hemisphere]
            for condition, seed in product(map(get_condition, conditions if receivers else ()),
                                           self.seeds):
                regions = group if condition.pooled else group[:1]
                run, _ = self.plan.evaluation_requests(
                    condition, regions, 0, self.learning_rate(condition), all_subjects=False,
                                         number=seed)
                evaluation_sets = tuple(transfer_plan.evaluation_set((one,), shown,
                                                                     shown) for one in receivers
                                        for shown in [_all_stimulus_ids(other, one.subject)])
                evaluation_requests.append((run, evaluation_sets))
                row_labels.append((_donor(condition, regions), condition.name, seed, receivers,
                                   name))
        frames = [_voxel_rows(other, region, result, donor, condition, seed).assign(roi=name)
                  for (donor, condition, seed, receivers, name), results in zip(
                      row_labels, self.map_runs(_evaluate_all, evaluation_requests,
                                                "meeting a second cohort"))
                  for region, result in zip(receivers, results)]
        if not frames:
            raise LabError(f"no region of both cohorts: {', '.join(self.plan.regions_by_name)}",
                           expected="one of " + ", ".join(TRANSFER_AREAS),
                           remedy="name one in [finetuning] of the profile")
        return pd.concat(frames, ignore_index=True)

    @property
    def seeds(self) -> range:
        """Numbers of the trainings of every network."""
        return range(self.plan.cohort_data.spec.n_seeds)

    def _iter_evaluations(self, conditions: Sequence[str], all_subjects: bool = False,
                          interpolation: float = 1.0) -> Iterator[tuple[str, str, int, Arrays]]:
        """Yield donor, kind, seed and what was found, after running all that is missing."""
        requested = [(get_condition(name), *training_groups, seed) for name in conditions
                     for training_groups in self.plan.training_groups(get_condition(name))
                     for seed in self.seeds]
        evaluation_requests = [self.plan.evaluation_requests(
            condition, regions, split, self.learning_rate(condition), all_subjects=all_subjects,
                                 number=seed) for condition, regions, split, seed in requested]
        evaluation_requests = [(replace(run, interpolation=interpolation),
                                evaluation_sets) for run, evaluation_sets in evaluation_requests]
        for (condition, regions, _, seed), result in zip(
                requested, self.map_runs(_evaluate_all, evaluation_requests, "tuning and judging")):
            for one in result:
                yield _donor(condition, regions), condition.name, seed, one

    def networks(self, conditions: Sequence[str], *,
                 interpolation: float = 1.0) -> list[FineTunedModel]:
        """Return the networks of some kinds and all trainings, on the first split, not yet done."""
        results = []
        for condition in map(get_condition, conditions):
            groups = [group for group, split in self.plan.training_groups(condition) if split == 0]
            is_finetuned = condition.objective != "none"
            for group, seed in product(groups, self.seeds if is_finetuned else range(1)):
                run, _ = self.plan.evaluation_requests(
                    condition, group, 0, self.learning_rate(condition), all_subjects=False,
                                         number=seed)
                first = group[0]
                results.append(FineTunedModel(_donor(condition, group), seed,
                                              first.roi if is_finetuned else "none",
                                              first.hemisphere if is_finetuned else "none",
                                              region_group(first.roi) if is_finetuned else "none",
                                              condition.name,
                                              replace(run, interpolation=interpolation)))
        return results

    def map_runs(self, function: Callable[..., T], evaluation_requests: Sequence[tuple],
                 label: str) -> list[T]:
        """Do jobs, with a bar, sharing them with other notebooks; on a GPU one after another."""
        on_cpu = next(self.plan.network.model.parameters()).device.type == "cpu"
        pool = Parallel(n_jobs=count_workers(self.n_jobs) if on_cpu else 1, return_as="generator",
                        pre_dispatch="n_jobs")
        return cooperative_map(partial(_call_with, function), evaluation_requests,
                               map_function=lambda one,
                               some: progress(
              pool(delayed(one)(item) for item in some), label, len(some)))

    def _regions_in(self, result: Arrays, what: str = "r") -> list[Region]:
        known = {region.label: region for region in self.plan.regions}
        return [known[name.removeprefix(f"{what}/")] for name in result
                if name.startswith(f"{what}/")]


def _require_rows(results: list, what: str, conditions: Sequence[str]) -> list:
    """Refuse conditions of which a table has nothing to tell."""
    if not results:
        raise LabError(f"{', '.join(conditions)}: no {what} to tell",
                       expected="bounds of contrastive kinds; r and layers of any kind but those "
                       "of fixed z", remedy="ask for other kinds")
    return results


def _call_with(function: Callable[..., T], arguments: tuple) -> T:
    return function(*arguments)


def _evaluate_all(run: FineTuningRun, evaluation_sets: Sequence[EvaluationSet]) -> list[Arrays]:
    return [evaluate(run, evaluation_set) for evaluation_set in evaluation_sets]


def _donor(condition: Condition, regions: Sequence[Region]) -> str:
    if condition.objective == "none":
        return "none"
    return "all" if condition.pooled else regions[0].subject


def _region_columns(region: Region) -> dict[str, str]:
    return {"subject": region.subject, "roi": region.roi, "hemisphere": region.hemisphere,
            "group": region_group(region.roi)}


def _voxel_rows(cohort_data: CohortData, region: Region, result: Arrays, donor: str, condition: str,
                seed: int) -> pd.DataFrame:
    """Return one row a voxel of a region."""
    r, voxels = result[f"r/{region.label}"], cohort_data.voxels(region)
    return pd.DataFrame({
        "donor": donor, **_region_columns(region), "condition": condition, "seed": seed,
        "voxel": np.arange(len(r)),
        "vertex_hemisphere": voxels.hemisphere.astype(object), "vertex": voxels.vertex, "r": r,
        "p2": result.get(f"p2/{region.label}", np.full(len(r), np.nan)),
        "noise_ceiling": cohort_data.noise_ceiling(region),
        "layer": str(result[f"layer/{region.label}"])})


def _all_stimulus_ids(cohort_data: CohortData, subject: str) -> np.ndarray:
    """Return all conditions of a participant's first split."""
    split = cohort_data.splits(subject)[0]
    return np.union1d(split.train, split.test)
