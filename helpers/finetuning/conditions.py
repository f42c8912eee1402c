"""The conditions that are compared: what each trains, on what, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.config.validation import suggest
from helpers.core.errors import LabError
from helpers.finetuning.models import (
    ContrastiveModel,
    FeatureExtractor,
    RegressionModel,
    head_widths,
)
from helpers.finetuning.training_loop import FineTuningConfig


@dataclass(frozen=True)
class Condition:
    """One way to tune, or not to.

    Attributes
    ----------
    name : str
    objective : {"none", "contrastive", "regression"}
    from_pretrained : bool
        Whether it starts from the trained network, else from its randomly initialised control.
    shuffled : bool
        Whether each image gets another image's response: a control that learns from the same
        images and responses, but not from what belongs together.
    same_head : bool
        Regression through the contrastive model's head, for as many epochs.
    fixed : bool
        Contrastive with the same embedding size for every region.
    pooled : {"", "avg", "const"}
        All participants at once, and how wide the head is.
    """

    name: str
    objective: Literal["none", "contrastive", "regression"] = "contrastive"
    from_pretrained: bool = True
    shuffled: bool = False
    same_head: bool = False
    fixed_size: bool = False
    pooled: Literal["", "avg", "const"] = ""


CONDITIONS: dict[str, Condition] = {condition.name: condition for condition in (
    Condition("untrained", objective="none", from_pretrained=False),
    Condition("pretrained", objective="none"),
    Condition("shuffled", shuffled=True),
    Condition("regression", objective="regression"),
    Condition("regression, same head", objective="regression", same_head=True),
    Condition("contrastive"),
    Condition("contrastive, fixed z", fixed_size=True),
    Condition("pooled, avg", pooled="avg"),
    Condition("pooled, const", pooled="const"),
)}
"""Name -> kind. "untrained", "shuffled", "same head" and "fixed z" are not in the paper."""


def get_condition(name: str) -> Condition:
    """Look a kind up.

    Raises
    ------
    LabError
        If there is none of this name.
    """
    if name not in CONDITIONS:
        raise LabError(f"there is no condition {name!r}",
                       expected="one of " + ", ".join(CONDITIONS),
                       remedy=suggest(name, CONDITIONS)
                       or "add it to helpers/finetuning/conditions.py")
    return CONDITIONS[name]


def make_finetuning_config(condition: Condition, spec: FinetuningSpec,
                           learning_rate: float) -> FineTuningConfig:
    """Return how long and at which rate a kind is trained."""
    plain = condition.objective == "regression" and not condition.same_head
    return FineTuningConfig(spec.regression_epochs if plain else spec.epochs, spec.batch_size,
                            learning_rate,
                            interleaved=spec.interleaved, precision=spec.precision)


def default_learning_rate(condition: Condition, spec: FinetuningSpec) -> float:
    """Return the rate of a condition where none is searched for."""
    plain = condition.objective == "regression" and not condition.same_head
    return spec.regression_learning_rate if plain else spec.learning_rate


def build_model(condition: Condition, backbone: nn.Module, voxels: Mapping[str, int],
                spec: FinetuningSpec, *, image_size: int, max_voxels: int, seed: int) -> nn.Module:
    """Put the head of a condition on a network.

    Parameters
    ----------
    condition : Kind
        One that trains.
    backbone : nn.Module
        Trained in place, all its layers.
    voxels : dict, participant -> int
    spec : FinetuningSpec
    image_size : int
        Of the images, px.
    max_voxels : int
        Voxels of the largest region: the head's width where ``pooled`` is "const".
    seed : int
        Of the head's first weights; the global random state is left as it was.
    """
    feature_extractor = FeatureExtractor(backbone, spec.head_layer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone.eval()
        first = next(backbone.parameters())
        with torch.no_grad():
            n_units = feature_extractor(torch.zeros(2, 3, image_size, image_size,
                                                    device=first.device)).shape[1]
        if condition.objective == "regression":
            (n_voxels,) = voxels.values()
            hidden = head_widths(voxels)[0] if condition.same_head else 0
            model: nn.Module = RegressionModel(feature_extractor, n_units, n_voxels, hidden=hidden)
        else:
            hidden, embedding = head_widths(voxels,
                                            const=max_voxels if condition.pooled == "const" else 0,
                                       embedding=spec.fixed_embedding_dim if condition.fixed_size
                                            else 0,
                                            pooled=bool(condition.pooled))
            model = ContrastiveModel(feature_extractor, n_units, voxels, hidden=hidden,
                                     embedding=embedding,
                                     temperature=spec.temperature, symmetric=spec.symmetric,
                                     learned_temperature=spec.learned_temperature)
    return model.to(first.device)
