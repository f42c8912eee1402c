"""One fine-tuning and one evaluation, by what they are made from: keys, not arrays.

A `FineTuningRun` and an `EvaluationSet` are small enough to be sent to another process. They name
participants, regions and conditions; responses and images are read where they are used.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from helpers.core.digest import array_digest, code_digest, text_digest
from helpers.core.errors import LabError
from helpers.finetuning import ridge_cv as cv
from helpers.finetuning.conditions import Condition, build_model, make_finetuning_config
from helpers.finetuning.data import CohortData, Region
from helpers.finetuning.training_loop import FineTuningConfig, PixelNormalisation, SubjectPairs
from helpers.networks.network import Network

ALL, UNSEEN = "", "unseen/"
"""Prefixes of results: of all held-out conditions; of those whose images no other participant's
network was fine-tuned on."""


@dataclass(frozen=True)
class FineTuningRun:
    """A network and how it is fine-tuned.

    Attributes
    ----------
    cohort_data : CohortData
    network : Network
        Trained or untrained, as the condition says; on the device to be used.
    condition : Condition
    regions : tuple of Region
        Fine-tuned to these: one, or several participants' where pooled; empty where nothing is
        fine-tuned.
    train_ids : tuple of array, int64
        For each region, the conditions for fine-tuning.
    split : int
        Which of the participants' splits holds out the other conditions.
    learning_rate : float
    max_voxels : int
        Voxels of the largest region.
    study_seed : int
    number : int
        Which of the trainings of this network, from 0.
    interpolation : float
        Position between the weights of the network before (0) and after fine-tuning (1), weight by
        weight (Wortsman et al. 2022; not in the paper).
    """

    cohort_data: CohortData
    network: Network
    condition: Condition
    regions: tuple[Region, ...] = ()
    train_ids: tuple[NDArray[np.int64], ...] = ()
    split: int = 0
    learning_rate: float = 1.0
    max_voxels: int = 0
    study_seed: int = 0
    number: int = 0
    interpolation: float = 1.0

    @property
    def name(self) -> str:
        """The first part of the names of files."""
        parts = [self.condition.name]
        if self.regions:
            parts += [self.regions[0].name, self.regions[0].subject, str(self.number)]
        return "-".join(parts).replace(" ", "_").replace(",", "")

    @property
    def donor(self) -> str:
        """The participant it is fine-tuned to; "all" where pooled, "none" where not fine-tuned."""
        if not self.regions:
            return "none"
        return "all" if self.condition.pooled else self.regions[0].subject

    def has_seen(self, region: Region) -> bool:
        """Whether it was fine-tuned to another participant than a region's: cross or pooled."""
        return any(one.subject != region.subject for one in self.regions)

    @property
    def metadata(self) -> dict[str, object]:
        """The run as columns of a table: ``donor, seed, roi, hemisphere, group, condition``."""
        region = self.regions[0].columns if self.regions else dict.fromkeys(
            ("roi", "hemisphere", "group"), "none")
        return {"donor": self.donor, "seed": self.number,
                **{name: region[name] for name in ("roi", "hemisphere", "group")},
                "condition": self.condition.name}

    @property
    def seed(self) -> int:
        """The seed of the training: different for each network and number.

        All conditions share it, so that they differ in nothing but what defines them.
        """
        labels = " ".join(region.label for region in self.regions)
        return int(text_digest(f"{self.study_seed} {self.number} {labels}")[:7], 16)

    @property
    def config(self) -> FineTuningConfig:
        """Epochs, batch size and learning rate."""
        return make_finetuning_config(self.condition, self.cohort_data.spec, self.learning_rate)

    @property
    def normalise(self) -> PixelNormalisation:
        """The network's normalisation of pixels."""
        return PixelNormalisation(self.network.preprocessing.mean, self.network.preprocessing.std)

    @property
    def training_pairs(self) -> tuple[SubjectPairs, ...]:
        """Images and responses of each region; images are read when they are first indexed."""
        pairs = []
        for region, train in zip(self.regions, self.train_ids):
            images, response_idx = self.cohort_data.images(train)
            y = self.cohort_data.responses(region, train, train)
            if self.condition.shuffled:
                y = y[np.random.default_rng([self.study_seed, 6, self.number]).permutation(len(y))]
            pairs.append(SubjectPairs(region.subject, images, response_idx, y))
        return tuple(pairs)

    @cached_property
    def parts(self) -> dict[str, object]:
        """All that the weights depend on, for keys."""
        if not self.regions:
            return {"network": self.network.parts}
        if self.interpolation != 1:
            return {"interpolation": self.interpolation, **replace(self, interpolation=1.0).parts}
        spec = self.cohort_data.spec
        return {"network": self.network.parts, "condition": self.condition, "config": self.config,
                "images": self.cohort_data.images_key,
                "max_images_per_condition": spec.max_images_per_condition,
                "training_data": [[region.label, array_digest(train), array_digest(pair.responses)]
                                  for region, train, pair in zip(self.regions, self.train_ids,
                                                                 self.training_pairs)],
                "seed": self.seed,
                "head": [spec.temperature, spec.head_layer, spec.symmetric,
                         spec.learned_temperature,
                         spec.fixed_embedding_dim if self.condition.fixed_size else 0,
                         self.max_voxels if self.condition.pooled == "const" else 0],
                "checkpoints": list(spec.checkpoints), "saved_precision": spec.saved_precision,
                "code": code_digest(["helpers.finetuning.training_loop",
                                     "helpers.finetuning.conditions"])}

    @property
    def n_voxels(self) -> dict[str, int]:
        """Participant -> voxels of the region."""
        return {region.subject: len(self.cohort_data.voxel_table(region))
                for region in self.regions}

    def build(self) -> nn.Module:
        """Build the model, before fine-tuning, on a copy of the network."""
        return build_model(self.condition, copy.deepcopy(self.network.model), self.n_voxels,
                           self.cohort_data.spec, image_size=self.cohort_data.image_size,
                           max_voxels=self.max_voxels, seed=self.seed)


