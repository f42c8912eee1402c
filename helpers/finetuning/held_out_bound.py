"""Held-out images and responses in a contrastive model's space, and the bound between them.

The published head is shared, its BatchNorms too: in training each side is normalised by its own
batch, afterwards both by one running mean of the two. Images and responses then come out
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

from helpers.finetuning.info_nce import information_bound
from helpers.finetuning.models import ContrastiveModel
from helpers.finetuning.training_loop import PixelNormalisation, SubjectPairs
from helpers.networks.activations import exact_inference

BATCH_SIZE = 128
"""Images in one forward pass."""
BOUND_COLUMNS = ("uncalibrated", "calibrated", "cross_validated", "temperature_factor", "n",
                 "embedding_dim", "shared_batchnorm")
"""What `held_out_bound` returns: the fields of `Bound`, z, and the best bound with shared
statistics."""


def iter_batches(pixels: NDArray[np.uint8], normalise: PixelNormalisation,
                 device: torch.device) -> Iterator[Tensor]:
    """Yield batches of float32 images as a network wants them."""
    for start in range(0, len(pixels), BATCH_SIZE):
        yield normalise(np.array(pixels[start:start + BATCH_SIZE]), device)


def average_by_condition(values: NDArray, response_idx: NDArray[np.int64]) -> NDArray:
    """Average rows that belong to one condition, (n_conditions, n_units), in their order."""
    if np.array_equal(response_idx, np.arange(len(response_idx))):
        return values
    order = np.argsort(response_idx, kind="stable")
    _, first, counts = np.unique(response_idx[order], return_index=True, return_counts=True)
    return np.add.reduceat(values[order], first, axis=0) / counts[:, None]


def refit_batchnorm(head: nn.Module, inputs: Tensor) -> None:
    """Give the BatchNorms of a head the statistics of one side's training data, in place.

    Parameters
    ----------
    head : nn.Module
    inputs : Tensor, float32, shape (n, h)
        What enters the head.
    """
    batchnorms = [module for module in head.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in batchnorms]
    head.train()
    for norm in batchnorms:
        norm.momentum = 1.0
    with torch.no_grad():
        head(inputs)
    for norm, momentum in zip(batchnorms, momenta):
        norm.momentum = momentum
    head.eval()


def held_out_bound(model: ContrastiveModel, subject_pairs: SubjectPairs, held_out: SubjectPairs,
                   rows: NDArray[np.int64],
                   normalise: PixelNormalisation, *, seed: int) -> NDArray[np.float64]:
    """Bound the information that held-out images and responses share.

    Parameters
    ----------
    model : ContrastiveModel
        Tuned, in evaluation mode.
    subject_pairs, held_out : SubjectPairs
        What it was fine-tuned on, of the participant in question; and what it never saw.
    rows : array, int
        Conditions of ``held_out`` that count.
    normalise : PixelNormalisation
    seed : int

    Returns
    -------
    array, float64, in the order of `BOUND_COLUMNS`
    """
    device = next(model.parameters()).device

    def embed_image_inputs(pairs: SubjectPairs) -> Tensor:
        return torch.cat([model.from_images(model.feature_extractor(batch)).clone()
                          for batch in iter_batches(pairs.pixels, normalise, device)])

    def embed_response_inputs(pairs: SubjectPairs) -> Tensor:
        responses = torch.from_numpy(np.array(pairs.responses)).to(device)
        return model.from_responses[held_out.subject](responses).clone()

    def compute_bound(images: Tensor, responses: Tensor):
        mean_images = average_by_condition(images.cpu().numpy(), held_out.response_idx)
        return information_bound(torch.from_numpy(mean_images)[rows], responses.cpu()[rows],
                                 temperature=model.temperature.item(), seed=seed)

    with exact_inference(model):
        image_inputs, response_inputs = embed_image_inputs(
            held_out), embed_response_inputs(held_out)
        shared_batchnorm = compute_bound(model.head(image_inputs), model.head(response_inputs))
        train_inputs = embed_image_inputs(subject_pairs), embed_response_inputs(subject_pairs)
    head, embeddings = copy.deepcopy(model.head), []
    for inside, training in zip((image_inputs, response_inputs), train_inputs):
        refit_batchnorm(head, training.clone())
        with exact_inference(head):
            embeddings.append(head(inside))
    result = compute_bound(*embeddings)
    return np.array([result.uncalibrated, result.calibrated, result.cross_validated,
                     result.temperature_factor, result.n,
                     embeddings[0].shape[1], shared_batchnorm.calibrated])
