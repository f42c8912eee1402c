"""Linear decoders from responses to CLIP embeddings, trained with a contrastive loss (InfoNCE).

One layer with bias, ``y = W x + b``, trained from many seeds at once. In every step Gaussian noise
is added to the responses, and the symmetric InfoNCE between predictions and embeddings of the
batch is minimised by Adam (Efird et al. 2024, Methods: decoders). The gradient is written out: a
step is three matrix products and Adam's update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from helpers.config.shared_concepts import DecoderTraining
from helpers.core.errors import LabError
from helpers.decoding.vectors import require_directions
from helpers.training.processes import single_thread

MEMORY_FRACTION = 0.7
"""Of a GPU's free memory, used by the runs that are trained together."""
N_KEPT_RUNS = 4
"""Runs whose own weights are saved beside the mean over all: all 50 would take gigabytes."""


@dataclass(frozen=True)
class DecoderWeights:
    """Weights and losses of decoders that differ in their seeds.

    Attributes
    ----------
    weight : array, float32, shape (n_dims, n_voxels)
        Mean over runs.
    bias : array, float32, shape (n_dims,)
    run_weights : array, float32, shape (n_saved, n_dims, n_voxels)
        Of the first runs, at most `N_KEPT_RUNS`: the variation from seed to seed.
    run_biases : array, float32, shape (n_saved, n_dims)
    losses : array, float32, shape (n_runs, iterations)
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    run_weights: NDArray[np.float32]
    run_biases: NDArray[np.float32]
    losses: NDArray[np.float32]


class DecoderRuns:
    """Decoders of several seeds, trained step by step.

    Parameters
    ----------
    responses : Tensor, float32, shape (n_trials, n_voxels)
    targets : Tensor, float32, shape (n_trials, n_dims)
        Unit length.
    training : DecoderTraining
    seeds : sequence of int
        Each has its own initial weights, order of trials and noise: which seeds are trained
        together changes results by rounding only.
    """

    def __init__(self, responses: Tensor, targets: Tensor, training: DecoderTraining,
                 seeds: Sequence[int]) -> None:
        self.responses, self.targets, self.training = responses, targets, training
        device, n_voxels, n_dims = responses.device, responses.shape[1], targets.shape[1]
        self.random = [Generator(device).manual_seed(int(seed)) for seed in seeds]
        self.orders = [torch.empty(0, dtype=torch.int64, device=device) for _ in seeds]
        bound = 1 / math.sqrt(n_voxels)  # the initialisation of torch.nn.Linear
        draw = lambda *shape: torch.stack([  # noqa: E731
            torch.rand(shape, generator=generator, device=device).mul_(2 * bound).sub_(bound)
            for generator in self.random])
        self.weight, self.bias = draw(n_dims, n_voxels), draw(n_dims)
        for parameter in (self.weight, self.bias):
            parameter.grad = torch.zeros_like(parameter)
        self.adam = torch.optim.Adam([self.weight, self.bias], lr=training.learning_rate,
                                     fused=True)
        shape = (len(seeds), training.batch_size)
        self.noisy = torch.empty((*shape, n_voxels), device=device)
        self.batch = torch.empty(shape[1:] + (n_voxels,), device=device)

    def step(self) -> Tensor:
        """Update every run by one batch; return the losses, shape (n_runs,)."""
        rows = self._rows()
        for noisy, idx, generator in zip(self.noisy, rows, self.random):
            if not self.training.noise:
                torch.index_select(self.responses, 0, idx, out=noisy)
                continue
            noisy.normal_(0, self.training.noise, generator=generator)
            noisy += torch.index_select(self.responses, 0, idx, out=self.batch)
        predicted = torch.baddbmm(self.bias[:, None], self.noisy, self.weight.mT)
        losses, gradient = info_nce_and_gradient(predicted, self.targets[rows],
                                                 self.training.temperature)
        torch.bmm(gradient.mT, self.noisy, out=self.weight.grad)
        torch.sum(gradient, 1, out=self.bias.grad)
        self.adam.step()
        return losses

    def _rows(self) -> Tensor:
        """Return the trials of each run's next batch; an incomplete last batch is dropped."""
        size = self.training.batch_size
        for run, generator in enumerate(self.random):
            if len(self.orders[run]) < size:
                self.orders[run] = torch.randperm(len(self.responses), generator=generator,
                                                  device=self.responses.device)
        rows = torch.stack([order[:size] for order in self.orders])
        self.orders = [order[size:] for order in self.orders]
        return rows


def info_nce_and_gradient(predicted: Tensor, targets: Tensor,
                          temperature: float) -> tuple[Tensor, Tensor]:
    r"""Return the symmetric InfoNCE of each batch, and its gradient in the predictions.

    .. math:: L = -\frac{1}{2B}\sum_i \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
                  + \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}, \qquad
              s_{ij} = \cos(\hat y_i, y_j) / \tau

    Repeats of an image in a batch count as different images, as in the paper.

    Parameters
    ----------
    predicted : Tensor, float, shape (n_runs, batch, n_dims)
    targets : Tensor, float, same shape
        Unit length.
    temperature : float

    Returns
    -------
    losses : Tensor, shape (n_runs,)
        In nats; log(batch) at chance.
    gradient : Tensor, shape (n_runs, batch, n_dims)
    """
    length = predicted.norm(dim=2, keepdim=True).clamp_min(1e-12)
    unit = predicted / length
    scores = unit @ targets.mT / temperature
    across, down = scores.log_softmax(2), scores.log_softmax(1)
    losses = -(across + down).diagonal(dim1=1, dim2=2).mean(1) / 2
    softmaxes = across.exp_().add_(down.exp_())
    softmaxes.diagonal(dim1=1, dim2=2).sub_(2)
    gradient = softmaxes @ targets / (2 * len(predicted[0]) * temperature)
    return losses, (gradient - unit * (unit * gradient).sum(2, keepdim=True)) / length