@dataclass(frozen=True)
class EvaluationSet:
    """Held-out images, and the regions whose responses a network's features must predict.

    Attributes
    ----------
    cohort_data : CohortData
    regions : tuple of Region
    stimulus_ids : array, int64, shape (n_conditions,)
        Conditions whose images the network is shown.
    train_ids : tuple of array, int64
        For each region, the conditions of the fine-tuning: responses are standardised by them.
    protocol : {"nested", "P1", "P2", ""}
        Of the encoding stage; empty: only the bound is computed.
    seed : int
        Of the folds of "nested" and "P2".
    preselected : dict, region -> (layer, alpha), optional
        For "P1": what was selected beforehand; ridge is then fitted on ``train_ids`` …
    test_ids : array, int64
        … and tested on these.
    unseen_ids : array, int64, optional
        Those tested conditions whose images no other participant's network was fine-tuned on, where
        these are fewer: scores are computed on all, and on these alone.
    """

    cohort_data: CohortData
    regions: tuple[Region, ...]
    stimulus_ids: NDArray[np.int64]
    train_ids: tuple[NDArray[np.int64], ...]
    protocol: Literal["nested", "P1", "P2", ""] = "nested"
    seed: int = 0
    preselected: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    test_ids: NDArray[np.int64] | None = None
    unseen_ids: NDArray[np.int64] | None = None

    @property
    def responses(self) -> dict[str, NDArray[np.float32]]:
        """Label of the region -> responses (n_conditions, n_voxels)."""
        return {region.label: self.cohort_data.responses(region, self.stimulus_ids, train)
                for region, train in zip(self.regions, self.train_ids)}

    @property
    def folds(self) -> tuple[NDArray[np.int64], ...]:
        """Parts of the conditions for "nested" and "P2"."""
        if self.protocol not in ("nested", "P2"):
            return ()
        return tuple(cv.make_folds(len(self.stimulus_ids), seed=self.seed))

    @property
    def test_rows(self) -> NDArray[np.int64]:
        """Places of the conditions that are tested: all, but for "P1"."""
        if self.test_ids is None:
            return np.arange(len(self.stimulus_ids))
        return np.searchsorted(self.stimulus_ids, self.test_ids)

    @property
    def row_sets(self) -> dict[str, NDArray[np.int64]]:
        """Prefix of the results -> places of the conditions that are scored: `ALL`, `UNSEEN`.

        Raises
        ------
        LabError
            If a fold would score fewer than three conditions, which have no correlation.
        """
        if self.unseen_ids is None or len(self.unseen_ids) == len(self.test_rows):
            return {ALL: self.test_rows}
        unseen = np.searchsorted(self.stimulus_ids, self.unseen_ids)
        n_min = min(np.isin(fold, unseen).sum() for fold in self.folds or [self.test_rows])
        if n_min < 3:
            raise LabError(f"{n_min} held-out conditions, in a fold, whose images no other "
                           f"participant's network was fine-tuned on (of {len(self.test_rows)}: "
                           f"{len(unseen)})", expected="3 or more",
                           remedy="hold more images out, or set evaluate_shared = \"published\" in "
                           "[finetuning]: it counts the others as well")
        return {ALL: self.test_rows, UNSEEN: unseen}

    @property
    def parts(self) -> dict[str, object]:
        """All that an evaluation depends on besides the network, for keys."""
        spec = self.cohort_data.spec
        return {"images": self.cohort_data.images_key,
                "max_images_per_condition": spec.max_images_per_condition,
                "stimulus_ids": array_digest(self.stimulus_ids),
                "train_ids": [array_digest(train) for train in self.train_ids
                              if self.protocol == "P1"],
                "scored": {name: array_digest(rows) for name, rows in self.row_sets.items()},
                "responses": {name: array_digest(y) for name, y in self.responses.items()},
                "folds": [array_digest(fold) for fold in self.folds], "protocol": self.protocol,
                "preselected": {name: list(choice) for name, choice in self.preselected.items()}}
