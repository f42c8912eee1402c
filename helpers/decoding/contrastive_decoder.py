"""Linear decoders from responses to CLIP, trained by contrast, many seeds in one computation.

One layer with bias, ``y = W x + b``. In every step noise is added to the responses, and each
prediction must find the embedding of its own image among those of the batch, and each embedding
its prediction (Methods: decoders). The gradient is written out: a step is three products of
matrices, Adam's update, and little else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from helpers.config.shared_concepts import DecoderTraining
from helpers.core.errors import LabError
from helpers.training.processes import single_thread

BETAS, TINY = (0.9, 0.999), 1e-8
"""Of Adam, its defaults."""
N_KEPT_RUNS = 4
"""Runs whose own weights are kept beside the mean over all: 50 would be gigabytes as published."""


@dataclass(frozen=True)
class DecoderWeights:
    """Weights of some runs.

    Attributes
    ----------
    weight : array, float32, shape (n_dims, n_voxels)
        Mean over runs.
    bias : array, float32, shape (n_dims,)
    run_weights : array, float32, shape (n_kept, n_dims, n_voxels)
        Of the first runs alone, at most `N_KEPT_RUNS`: how much one training varies.
    run_biases : array, float32, shape (n_kept, n_dims)
    losses : array, float32, shape (n_runs, iterations)
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    run_weights: NDArray[np.float32]
    run_biases: NDArray[np.float32]
    losses: NDArray[np.float32]


class DecoderRuns:
    """Decoders of some seeds, a step at a time.

    Parameters
    ----------
    responses : Tensor, float32, shape (n_trials, n_voxels)
    targets : Tensor, float32, shape (n_trials, n_dims)
        Unit length.
    training : DecoderTraining
    seeds : sequence of int
        Each has its own first weights, order of trials, and noise: in whose company it runs
        changes nothing but the rounding.
    """

    def __init__(self, responses: Tensor, targets: Tensor, training: DecoderTraining,
                 seeds: Sequence[int]) -> None:
        self.responses, self.targets, self.training = responses, targets, training
        device, n_voxels, n_dims = responses.device, responses.shape[1], targets.shape[1]
        self.random = [Generator(device).manual_seed(int(seed)) for seed in seeds]
        self.orders = [torch.empty(0, dtype=torch.int64, device=device) for _ in seeds]
        side = 1 / math.sqrt(n_voxels)  # as torch's linear layers begin
        draw = lambda *shape: torch.stack([  # noqa: E731
            torch.rand(shape, generator=one, device=device).mul_(2 * side).sub_(side)
            for one in self.random])
        self.weight, self.bias = draw(n_dims, n_voxels), draw(n_dims)
        for parameter in (self.weight, self.bias):
            parameter.grad = torch.zeros_like(parameter)
        self.adam = torch.optim.Adam([self.weight, self.bias], lr=training.learning_rate,
                                     betas=BETAS, eps=TINY, fused=True)
        shape = (len(seeds), training.batch_size)
        self.noisy = torch.empty((*shape, n_voxels), device=device)
        self.shown = torch.empty(shape[1:] + (n_voxels,), device=device)

    def step(self) -> Tensor:
        """Learn from one batch of every run; return the losses (n_runs,)."""
        rows = self._rows()
        for space, some, one in zip(self.noisy, rows, self.random):
            if not self.training.noise:
                torch.index_select(self.responses, 0, some, out=space)
                continue
            space.normal_(0, self.training.noise, generator=one)
            space += torch.index_select(self.responses, 0, some, out=self.shown)
        predicted = torch.baddbmm(self.bias[:, None], self.noisy, self.weight.mT)
        losses, slope = info_nce_and_gradient(predicted, self.targets[rows],
                                              self.training.temperature)
        torch.bmm(slope.mT, self.noisy, out=self.weight.grad)
        torch.sum(slope, 1, out=self.bias.grad)
        self.adam.step()
        return losses

    def _rows(self) -> Tensor:
        """Return the trials of each run's next batch; the last few of an epoch are left out."""
        size = self.training.batch_size
        for run, one in enumerate(self.random):
            if len(self.orders[run]) < size:
                self.orders[run] = torch.randperm(len(self.responses), generator=one,
                                                  device=self.responses.device)
        rows = torch.stack([order[:size] for order in self.orders])
        self.orders = [order[size:] for order in self.orders]
        return rows


