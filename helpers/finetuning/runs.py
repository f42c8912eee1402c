"""What one process is asked: a network, how it is fine-tuned, and which images it then meets."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.digest import code_digest
from helpers.finetuning.conditions import Condition, build_model
from helpers.finetuning.training_loop import FineTuningConfig, PixelNormalisation, SubjectPairs
from helpers.networks.network import Network


@dataclass(frozen=True)
class EvaluationSet:
    """Images that are shown to a fine-tuned network, and what is asked of its layers.

    Attributes
    ----------
    pixels : array, uint8, shape (n_images, 3, side, side)
    response_idx : array, int64, shape (n_images,)
        Place of each image's condition; features are averaged over the images of one.
    responses : dict, region -> float32, shape (n_conditions, n_voxels)
    protocol : {"nested", "P1", "P2", ""}
        Of the encoding stage; empty: only the bound is wanted.
    folds : tuple of array, int64
        Parts of the conditions for "nested" and "P2".
    fixed : dict, region -> (layer, alpha), optional
        For "P1": what was chosen beforehand …
    train, test : array, int64
        … and the conditions to fit and to test.
    """

    pixels: NDArray[np.uint8]
    response_idx: NDArray[np.int64]
    responses: Mapping[str, NDArray[np.float32]]
    protocol: Literal["nested", "P1", "P2", ""] = "nested"
    folds: tuple[NDArray[np.int64], ...] = ()
    preselected: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    train: NDArray[np.int64] | None = None
    test: NDArray[np.int64] | None = None

    @property
    def digest(self) -> str:
        """What tells this look from others, 64 hexadecimal digits."""
        text = hashlib.sha256()
        for name, values in (("pixels", self.pixels), ("condition", self.response_idx),
                             ("train", self.train), ("test", self.test),
                             *self.responses.items(), *enumerate(self.folds)):
            if values is not None:
                text.update(f"{name} {values.shape} {values.dtype}".encode())
                text.update(np.ascontiguousarray(values))
        text.update(repr([self.protocol, sorted(self.preselected.items())]).encode())
        return text.hexdigest()


@dataclass(frozen=True)
class FineTuningRun:
    """A network, how it is fine-tuned, and what it is then asked.

    Attributes
    ----------
    name : str
        Of the files, for people.
    condition : Kind
    network : Network
        Trained or untrained, as the kind says; on the device to be used.
    training_pairs : tuple of SubjectPairs
        To tune on; empty where nothing is fine-tuned.
    data_digest : str
        What tells the responses and images of ``training_pairs``, and how they were read, from
        others.
    config : Recipe
    spec : FinetuningSpec
    image_size : int
        Of the images, px.
    max_voxels : int
        Voxels of the largest region.
    seed : int
    interpolation : float
        How far of the way from the network as it was to the tuned one, weight by weight: 1 is the
        fine-tuned network (Wortsman et al. 2022; not in the paper).
    """

    name: str
    condition: Condition
    network: Network
    training_pairs: tuple[SubjectPairs, ...]
    data_digest: str
    config: FineTuningConfig
    spec: FinetuningSpec
    image_size: int
    max_voxels: int
    seed: int
    interpolation: float = 1.0

    @property
    def normalise(self) -> PixelNormalisation:
        """How the network wants its images."""
        seen = self.network.preprocessing
        return PixelNormalisation(seen.mean, seen.std)

    @property
    def parts(self) -> dict[str, object]:
        """All that the weights depend on."""
        seen: dict[str, object] = {"network": self.network.parts}
        if not self.training_pairs:
            return seen
        if self.interpolation != 1:
            return {"interpolation": self.interpolation, **replace(self, interpolation=1.0).parts}
        spec = self.spec
        return {**seen, "condition": self.condition, "config": self.config,
                "data_digest": self.data_digest, "side": self.image_size, "seed": self.seed,
                "voxels": {p.subject: p.responses.shape[1] for p in self.training_pairs},
                "head": [spec.temperature, spec.head_layer, spec.symmetric,
                         spec.learned_temperature,
                         spec.fixed_embedding_dim if self.condition.fixed_size else 0,
                         self.max_voxels if self.condition.pooled == "const" else 0],
                "checkpoints": list(spec.checkpoints),
                "code": code_digest(["helpers.finetuning.training_loop",
                                     "helpers.finetuning.conditions"])}

    def build(self) -> nn.Module:
        """Build the model, before tuning, on a copy of the network."""
        return build_model(self.condition, copy.deepcopy(self.network.model),
                           {p.subject: p.responses.shape[1] for p in self.training_pairs},
                           self.spec,
                           image_size=self.image_size, max_voxels=self.max_voxels, seed=self.seed)


@dataclass(frozen=True)
class FineTunedModel:
    """One network among others: whose it is, and the job that makes it.

    Attributes
    ----------
    donor : str
        The participant it is fine-tuned to; "all" where pooled, "none" where not tuned.
    seed : int
        Which of its trainings, from 0.
    roi, hemisphere, group : str
        What it is fine-tuned to; "none" where not tuned.
    condition : str
    run : Job
    """

    donor: str
    seed: int
    roi: str
    hemisphere: str
    group: str
    condition: str
    run: FineTuningRun

    @property
    def metadata(self) -> dict[str, str]:
        """All but the job, as columns of a table."""
        return {"donor": self.donor, "seed": self.seed, "roi": self.roi,
                "hemisphere": self.hemisphere, "group": self.group, "condition": self.condition}
