"""Held-out pictures and responses in a contrastive model's space, and the bound between them.

The published head is shared, its BatchNorms too: in training each side is normalised by its own
batch, afterwards both by one running mean of the two. Pictures and responses then come out
shifted against each other. Here each side gets the statistics of its own training data; what the
shared ones give is kept beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.finetuning.contrastive import information_bound
from helpers.finetuning.models import Contrastive
from helpers.finetuning.tuning import Pairs, Scale
from helpers.networks.activations import exact

AT_ONCE = 128
"""Pictures in one forward pass."""
BOUND = ("trained", "best", "crossed", "factor", "n", "dimensions", "shared")
"""What `bound` returns: the fields of `Bound`, z, and the best bound with shared statistics."""


def shown(pixels: NDArray[np.uint8], scale: Scale, device: torch.device) -> Iterator[Tensor]:
    """Yield batches of float32 images as a network wants them."""
    for start in range(0, len(pixels), AT_ONCE):
        yield scale(np.array(pixels[start:start + AT_ONCE]), device)


def averaged(values: NDArray, condition: NDArray[np.int64]) -> NDArray:
    """Average rows that belong to one condition, (n_conditions, n_units), in their order."""
    if np.array_equal(condition, np.arange(len(condition))):
        return values
    order = np.argsort(condition, kind="stable")
    _, first, counts = np.unique(condition[order], return_index=True, return_counts=True)
    return np.add.reduceat(values[order], first, axis=0) / counts[:, None]


def calibrate(head: nn.Module, inputs: Tensor) -> None:
    """Give the BatchNorms of a head the statistics of one side's training data, in place.

    Parameters
    ----------
    head : nn.Module
    inputs : Tensor, float32, shape (n, h)
        What enters the head.
    """
    norms = [module for module in head.modules() if isinstance(module, nn.BatchNorm1d)]
    before = [norm.momentum for norm in norms]
    head.train()
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        head(inputs)
    for norm, momentum in zip(norms, before):
        norm.momentum = momentum
    head.eval()


def bound(model: Contrastive, person: Pairs, held_out: Pairs, rows: NDArray[np.int64],
          scale: Scale, *, seed: int) -> NDArray[np.float64]:
    """Bound the information that held-out pictures and responses share.

    Parameters
    ----------
    model : Contrastive
        Tuned, in evaluation mode.
    person, held_out : Pairs
        What it was tuned on, of the participant in question; and what it never saw.
    rows : array, int
        Conditions of ``held_out`` that count.
    scale : Scale
    seed : int

    Returns
    -------
    array, float64, in the order of `BOUND`
    """
    device = next(model.parameters()).device

    def read(pairs: Pairs) -> Tensor:
        return torch.cat([model.from_images(model.reader(batch)).clone()
                          for batch in shown(pairs.pixels, scale, device)])

    def mapped(pairs: Pairs) -> Tensor:
        responses = torch.from_numpy(np.array(pairs.responses)).to(device)
        return model.from_responses[held_out.subject](responses).clone()

    def measured(images: Tensor, responses: Tensor):
        of_condition = averaged(images.cpu().numpy(), held_out.condition)
        return information_bound(torch.from_numpy(of_condition)[rows], responses.cpu()[rows],
                                 temperature=model.temperature.item(), seed=seed)

    with exact(model):
        pictures, answers = read(held_out), mapped(held_out)
        shared = measured(model.head(pictures), model.head(answers))
        known = read(person), mapped(person)
    head, sides = copy.deepcopy(model.head), []
    for inside, training in zip((pictures, answers), known):
        calibrate(head, training.clone())
        with exact(head):
            sides.append(head(inside))
    found = measured(*sides)
    return np.array([found.trained, found.best, found.crossed, found.factor, found.n,
                     sides[0].shape[1], shared.best])