def info_nce_and_gradient(predicted: Tensor, targets: Tensor,
                          temperature: float) -> tuple[Tensor, Tensor]:
    r"""Return the symmetric InfoNCE of some batches, and its slope with the predictions.

    .. math:: L = -\frac{1}{2B}\sum_i \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
                  + \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}, \qquad
              s_{ij} = \cos(\hat y_i, y_j) / \tau

    Repeats of an image in a batch count as different, as published.

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
    slope : Tensor, shape (n_runs, batch, n_dims)
    """
    length = predicted.norm(dim=2, keepdim=True).clamp_min(1e-12)
    unit = predicted / length
    scores = unit @ targets.mT / temperature
    across, down = scores.log_softmax(2), scores.log_softmax(1)
    losses = -(across + down).diagonal(dim1=1, dim2=2).mean(1) / 2
    share = across.exp_().add_(down.exp_())
    share.diagonal(dim1=1, dim2=2).sub_(2)
    slope = share @ targets / (2 * len(predicted[0]) * temperature)
    return losses, (slope - unit * (unit * slope).sum(2, keepdim=True)) / length


def fit_decoders(responses: NDArray, targets: NDArray, training: DecoderTraining, *,
                 device: torch.device | str = "cpu", together: int | None = None,
                 on_step: Callable[[int], None] | None = None) -> DecoderWeights:
    """Fit decoders of ``n_seeds`` seeds.

    Parameters
    ----------
    responses : array, float, shape (n_trials, n_voxels)
        z-scored.
    targets : array, float, shape (n_trials, n_dims)
        Embedding of each trial's image; only its direction counts.
    training : DecoderTraining
    device : torch.device or str
        On the CPU a run takes one thread, and as many runs go on side by side as torch has
        threads: the weights of one run stay in the processor's cache. Elsewhere all runs share
        one product.
    together : int, optional
        Runs that share one product, in place of that.
    on_step : callable, optional
        Told how many steps of runs are done, now and then.

    Raises
    ------
    LabError
        If there are fewer trials than one batch, if anything is not finite, if a target has no
        direction, or if the loss is no longer finite.
    """
    x, y = _check(responses, targets, training)
    device = torch.device(device)
    x, y = torch.from_numpy(x).to(device), functional.normalize(torch.from_numpy(y).to(device))
    seeds = range(training.n_seeds)
    together = together or (1 if device.type == "cpu" else len(seeds))
    groups = [seeds[i:i + together] for i in range(0, len(seeds), together)]
    done, lock = [0], Lock()

    def report(steps: int) -> None:
        if on_step is not None:
            with lock:
                done[0] += steps
                on_step(done[0])

    train_group = lambda group: _train_group(x, y, training, group, report)  # noqa: E731
    if device.type != "cpu":
        return _mean([train_group(group) for group in groups])
    n_threads = torch.get_num_threads()
    with single_thread(), ThreadPoolExecutor(n_threads) as pool:
        return _mean(list(pool.map(train_group, groups)))


def _check(responses: NDArray, targets: NDArray,
           training: DecoderTraining) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return responses and targets in float32, refusing what cannot be learned from."""
    x, y = (np.ascontiguousarray(values, np.float32) for values in (responses, targets))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or min(x.shape[1:] + y.shape[1:]) < 1:
        raise LabError(f"responses {x.shape} and targets {y.shape}",
                       expected="trials x voxels and trials x dimensions",
                       remedy="give every trial the embedding of its image")
    if len(x) < training.batch_size:
        raise LabError(f"{len(x)} trials, batches of {training.batch_size}",
                       expected="one batch or more",
                       remedy="lower batch_size in the table [decoding.training] of the profile")
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise LabError("responses or targets that are NaN or infinite", expected="finite numbers",
                       remedy="leave these voxels or images out")
    if not y.any(1).all():
        raise LabError(f"{int((~y.any(1)).sum())} targets without direction (all zero)",
                       expected="embeddings that are not 0", remedy="leave these images out")
    return x, y


def _train_group(x: Tensor, y: Tensor, training: DecoderTraining, seeds: Sequence[int],
                 report: Callable[[int], None]) -> list[tuple[NDArray, NDArray, NDArray]]:
    """Fit a group of runs; return weight, bias and losses of each."""
    runs, every = DecoderRuns(x, y, training, seeds), 64
    losses = torch.empty((training.iterations, len(seeds)), device=x.device)
    for step in range(training.iterations):
        losses[step] = runs.step()
        if (step + 1) % every == 0 or step + 1 == training.iterations:
            report(len(seeds) * (step % every + 1))
    if not losses.isfinite().all():
        raise LabError("the loss of a decoder is no longer finite", expected="finite losses",
                       remedy="lower `rate` in the table [decoding.training] of the profile")
    found = [tensor.cpu().numpy() for tensor in (runs.weight, runs.bias, losses.T)]
    return list(zip(*found))


def _mean(groups: list[list[tuple[NDArray, NDArray, NDArray]]]) -> DecoderWeights:
    runs = [run for group in groups for run in group]
    weight, bias = (np.mean([run[part] for run in runs], axis=0, dtype=np.float64)
                    .astype(np.float32) for part in (0, 1))
    kept = [np.stack([run[part] for run in runs[:N_KEPT_RUNS]]) for part in (0, 1)]
    return DecoderWeights(weight, bias, *kept, np.stack([run[2] for run in runs]))
