"""Fine-tuning to every region of every participant, under every condition, and its evaluation.

``for run in study.runs(conditions): evaluate(run, held_out)`` for every ``held_out`` of
``study.held_out(run)``, in several processes and once: the rest of this module arranges the results
in tables. One run can be followed through five modules: this one, `runs` (what it is made from),
`evaluate` (fine-tuned and evaluated, each once), `training_loop`, and `ridge_cv` (encoding
accuracy).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import Arrays
from helpers.core.errors import LabError
from helpers.finetuning.conditions import (
    CONDITIONS,
    Condition,
    default_learning_rate,
    get_condition,
)
from helpers.finetuning.data import CohortData, Region, StimulusSplit
from helpers.finetuning.evaluate import evaluate, preselect_layer_and_alpha
from helpers.finetuning.held_out_bound import BOUND_COLUMNS
from helpers.finetuning.map_runs import map_runs
from helpers.finetuning.result_rows import (
    SCORE_COLUMNS,
    VOXEL_COLUMNS,
    average_over_splits,
    find_result,
    require_rows,
    voxel_rows,
)
from helpers.finetuning.runs import ALL, UNSEEN, EvaluationSet, FineTuningRun
from helpers.networks.network import Network

SEARCHED_CONDITIONS = ("contrastive", "regression", "regression, same head")
"""Conditions whose learning rate is searched; the others take that of "contrastive"."""
TRANSFER_AREAS = {"V1v": "V1", "V2v": "V2", "V3v": "V3", "hV4": "V4"}
"""Region of the fine-tuning -> area of the transfer cohort's atlas (paper's Appendix C)."""

T = TypeVar("T")


@dataclass(frozen=True)
class FineTuningStudy:
    """A cohort and a network: every fine-tuning and its evaluation.

    Parameters
    ----------
    cohort_data : CohortData
    network, untrained : Network
        Pretrained, and its randomly initialised control.
    seed : int
    n_jobs : int
        Processes. On a GPU one is enough.
    """

    cohort_data: CohortData
    network: Network
    untrained: Network
    seed: int = 0
    n_jobs: int = 1

    @classmethod
    def from_cohort(cls, cohort: Cohort, spec: FinetuningSpec, network: Network,
                    untrained: Network, *, seed: int = 0, n_jobs: int = 1) -> FineTuningStudy:
        """Fine-tune a network to a cohort, at the image size that the profile names."""
        cohort_data = CohortData(cohort, spec, spec.image_size or network.input_shape[1])
        return cls(cohort_data, network, untrained, seed, n_jobs)

    # ---- regions ------------------------------------------------------------------------------

    @cached_property
    def region_table(self) -> pd.DataFrame:
        """The regions of all participants; see `CohortData.region_table`."""
        return self.cohort_data.region_table()

    @cached_property
    def regions(self) -> list[Region]:
        """The regions that are used.

        Raises
        ------
        LabError
            If there are none.
        """
        found = self._regions_of(self.cohort_data.spec.min_voxels)
        if not found:
            raise LabError("no region of any participant can be used",
                           expected=f"{self.cohort_data.spec.min_voxels} voxels that vary",
                           remedy="name other ROIs in [finetuning] of the profile")
        return found

    @cached_property
    def regions_by_name(self) -> dict[str, tuple[Region, ...]]:
        """Name -> that region of all participants who have it."""
        return {name: tuple(region for region in self.regions if region.name == name)
                for name in dict.fromkeys(region.name for region in self.regions)}

    @cached_property
    def pools(self) -> dict[str, tuple[Region, ...]]:
        """Name -> that region of all participants to whom a pooled network is fine-tuned."""
        pooled = self._regions_of(self.cohort_data.spec.min_voxels_in_pool)
        return {name: tuple(region for region in pooled if region.name == name)
                for name in self.regions_by_name}

    def _regions_of(self, min_voxels: int) -> list[Region]:
        table = self.region_table
        return [Region(*row) for row in table.loc[
            table["n_valid_voxels"] >= min_voxels,
            ["subject", "roi", "hemisphere"]].itertuples(index=False)]

    def _split(self, region: Region, split: int) -> StimulusSplit:
        return self.cohort_data.splits(region.subject)[split]

    def _unseen(self, region: Region, split: int) -> NDArray[np.int64]:
        return self.cohort_data.unseen(region.subject, split)

    # ---- learning rates -----------------------------------------------------------------------

    @cached_property
    def learning_rates(self) -> pd.DataFrame:
        """Learning rates: columns ``condition, learning_rate, r, chosen``.

        The results of `search_learning_rates` that the profile records, so that no rounding selects
        another rate; where it records none, its one rate, with ``r`` NaN.
        """
        spec, rows = self.cohort_data.spec, []
        for name in SEARCHED_CONDITIONS:
            recorded = spec.rate_search_scores.get(name)
            rates = (spec.learning_rates if recorded
                     else [default_learning_rate(CONDITIONS[name], spec)])
            rows += [{"condition": name, "learning_rate": learning_rate, "r": r,
                      "chosen": not recorded or r == max(recorded)}
                     for learning_rate, r in zip(rates, recorded or [np.nan])]
        return pd.DataFrame(rows)

    def search_learning_rates(self) -> pd.DataFrame:
        """Search for learning rates: ``condition, learning_rate, r``, for [finetuning.searched].

        Each rate fine-tunes networks to the same few regions on a part of the training conditions;
        encoding accuracy is cross-validated on the other part. The same candidates, regions and
        criterion for all conditions. A profile without candidates is refused (LabError).
        """
        spec = self.cohort_data.spec
        if not spec.learning_rates:
            raise LabError("This profile names no learning rates to choose from",
                           expected="several, as in learning_rates = [1e-3, 3e-3, 1e-2]",
                           remedy="add them to [finetuning] in the profile, or use its one rate")
        order = np.random.default_rng([self.seed, 5]).permutation(len(self.regions))
        regions = [self.regions[i] for i in sorted(order[:spec.n_rate_search_regions])]
        requests = []
        for name, learning_rate, region in product(SEARCHED_CONDITIONS, spec.learning_rates,
                                                   regions):
            train, validate = self._split(region, 0).rate_search
            run = self.run(CONDITIONS[name], (region,), train_ids=(train,),
                           learning_rate=learning_rate)
            requests.append((run, EvaluationSet(self.cohort_data, (region,), validate, (train,),
                                                "P2", self.seed)))
        return average_over_splits(
            [{"condition": run.condition.name, "learning_rate": run.learning_rate,
              "r": result[f"r/{run.regions[0].label}"].mean()}
             for (run, _), result in zip(requests, self.map_runs(
                 evaluate, requests, "searching learning rates"))], ["r"])

    def learning_rate(self, condition: str) -> float:
        """Return the learning rate of a condition; variants of "contrastive" share its rate."""
        name = condition if condition in SEARCHED_CONDITIONS else "contrastive"
        chosen = self.learning_rates[self.learning_rates["chosen"]]
        return float(chosen.loc[chosen["condition"] == name, "learning_rate"].iloc[0])

    # ---- runs and their evaluations -----------------------------------------------------------

    def run(self, condition: Condition, regions: Sequence[Region] = (), *, split: int = 0,
            number: int = 0, train_ids: Sequence[NDArray[np.int64]] | None = None,
            learning_rate: float | None = None, interpolation: float = 1.0) -> FineTuningRun:
        """Return one fine-tuning; by default on the training conditions of a split."""
        if condition.objective == "none":
            network = self.network if condition.from_pretrained else self.untrained
            return FineTuningRun(self.cohort_data, network, condition, split=split, number=number)
        if train_ids is None:
            train_ids = [self._split(region, split).train for region in regions]
        return FineTuningRun(
            self.cohort_data, self.network, condition, tuple(regions), tuple(train_ids), split,
            learning_rate or self.learning_rate(condition.name),
            int(self.region_table["n_valid_voxels"].max()), self.seed, number, interpolation)

    def runs(self, conditions: Sequence[str], *, interpolation: float = 1.0) -> list[FineTuningRun]:
        """Return every fine-tuning under some conditions: of each network, split and seed.

        A network that is not fine-tuned is evaluated once for each of them.
        """
        n_splits = max(len(self.cohort_data.splits(s)) for s in self.cohort_data.subjects)
        return [self.run(condition, regions, split=split, number=number,
                         interpolation=interpolation)
                for condition in list(map(get_condition, conditions))
                for regions in self._region_groups(condition)
                for split, number in product(range(n_splits), self.seeds)]

    def networks(self, conditions: Sequence[str], *,
                 interpolation: float = 1.0) -> list[FineTuningRun]:
        """Return the networks of some conditions, of the first split, before any is fine-tuned."""
        return [run for run in self.runs(conditions, interpolation=interpolation)
                if run.split == 0 and (run.regions or run.number == 0)]

    def _region_groups(self, condition: Condition) -> list[tuple[Region, ...]]:
        """Return the regions of each network of a condition."""
        if condition.objective == "none":
            return [()]
        return (list(self.pools.values()) if condition.pooled
                else [(region,) for region in self.regions])

    @property
    def seeds(self) -> range:
        """Numbers of the trainings of every network."""
        return range(self.cohort_data.spec.n_seeds)

    def held_out(self, run: FineTuningRun, *,
                 all_subjects: bool = False) -> Iterator[EvaluationSet]:
        """Yield the held-out images of a run and the regions whose responses are predicted.

        Those of the run; with ``all_subjects`` the regions of the same name of all participants;
        all regions where nothing is fine-tuned. Regions with the same held-out images share a set.
        """
        regions = (self.regions_by_name[run.regions[0].name] if all_subjects and run.regions
                   else [region for region in run.regions or self.regions
                         if region in self.regions])
        protocol = "" if run.condition.fixed_size else self.cohort_data.spec.protocol
        if protocol == "P1":
            yield from (self._preselected_set(region, run.split) for region in regions)
            return
        groups: dict[tuple[bytes, bytes], list[Region]] = {}
        for region in regions:
            groups.setdefault((self._split(region, run.split).test.tobytes(),
                               self._unseen(region, run.split).tobytes()), []).append(region)
        for group in groups.values():
            splits = [self._split(region, run.split) for region in group]
            yield EvaluationSet(self.cohort_data, tuple(group), splits[0].test,
                                tuple(split.train for split in splits), protocol, self.seed,
                                unseen_ids=self._unseen(group[0], run.split))

    def _preselected_set(self, region: Region, split: int) -> EvaluationSet:
        """Return the set of a region for P1; layer and penalty are those of the first participant.

        Selected on the training conditions, on the pretrained network.
        """
        first = self.regions_by_name[region.name][0]
        train = self._split(first, split).train
        preselected = preselect_layer_and_alpha(
            self.run(CONDITIONS["pretrained"]),
            EvaluationSet(self.cohort_data, (first,), train, (train,), seed=self.seed))
        part = self._split(region, split)
        return EvaluationSet(self.cohort_data, (region,), np.union1d(part.train, part.test),
                             (part.train,), "P1", preselected={region.label: preselected},
                             test_ids=part.test, unseen_ids=self._unseen(region, split))

    def _iter_evaluations(self, conditions: Sequence[str], *, all_subjects: bool = False,
                          interpolation: float = 1.0
                          ) -> Iterator[tuple[FineTuningRun, Region, Arrays]]:
        """Yield every run, every region of its evaluation, and the results."""
        requests = [(run, held_out)
                    for run in self.runs(conditions, interpolation=interpolation)
                    for held_out in self.held_out(run, all_subjects=all_subjects)]
        for (run, held_out), result in zip(requests, self.map_runs(
                evaluate, requests, "fine-tuning and evaluating")):
            for region in held_out.regions:
                yield run, region, result

    def map_runs(self, function: Callable[..., T], arguments: Sequence[tuple],
                 label: str) -> list[T]:
        """Return ``[function(*one) for one in arguments]``, in several processes.

        With a progress bar; shared with other notebooks; on a GPU one after another.
        """
        return map_runs(function, arguments, label, self.n_jobs)

    # ---- tables -------------------------------------------------------------------------------

    def voxel_scores(self, conditions: Sequence[str], *, all_subjects: bool = False,
                     interpolation: float = 1.0) -> pd.DataFrame:
        """Fine-tune and evaluate; return the encoding accuracy of every voxel.

        Parameters
        ----------
        conditions : sequence of str
            Of `helpers.finetuning.conditions.CONDITIONS`.
        all_subjects : bool
            Whether each participant's network also predicts all other participants' responses.
        interpolation : float
            See `helpers.finetuning.runs.FineTuningRun`.

        Returns
        -------
        DataFrame
            Columns ``donor`` (whose network; "all" where pooled, "none" where not fine-tuned),
            ``subject, roi, hemisphere, group, condition, seed`` (number of the training),
            ``voxel`` (place in the region), ``vertex_hemisphere, vertex`` (place in the cohort's
            files), ``r_all`` (on all held-out images), ``r_unseen`` (on those that no other
            participant's network was fine-tuned on, see ``evaluate_shared``), ``r`` (the second for
            pooled and cross-participant models, else the first), ``p2, layer`` (of ``r``),
            ``noise_ceiling``. Scores are means over splits, where there are several. Networks that
            are not fine-tuned have the same rows for every seed.
        """
        frames = [voxel_rows(self.cohort_data, region, run, result)
                  for run, region, result in self._iter_evaluations(
                      conditions, all_subjects=all_subjects, interpolation=interpolation)
                  if f"r/{region.label}" in result]
        return pd.concat(require_rows(frames, "r", conditions), ignore_index=True).groupby(
            VOXEL_COLUMNS, sort=False).agg(
                **{name: (name, "mean") for name in SCORE_COLUMNS},
                noise_ceiling=("noise_ceiling", "first"), layer=("layer", "first")).reset_index()

    def curves(self, conditions: Sequence[str]) -> pd.DataFrame:
        """Return the mean r of layers: ``subject, roi, hemisphere, group, condition, seed, layer,
        r``.

        Each voxel has its best penalty, on the folds that are reported: for comparing layers.
        """
        rows = [{**region.columns, "condition": run.condition.name, "seed": run.number,
                 "layer": layer, "r": float(r)}
                for run, region, result in self._iter_evaluations(conditions)
                for layer, r in zip(self.cohort_data.spec.layers,
                                    result.get(f"curve/{region.label}", ()))]
        return average_over_splits(require_rows(rows, "layer", conditions), ["r"])

    def bounds(self, conditions: Sequence[str],
               images: Literal["", "all", "unseen"] = "") -> pd.DataFrame:
        """Bound the information that held-out images and responses share, in nats.

        Parameters
        ----------
        conditions : sequence of str
        images : {"", "all", "unseen"}
            All held-out images; those that no other participant's network was fine-tuned on (see
            ``evaluate_shared``); by default the second for pooled models, else the first.

        Returns
        -------
        DataFrame
            Columns ``subject, roi, hemisphere, group, condition, seed, n_voxels`` and
            `helpers.finetuning.held_out_bound.BOUND_COLUMNS`. Means over splits.
        """
        rows = []
        for run, region, result in self._iter_evaluations(conditions):
            use_unseen = images == "unseen" or not images and run.has_seen(region)
            bound = find_result(result, "bound", region, UNSEEN if use_unseen else ALL)
            if bound is not None:
                rows.append({**region.columns, "condition": run.condition.name, "seed": run.number,
                             "n_voxels": len(self.cohort_data.voxel_table(region)),
                             **dict(zip(BOUND_COLUMNS, bound.tolist()))})
        return average_over_splits(require_rows(rows, "bound", conditions), BOUND_COLUMNS)

    def transfer(self, other: CohortData, conditions: Sequence[str]) -> pd.DataFrame:
        """Predict the responses of a second cohort, with which no network was fine-tuned.

        Parameters
        ----------
        other : CohortData
            Its regions are those of `TRANSFER_AREAS`.
        conditions : sequence of str
            Networks of the first participant, as published, or of all where pooled.

        Returns
        -------
        DataFrame
            As of `voxel_scores`; ``roi`` is the region of the fine-tuning.

        Notes
        -----
        Cross-validated over all images of a participant, in different folds (the published script
        ran its first fold five times; paper's Appendix C).
        """
        receivers = FineTuningStudy(other, self.network, self.untrained, self.seed).regions
        requests, names = [], []
        for (name, group), condition, number in product(
                self.regions_by_name.items(), map(get_condition, conditions), self.seeds):
            run = self.run(condition, self.pools[name] if condition.pooled else group[:1],
                           number=number)
            areas = [area for area in receivers if area.hemisphere == group[0].hemisphere
                     and area.roi == TRANSFER_AREAS.get(group[0].roi)]
            requests += [(run, _all_stimuli(other, area, self.seed)) for area in areas]
            names += [name] * len(areas)
        frames = [voxel_rows(other, held_out.regions[0], run, result).assign(roi=name)
                  for (run, held_out), name, result in zip(requests, names, self.map_runs(
                      evaluate, requests, "evaluating on a second cohort"))]
        if not frames:
            raise LabError(f"no region of both cohorts: {', '.join(self.regions_by_name)}",
                           expected="one of " + ", ".join(TRANSFER_AREAS),
                           remedy="name one in [finetuning] of the profile")
        return pd.concat(frames, ignore_index=True)


def _all_stimuli(cohort_data: CohortData, region: Region, seed: int) -> EvaluationSet:
    """Evaluate on all conditions of the first split, standardised by all of them."""
    split = cohort_data.splits(region.subject)[0]
    stimulus_ids = np.union1d(split.train, split.test)
    return EvaluationSet(cohort_data, (region,), stimulus_ids, (stimulus_ids,), seed=seed)
