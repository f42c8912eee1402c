"""Which network is fine-tuned on what, and which images it meets: jobs and looks, before any run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.core.cache import cached
from helpers.core.digest import array_digest, code_digest, text_digest
from helpers.core.errors import LabError
from helpers.finetuning import ridge_cv as cv
from helpers.finetuning.conditions import CONDITIONS, Condition, make_finetuning_config
from helpers.finetuning.data import CohortData, Region, StimulusSplit
from helpers.finetuning.evaluate import layer_kernels
from helpers.finetuning.runs import EvaluationSet, FineTuningRun
from helpers.finetuning.training_loop import SubjectPairs
from helpers.networks.network import Network

EvaluationRequest = tuple[FineTuningRun, tuple[EvaluationSet, ...]]


@dataclass(frozen=True)
class RunPlan:
    """A cohort and a network: every job that may be asked for.

    Parameters
    ----------
    material : CohortData
    network, untrained : Network
    seed : int
    """

    cohort_data: CohortData
    network: Network
    untrained: Network
    seed: int = 0

    @cached_property
    def table(self) -> pd.DataFrame:
        """The regions of all participants; see `CohortData.regions`."""
        return self.cohort_data.regions()

    @cached_property
    def regions(self) -> list[Region]:
        """Those that are used.

        Raises
        ------
        LabError
            If there are none.
        """
        used = self.table[self.table["excluded_because"] == ""]
        if used.empty:
            raise LabError("no region of any participant can be used",
                           expected=f"{self.cohort_data.spec.min_voxels} voxels that vary",
                           remedy="name other ROIs in [finetuning] of the profile")
        return [Region(*row) for row in zip(used["subject"], used["roi"], used["hemisphere"])]

    @cached_property
    def regions_by_name(self) -> dict[str, tuple[Region, ...]]:
        """Regions of the same name, of all participants who have them."""
        found: dict[str, list[Region]] = {}
        for region in self.regions:
            found.setdefault(region.name, []).append(region)
        return {name: tuple(group) for name, group in found.items()}

    def training_groups(self, condition: Condition) -> list[tuple[tuple[Region, ...], int]]:
        """Return the regions of each network of a condition, and the split it is fine-tuned on.

        Where nothing is fine-tuned, one network meets all regions.
        """
        n = max(len(self.cohort_data.splits(s)) for s in self.cohort_data.subjects)
        groups = ([tuple(self.regions)] if condition.objective == "none"
                  else list(self.regions_by_name.values()) if condition.pooled
                  else [(region,) for region in self.regions])
        return [(group, split) for group in groups for split in range(n)]

    def training_seed(self, regions: Sequence[Region], number: int) -> int:
        """Return the seed of a network's training: another one for each network and number.

        Kinds of tuning share it, so that they differ in nothing but what they are.
        """
        name = f"{self.seed} {number} {' '.join(region.label for region in regions)}"
        return int(text_digest(name)[:7], 16)

    def finetuning_run(self, condition: Condition, regions: Sequence[Region],
                       train_ids: Sequence[NDArray[np.int64]],
                       learning_rate: float, number: int = 0) -> FineTuningRun:
        """Plan the tuning of one network on the conditions ``train_ids`` of each region.

        ``number`` says which of its trainings, from 0.
        """
        spec, training_pairs, digests = self.cohort_data.spec, [], []
        for region, train in zip(regions, train_ids) if condition.objective != "none" else ():
            pixels, response_idx = self.cohort_data.load_images(train)
            y = self.cohort_data.responses(region, train, train)
            if condition.shuffled:
                y = y[np.random.default_rng([self.seed, 6, number]).permutation(len(y))]
            training_pairs.append(SubjectPairs(region.subject, pixels, response_idx, y))
            digests += [region.label, array_digest(train), spec.max_images_per_condition,
                        array_digest(y)]
        name = f"{condition.name}-{regions[0].name}-{regions[0].subject}-{number}".replace(" ", "_")
        return FineTuningRun(name.replace(",", ""), condition,
                             self.network if condition.from_pretrained else self.untrained,
                   tuple(training_pairs), text_digest(f"{self.cohort_data.images_key} {digests}"),
                             make_finetuning_config(condition, spec, learning_rate), spec,
                             self.cohort_data.image_size,
                   int(self.table["n_valid_voxels"].max()), self.training_seed(regions, number))

    def rate_search_request(self, condition: Condition, learning_rate: float,
                            region: Region) -> EvaluationRequest:
        """Plan a trial of a learning rate, on parts of the training conditions alone."""
        train, choose = self.cohort_data.splits(region.subject)[0].rate_search
        return (self.finetuning_run(condition, (region,), [train], learning_rate),
                (replace(self.evaluation_set((region,), choose, train), protocol="P2"),))

    def evaluation_requests(self, condition: Condition, regions: tuple[Region, ...], split: int,
                            learning_rate: float, *,
                            all_subjects: bool, number: int = 0) -> EvaluationRequest:
        """Plan a network and its looks at the held-out images of those whom it meets.

        Its own participants, or ``all_subjects`` who has a region of the same name.
        """
        splits = {s: self.cohort_data.splits(s)[split] for s in self.cohort_data.subjects}
        finetuning_run = self.finetuning_run(
            condition, regions, [splits[region.subject].train for region in regions], learning_rate,
                       number)
        receivers = self.regions_by_name[
            regions[0].name] if all_subjects and condition.objective != "none" else regions
        by_test_images: dict[bytes, list[Region]] = {}
        for region in receivers:
            by_test_images.setdefault(splits[region.subject].test.tobytes(), []).append(region)
        return finetuning_run, tuple(evaluation_set for group in by_test_images.values()
                          for evaluation_set in self._evaluation_sets(condition, tuple(group),
                                                                      splits, split))

    def _evaluation_sets(self, condition: Condition, regions: tuple[Region, ...],
                         splits: Mapping[str, StimulusSplit],
                         split: int) -> Iterator[EvaluationSet]:
        """Yield the looks at regions with common held-out images."""
        protocol, first = self.cohort_data.spec.protocol, splits[regions[0].subject]
        if condition.fixed_size or protocol != "P1":
            found = [self.evaluation_set((region,), first.test, splits[region.subject].train)
                     for region in regions]
            yield replace(found[0], protocol="" if condition.fixed_size else protocol, responses={
                label: y for evaluation_set in found
                for label, y in evaluation_set.responses.items()})
            return
        for region in regions:
            part = splits[region.subject]
            stimulus_ids = np.union1d(part.train, part.test)
            yield replace(self.evaluation_set((region,), stimulus_ids, part.train), folds=(),
                          protocol="P1", preselected={
                              region.label: self._preselect_layer_and_alpha(region, split)},
                          train=np.searchsorted(stimulus_ids, part.train),
                          test=np.searchsorted(stimulus_ids, part.test))

    def evaluation_set(self, regions: Sequence[Region], stimulus_ids: NDArray[np.int64],
                       train: NDArray[np.int64]) -> EvaluationSet:
        """Show the images of some conditions, and ask for the responses of some regions."""
        pixels, response_idx = self.cohort_data.load_images(stimulus_ids)
        y = {region.label: self.cohort_data.responses(region, stimulus_ids, train)
             for region in regions}
        return EvaluationSet(pixels, response_idx, y,
                             folds=tuple(cv.make_folds(len(stimulus_ids), seed=self.seed)))

    def _preselect_layer_and_alpha(self, region: Region, split: int) -> tuple[str, float]:
        """Choose layer and penalty once, on the pretrained network (P1, authors' encoding scripts).

        On the training conditions of the first participant who has the region.
        """
        first = self.regions_by_name[region.name][0]
        train = self.cohort_data.splits(first.subject)[split].train
        evaluation_set = self.evaluation_set((first,), train, train)
        finetuning_run = self.finetuning_run(CONDITIONS["pretrained"], (first,), [train], 1.0)

        def make() -> dict[str, np.ndarray]:
            K = layer_kernels(self.network.model, finetuning_run, evaluation_set)
            layer, alpha, _ = cv.select_layer_and_alpha(K, evaluation_set.responses[first.label],
                                                        evaluation_set.folds)
            return {"layer": np.array(layer), "alpha": np.array(alpha)}

        selected = cached("evaluations", f"beforehand-{first.name}".replace(" ", "_"), {
            "network": self.network.parts, "evaluation_set": evaluation_set.digest,
            "layers": list(self.cohort_data.spec.layers),
            "code": code_digest(["helpers.finetuning.evaluate"])}, make)
        return str(selected["layer"]), float(selected["alpha"])
