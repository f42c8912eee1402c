"""The conditions that are compared: the objective, the responses and the length of a training."""

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
    """One way of fine-tuning, or a network that is not fine-tuned.

    Attributes
    ----------
    name : str
    objective : {"none", "contrastive", "regression"}
    from_pretrained : bool
        Whether it starts from the pretrained network, else from its randomly initialised control.
    shuffled : bool
        Whether responses are permuted over images: a control trained on the same images and the
        same responses, but not on their pairing.
    same_head : bool
        Regression through the contrastive model's head, for as many epochs.
    fixed_size : bool
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

    @property
    def is_linear_regression(self) -> bool:
        """Whether it is the published regression, which has epochs and a rate of its own."""
        return self.objective == "regression" and not self.same_head


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
"""By name. "untrained", "shuffled", "same head" and "fixed z" are not in the paper."""


def get_condition(name: str) -> Condition:
    """Return a condition by its name.

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
    """Return epochs, batch size and learning rate of a condition."""
    epochs = spec.regression_epochs if condition.is_linear_regression else spec.epochs
    return FineTuningConfig(epochs, spec.batch_size, learning_rate, interleaved=spec.interleaved,
                            precision=spec.precision)


def default_learning_rate(condition: Condition, spec: FinetuningSpec) -> float:
    """Return the learning rate of a condition for which none was searched."""
    return (spec.regression_learning_rate if condition.is_linear_regression
            else spec.learning_rate)


def build_model(condition: Condition, backbone: nn.Module, voxels: Mapping[str, int],
                spec: FinetuningSpec, *, image_size: int, max_voxels: int, seed: int) -> nn.Module:
    """Put the head of a condition on a network.

    Parameters
    ----------
    condition : Condition
        One with an objective.
    backbone : nn.Module
        Trained in place, all its layers.
    voxels : dict, participant -> int
    spec : FinetuningSpec
    image_size : int
        Of the images, px.
    max_voxels : int
        Voxels of the largest region: the head's width where ``pooled`` is "const".
    seed : int
        Of the head's initial weights; the global random state is left as it was.
    """
    device = next(backbone.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        n_units = count_head_inputs(backbone, spec, image_size)
        return add_head(condition, backbone, n_units, voxels, spec, max_voxels).to(device)


def count_head_inputs(backbone: nn.Module, spec: FinetuningSpec, image_size: int) -> int:
    """Count the units that the head reads; the network is in evaluation mode afterwards."""
    images = torch.zeros(2, 3, image_size, image_size, device=next(backbone.parameters()).device)
    backbone.eval()
    with torch.no_grad():
        return FeatureExtractor(backbone, spec.head_layer)(images).shape[1]


def add_head(condition: Condition, backbone: nn.Module, n_units: int, voxels: Mapping[str, int],
             spec: FinetuningSpec, max_voxels: int) -> nn.Module:
    """Put the head of a condition on a network of which it reads ``n_units`` units."""
    feature_extractor = FeatureExtractor(backbone, spec.head_layer)
    if condition.objective == "regression":
        (n_voxels,) = voxels.values()
        hidden = head_widths(voxels)[0] if condition.same_head else 0
        return RegressionModel(feature_extractor, n_units, n_voxels, hidden=hidden)
    hidden, embedding = head_widths(
        voxels, pooled=bool(condition.pooled),
        const=max_voxels if condition.pooled == "const" else 0,
        embedding=spec.fixed_embedding_dim if condition.fixed_size else 0)
    return ContrastiveModel(
        feature_extractor, n_units, voxels, hidden=hidden, embedding=embedding,
        temperature=spec.temperature, symmetric=spec.symmetric,
        learned_temperature=spec.learned_temperature)
