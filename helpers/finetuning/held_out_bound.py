"""The information bound on held-out images and responses, with modality-specific batch statistics.

The published head is shared, and so are its BatchNorms: in training each modality is normalised by
its own batch, in evaluation both by one running mean of the two, which shifts embeddings of images
and of responses against each other. Here each modality is normalised by the statistics of its own
training data; the bound with the shared statistics is reported as well.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.encoding.cohort_features import average_by_condition
from helpers.finetuning.information_bound import InformationBound, information_bound
from helpers.finetuning.models import ContrastiveModel
from helpers.finetuning.training_loop import PixelNormalisation, SubjectPairs
from helpers.networks.activations import exact_inference

BATCH_SIZE = 128
"""Images in one forward pass."""
BOUND_COLUMNS = (*(one.name for one in fields(InformationBound)), "embedding_dim",
                 "shared_batchnorm")
"""Values of `held_out_bound`: the fields of `InformationBound`, the embedding dimension z, and the
calibrated bound with shared statistics."""


def iter_batches(pixels: NDArray[np.uint8], normalise: PixelNormalisation,
                 device: torch.device) -> Iterator[Tensor]:
    """Yield batches of images, normalised for a network."""
    for start in range(0, len(pixels), BATCH_SIZE):
        yield normalise(np.array(pixels[start:start + BATCH_SIZE]), device)


def refit_batchnorm(head: nn.Module, inputs: Tensor) -> None:
    """Replace the BatchNorm statistics of a head by those of one modality, in place.

    Parameters
    ----------
    head : nn.Module
    inputs : Tensor, float32, shape (n, h)
        The head's input, of the training data.
    """
    momenta = {module: module.momentum for module in head.modules()
               if isinstance(module, nn.BatchNorm1d)}
    head.train()
    for norm in momenta:
        norm.momentum = 1.0  # the running statistics become those of this one batch
    with torch.no_grad():
        head(inputs)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    head.eval()


def held_out_bound(model: ContrastiveModel, subject_pairs: SubjectPairs, held_out: SubjectPairs,
                   row_sets: Sequence[NDArray[np.int64]], normalise: PixelNormalisation, *,
                   seed: int) -> list[NDArray[np.float64]]:
    """Bound the information that held-out images and responses share.

    Parameters
    ----------
    model : ContrastiveModel
        Fine-tuned, in evaluation mode.
    subject_pairs, held_out : SubjectPairs
        One participant's training data, and held-out data.
    row_sets : sequence of array, int
        Conditions of ``held_out`` that are used: a bound for each.
    normalise : PixelNormalisation
    seed : int

    Returns
    -------
    list of array, float64, each in the order of `BOUND_COLUMNS`
    """
    device = next(model.parameters()).device

    def embed_image_inputs(pairs: SubjectPairs) -> Tensor:
        return torch.cat([model.from_images(model.feature_extractor(batch)).clone()
                          for batch in iter_batches(pairs.pixels, normalise, device)])

    def embed_response_inputs(pairs: SubjectPairs) -> Tensor:
        responses = torch.from_numpy(np.array(pairs.responses)).to(device)
        return model.from_responses[held_out.subject](responses).clone()

    def compute_bounds(images: Tensor, responses: Tensor):
        mean_images = torch.from_numpy(average_by_condition(images.cpu().numpy(),
                                                            held_out.response_idx))
        return [information_bound(mean_images[rows], responses.cpu()[rows],
                                  temperature=model.temperature.item(), seed=seed)
                for rows in row_sets]

    with exact_inference(model):
        test_inputs, train_inputs = ((embed_image_inputs(pairs), embed_response_inputs(pairs))
                                     for pairs in (held_out, subject_pairs))
        shared_batchnorm = compute_bounds(*map(model.head, test_inputs))
    head, embeddings = copy.deepcopy(model.head), []
    for test, train in zip(test_inputs, train_inputs):
        refit_batchnorm(head, train.clone())
        with exact_inference(head):
            embeddings.append(head(test))
    return [np.array([*astuple(one), embeddings[0].shape[1], shared.calibrated])
            for one, shared in zip(compute_bounds(*embeddings), shared_batchnorm)]
