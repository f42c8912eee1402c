"""The kinds of tuning that are compared: what each trains, on what, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from helpers.finetuning.models import Contrastive, Reader, Regression, widths
from helpers.finetuning.tuning import Recipe
from helpers.ground.errors import LabError
from helpers.ground.strict import suggest
from helpers.ground.tunings import FinetuningSpec


@dataclass(frozen=True)
class Kind:
    """One way to tune, or not to.

    Attributes
    ----------
    name : str
    objective : {"none", "contrastive", "regression"}
    trained : bool
        Whether it starts from the trained network, else from its untrained twin.
    shuffled : bool
        Whether each picture gets another picture's response: a control that learns from the same
        pictures and responses, but not from what belongs together.
    same_head : bool
        Regression through the contrastive model's head, for as many epochs.
    fixed : bool
        Contrastive with the same embedding size for every region.
    pooled : {"", "avg", "const"}
        All participants at once, and how wide the head is.
    """

    name: str
    objective: Literal["none", "contrastive", "regression"] = "contrastive"
    trained: bool = True
    shuffled: bool = False
    same_head: bool = False
    fixed: bool = False
    pooled: Literal["", "avg", "const"] = ""


KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    Kind("untrained", objective="none", trained=False),
    Kind("untuned", objective="none"),
    Kind("shuffled", shuffled=True),
    Kind("regression", objective="regression"),
    Kind("regression, same head", objective="regression", same_head=True),
    Kind("contrastive"),
    Kind("contrastive, fixed z", fixed=True),
    Kind("pooled, avg", pooled="avg"),
    Kind("pooled, const", pooled="const"),
)}
"""Name -> kind. "untrained", "shuffled", "same head" and "fixed z" are not in the paper."""


def kind_of(name: str) -> Kind:
    """Look a kind up.

    Raises
    ------
    LabError
        If there is none of this name.
    """
    if name not in KINDS:
        raise LabError(f"there is no kind of tuning {name!r}",
                       expected="one of " + ", ".join(KINDS),
                       remedy=suggest(name, KINDS) or "add it to helpers/finetuning/kinds.py")
    return KINDS[name]


def recipe_of(kind: Kind, spec: FinetuningSpec, rate: float) -> Recipe:
    """Return how long and at which rate a kind is trained."""
    plain = kind.objective == "regression" and not kind.same_head
    return Recipe(spec.regression_epochs if plain else spec.epochs, spec.batch_size, rate,
                  interleaved=spec.interleaved, precision=spec.precision)


def published_rate(kind: Kind, spec: FinetuningSpec) -> float:
    """Return the rate of a kind where none is searched for."""
    plain = kind.objective == "regression" and not kind.same_head
    return spec.regression_rate if plain else spec.rate


def build_model(kind: Kind, backbone: nn.Module, voxels: Mapping[str, int],
                spec: FinetuningSpec, *, side: int, widest: int, seed: int) -> nn.Module:
    """Put the head of a kind on a network.

    Parameters
    ----------
    kind : Kind
        One that trains.
    backbone : nn.Module
        Trained in place, all its layers.
    voxels : dict, participant -> int
    spec : FinetuningSpec
    side : int
        Of the pictures, px.
    widest : int
        Voxels of the largest region: the head's width where ``pooled`` is "const".
    seed : int
        Of the head's first weights; the global random state is left as it was.
    """
    reader = Reader(backbone, spec.attach)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone.eval()
        first = next(backbone.parameters())
        with torch.no_grad():
            n_units = reader(torch.zeros(2, 3, side, side, device=first.device)).shape[1]
        if kind.objective == "regression":
            (n_voxels,) = voxels.values()
            hidden = widths(voxels)[0] if kind.same_head else 0
            model: nn.Module = Regression(reader, n_units, n_voxels, hidden=hidden)
        else:
            hidden, embedding = widths(voxels, const=widest if kind.pooled == "const" else 0,
                                       embedding=spec.fixed_embedding if kind.fixed else 0,
                                       pooled=bool(kind.pooled))
            model = Contrastive(reader, n_units, voxels, hidden=hidden, embedding=embedding,
                                temperature=spec.temperature, symmetric=spec.symmetric,
                                learned_temperature=spec.learned_temperature)
    return model.to(first.device)
