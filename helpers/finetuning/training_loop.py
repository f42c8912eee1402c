"""The training loop of fine-tuning: one for every objective, saved to disk and resumed exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.networks.weights import save_tensors
from helpers.training.checkpoints import load_training_state, save_training_state
from helpers.training.losses import require_finite_loss

MIN_SECONDS_BETWEEN_STATES = 30.0
"""Between two states that are saved."""
Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True)
class SubjectPairs:
    """Images of one participant and the responses that they evoked.

    Attributes
    ----------
    subject : str
    pixels : array, uint8, shape (n_images, 3, side, side)
        Or `helpers.finetuning.data.LazyImages`, which are read when they are indexed.
    response_idx : array, int64, shape (n_images,)
        Row of ``responses`` that belongs to each image.
    responses : array, float32, shape (n_conditions, n_voxels)
    """

    subject: str
    pixels: NDArray[np.uint8]
    response_idx: NDArray[np.int64]
    responses: NDArray[np.float32]


@dataclass(frozen=True)
class FineTuningConfig:
    """How a network is fine-tuned.

    Parameters
    ----------
    epochs, batch_size : int
    learning_rate : float
        Of Adam; no schedule, no weight decay.
    interleaved : bool
        Where several participants are pooled: their batches in random order. By default each
        epoch visits one participant after another, as published.
    precision : {"float32", "tf32", "bfloat16"}
        Of the products; weights and losses stay float32.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    interleaved: bool = False
    precision: Precision = "float32"


@dataclass(frozen=True)
class PixelNormalisation:
    """Normalisation of uint8 pixels to a network's input: ``(x / 255 - mean) / std``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
        """Return float32 images (n, 3, side, side) on the device."""
        std = torch.tensor(self.std, device=device).view(1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=device).view(1, -1, 1, 1)
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device, torch.float32)
        return images.mul_(1 / (255 * std)).sub_(mean / std)


def train_model(model: nn.Module, training_pairs: Sequence[SubjectPairs], config: FineTuningConfig,
                normalise: PixelNormalisation, *, seed: int, state: Path | None = None,
                checkpoints: Mapping[int, Path] | None = None,
                min_seconds_between_states: float = MIN_SECONDS_BETWEEN_STATES,
                on_step: Callable[[int, float], None] = lambda _step, _loss: None) -> list[float]:
    """Fine-tune a model in place, in training mode; leave it in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        ``model.loss(*model(images, responses, subject))``; on the device to be used.
    training_pairs : sequence of SubjectPairs
    config : FineTuningConfig
    normalise : PixelNormalisation
    seed : int
        Of the order of images and of dropout; every epoch has its own, so that a training that is
        resumed continues exactly.
    state : Path, optional
        File of weights, Adam's moments and losses after an epoch, from which an interrupted
        training is resumed. With the same seed and machine the result is the same, however often
        it was interrupted. Removed at the end.
    checkpoints : dict, epoch -> Path, optional
        Files of the weights after some epochs (counted from 1), as safetensors.
    min_seconds_between_states : float
    on_step : callable, optional
        ``on_step(step, loss)``, steps counted from 1 over all epochs.

    Returns
    -------
    list of float
        Mean loss of every epoch.

    Raises
    ------
    LabError
        If a loss is no longer finite. Saved states and checkpoints remain.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad],
                                 lr=config.learning_rate, fused=True)
    losses = load_training_state(state, model.state_dict(), optimizer)
    model.train()
    step, last_saved = 0, time.monotonic()
    for epoch in range(config.epochs):
        epoch_seed = 1_000_003 * seed + epoch
        batches = _epoch_batches(training_pairs, config,
                                 torch.Generator().manual_seed(epoch_seed))
        if epoch < len(losses):
            step += len(batches)
            continue
        loss_sum = 0.0
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(epoch_seed)
            for pairs, rows in batches:
                step += 1
                loss = _train_step(model, optimizer, pairs, rows, normalise, config.precision)
                loss_sum += require_finite_loss(
                    loss, step, remedy="lower `learning_rate` in [finetuning]; the state of the "
                                       "last saved epoch remains")
                on_step(step, loss.item())
        losses.append(loss_sum / len(batches))
        if checkpoints and epoch + 1 in checkpoints:
            save_tensors(checkpoints[epoch + 1], model.state_dict())
        if state is not None and time.monotonic() - last_saved >= min_seconds_between_states:
            save_training_state(state, model.state_dict(), optimizer, losses)
            last_saved = time.monotonic()
    if state is not None:
        state.unlink(missing_ok=True)
    model.eval()
    return losses


def count_steps(training_pairs: Sequence[SubjectPairs], config: FineTuningConfig) -> int:
    """Count the steps of a whole training."""
    return config.epochs * len(_epoch_batches(training_pairs, config, torch.Generator()))


def split_into_batches(response_idx: NDArray[np.int64], size: int, *,
                       generator: torch.Generator) -> list[NDArray[np.int64]]:
    """Split images into shuffled batches, of which the last may be smaller.

    Parameters
    ----------
    response_idx : array, int64, shape (n_images,)
        No batch holds two images of one condition, which would be contrasted although their
        response is the same. With one image for each condition this is the plain shuffled epoch.
    size : int
        Largest batch, 2 or more. A single image that is left over joins the batch before.
    generator : torch.Generator

    Raises
    ------
    LabError
        If the size is below 2, or there are fewer than two conditions.
    """
    if size < 2 or len(np.unique(response_idx)) < 2:
        raise LabError(f"batches of {size} from {len(np.unique(response_idx))} conditions",
                       expected="2 or more of both: contrast needs another to differ from",
                       remedy="raise `batch_size` in [finetuning], or take more images")
    shuffled = torch.randperm(len(response_idx), generator=generator).numpy()
    by_condition = shuffled[np.argsort(response_idx[shuffled], kind="stable")]
    _, first, counts = np.unique(response_idx[by_condition], return_index=True, return_counts=True)
    occurrence = np.arange(len(by_condition)) - np.repeat(first, counts)
    batches: list[NDArray[np.int64]] = []
    for k in range(counts.max()):
        rows = by_condition[occurrence == k]
        rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
        if len(rows) < 2:
            continue
        parts = np.split(rows, range(size, len(rows), size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [np.concatenate(parts[-2:])]
        batches += parts
    return batches


def _epoch_batches(training_pairs: Sequence[SubjectPairs], config: FineTuningConfig,
                   generator: torch.Generator) -> list[tuple[SubjectPairs, NDArray[np.int64]]]:
    """Return the batches of an epoch, each of one participant."""
    batches = [(pairs, rows) for pairs in training_pairs for rows in split_into_batches(
        pairs.response_idx, config.batch_size, generator=generator)]
    if not config.interleaved:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def _train_step(model: nn.Module, optimizer: torch.optim.Optimizer, pairs: SubjectPairs,
                rows: NDArray[np.int64], normalise: PixelNormalisation,
                precision: Precision) -> Tensor:
    device = next(model.parameters()).device
    images = normalise(pairs.pixels[rows], device)
    responses = torch.from_numpy(pairs.responses[pairs.response_idx[rows]]).to(device)
    optimizer.zero_grad(set_to_none=True)
    with matmul_precision(precision):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = model(images, responses, pairs.subject)
        # Outside of autocast: a loss summed in bfloat16 has no more than three digits.
        loss = model.loss(*(tensor.float() for tensor in outputs))
        loss.backward()
    optimizer.step()
    return loss.detach()


@contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Allow TF32 or not within a context, and restore the previous setting."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