def fit_decoders(responses: NDArray, targets: NDArray, training: DecoderTraining, *,
                 device: torch.device | str = "cpu", together: int | None = None,
                 on_step: Callable[[int], object] = lambda n_steps: None) -> DecoderWeights:
    """Train contrastive decoders from ``n_seeds`` seeds.

    Parameters
    ----------
    responses : array, float, shape (n_trials, n_voxels)
        z-scored.
    targets : array, float, shape (n_trials, n_dims)
        Embedding of each trial's image; only its direction matters.
    training : DecoderTraining
    device : torch.device or str
        On the CPU a run takes one thread, and as many runs are trained in parallel as torch has
        threads: the weights of one run stay in the processor's cache. On other devices runs are
        one batched product, as many as fit into its free memory.
    together : int, optional
        Runs in one batched product, in place of that default.
    on_step : callable
        Called with the number of steps, summed over runs, since its last call.

    Raises
    ------
    LabError
        If there are fewer trials than one batch, if responses, targets or the loss are not finite,
        or if a target is 0.
    """
    x, y = _check(responses, targets, training)
    device = torch.device(device)
    x, y = torch.from_numpy(x).to(device), functional.normalize(torch.from_numpy(y).to(device))
    seeds = range(training.n_seeds)
    together = together or _runs_at_once(x, y, training, device)
    groups = [seeds[i:i + together] for i in range(0, len(seeds), together)]
    n_workers = torch.get_num_threads() if device.type == "cpu" else 1
    with single_thread(), ThreadPoolExecutor(n_workers) as pool:
        return _mean(pool.map(partial(_train_group, x, y, training, on_step), groups))


def _runs_at_once(x: Tensor, y: Tensor, training: DecoderTraining, device: torch.device) -> int:
    """Return how many runs are trained in one batched product."""
    if device.type != "cuda":
        return 1 if device.type == "cpu" else training.n_seeds
    # Weight, gradient, two moments and a product; a batch of responses and its noisy copy.
    n_numbers = 5 * x.shape[1] * y.shape[1] + 2 * training.batch_size * x.shape[1]
    free, _total = torch.cuda.mem_get_info(device)
    return max(1, min(training.n_seeds, int(MEMORY_FRACTION * free) // (4 * n_numbers)))


def _check(responses: NDArray, targets: NDArray,
           training: DecoderTraining) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return responses and targets in float32; raise a LabError where no decoder can be fitted."""
    x, y = (np.ascontiguousarray(values, np.float32) for values in (responses, targets))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not x.shape[1] or not y.shape[1]:
        raise LabError(f"responses {x.shape} and targets {y.shape}",
                       expected="trials x voxels and trials x dimensions",
                       remedy="give every trial the embedding of its image")
    if len(x) < training.batch_size:
        raise LabError(f"{len(x)} trials, batches of {training.batch_size}",
                       expected="one batch or more",
                       remedy="lower batch_size in the table [decoding.training] of the profile")
    if not np.isfinite(x).all():
        raise LabError("responses that are NaN or infinite", expected="finite numbers",
                       remedy="leave these voxels out")
    require_directions(y, "targets")
    return x, y


def _train_group(x: Tensor, y: Tensor, training: DecoderTraining, report: Callable[[int], None],
                 seeds: Sequence[int]) -> list[tuple[NDArray, NDArray, NDArray]]:
    """Train the runs of several seeds together; return weight, bias and losses of each."""
    runs, every = DecoderRuns(x, y, training, seeds), 64
    losses = torch.empty((training.iterations, len(seeds)), device=x.device)
    for step in range(training.iterations):
        losses[step] = runs.step()
        if (step + 1) % every == 0 or step + 1 == training.iterations:
            report(len(seeds) * (step % every + 1))
    if not losses.isfinite().all():
        raise LabError("the loss of a decoder is no longer finite", expected="finite losses",
                       remedy="lower `learning_rate` in the table [decoding.training]")
    return list(zip(*(tensor.cpu().numpy() for tensor in (runs.weight, runs.bias, losses.T))))


def _mean(groups: Iterable[list[tuple[NDArray, NDArray, NDArray]]]) -> DecoderWeights:
    """Return the mean weights over runs, and the first runs' own weights."""
    weights, biases, losses = zip(*(run for group in groups for run in group))
    mean = [np.mean(values, axis=0, dtype=np.float64).astype(np.float32)
            for values in (weights, biases)]
    return DecoderWeights(*mean, np.stack(weights[:N_KEPT_RUNS]), np.stack(biases[:N_KEPT_RUNS]),
                          np.stack(losses))
