"""Time of contrastive decoders of many seeds, against a loop over seeds and bare matrix products.

    python benchmarks/decoding.py jointly      the demo's size, 50 seeds: 1 minute
    python benchmarks/decoding.py products     the published size: 1 minute

1. *jointly*: `helpers.decoding.contrastive_decoder.fit_decoders` against a loop over seeds with
   torch's linear layer, autograd, Adam and threads. Random numbers are the same, so the weights
   must be the same.
2. *products*: time relative to that of the two matrix products that every step needs (predictions;
   gradient of the weights); the faster of one run in each thread, and of one run at a time on all
   threads.

Times are wall-clock seconds, with processor seconds in brackets.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from helpers.config.shared_concepts import DecoderTraining
from helpers.core.console import echo
from helpers.decoding.contrastive_decoder import fit_decoders
from helpers.networks.network import select_device
from helpers.training.processes import single_thread

N_TRIALS = 3000


def drawn(n_voxels: int, n_dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw responses and targets."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((N_TRIALS, n_voxels), np.float32),
            rng.standard_normal((N_TRIALS, n_dims), np.float32))


def timed(function: Callable[[], object]) -> tuple[float, float, object]:
    """Return wall-clock seconds, processor seconds, and the result."""
    clock, processors = time.perf_counter(), time.process_time()
    result = function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - clock, time.process_time() - processors, result


def one_after_another(responses: np.ndarray, targets: np.ndarray, training: DecoderTraining,
                      device: torch.device) -> np.ndarray:
    """Train one seed after another with torch's modules; return the mean weights."""
    x = torch.from_numpy(responses).to(device)
    y = functional.normalize(torch.from_numpy(targets).to(device))
    total, own = 0, torch.arange(training.batch_size, device=device)
    for seed in range(training.n_seeds):
        random = torch.Generator(device).manual_seed(seed)
        layer = nn.Linear(x.shape[1], y.shape[1], device=device)
        side = 1 / math.sqrt(x.shape[1])
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=random, device=device)
                                * 2 * side - side)
        adam = torch.optim.Adam(layer.parameters(), lr=training.learning_rate)
        order = torch.empty(0, dtype=torch.int64, device=device)
        for _ in range(training.iterations):
            if len(order) < training.batch_size:
                order = torch.randperm(len(x), generator=random, device=device)
            rows, order = order[:training.batch_size], order[training.batch_size:]
            noise = torch.empty(len(rows), x.shape[1], device=device).normal_(
                0, training.noise, generator=random)
            predicted = functional.normalize(layer(x[rows] + noise))
            logits = predicted @ y[rows].T / training.temperature
            loss = (functional.cross_entropy(logits, own)
                    + functional.cross_entropy(logits.T, own)) / 2
            adam.zero_grad()
            loss.backward()
            adam.step()
        total = total + layer.weight.detach().cpu().numpy() / training.n_seeds
    return total


def products(n_voxels: int, n_dims: int, training: DecoderTraining, device: torch.device) -> float:
    """Return the seconds of the bare products of all steps of all runs, the faster way."""
    def run(_: int) -> None:
        weight = torch.zeros(n_dims, n_voxels, device=device)
        batch = torch.ones(training.batch_size, n_voxels, device=device)
        slope = torch.ones(training.batch_size, n_dims, device=device)
        predicted, gradient = torch.empty_like(slope), torch.empty_like(weight)
        for _step in range(training.iterations):
            torch.mm(batch, weight.T, out=predicted)
            torch.mm(slope.T, batch, out=gradient)

    def side_by_side() -> None:
        n_threads = torch.get_num_threads()
        with single_thread(), ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(run, range(training.n_seeds)))

    ways = [lambda: [run(seed) for seed in range(training.n_seeds)]]
    if device.type == "cpu":
        ways.append(side_by_side)
    return min(timed(way)[0] for way in ways)


def compare_jointly(device: torch.device) -> None:
    """Print how many times faster the same weights are found."""
    training = DecoderTraining(iterations=100, n_seeds=50)
    responses, targets = drawn(1250, 128)
    fit_decoders(responses, targets, DecoderTraining(iterations=2, n_seeds=2), device=device)
    ours = timed(lambda: fit_decoders(responses, targets, training, device=device))
    slow = timed(lambda: one_after_another(responses, targets, training, device))
    apart = np.abs(ours[2].weight - slow[2]).max() / np.abs(slow[2]).max()
    echo(f"{device}, load {os.getloadavg()[0]:.1f}: 50 runs, 1,250 voxels, 128 dimensions, "
         f"{training.iterations} steps: one after another {slow[0]:.1f} s ({slow[1]:.1f}), jointly "
         f"{ours[0]:.1f} s ({ours[1]:.1f}): {slow[0] / ours[0]:.1f} times faster "
         f"({slow[1] / ours[1]:.1f}); largest difference of weights {apart:.1e} of the largest")


def compare_products(device: torch.device) -> None:
    """Print seconds over those of the bare products, at the published size."""
    training = DecoderTraining(iterations=20, n_seeds=4 if device.type == "cpu" else 50)
    responses, targets = drawn(17_883, 512)
    fit_decoders(responses, targets, DecoderTraining(iterations=1, n_seeds=2), device=device)
    bare = products(17_883, 512, training, device)
    begun = timed(lambda: fit_decoders(responses, targets, DecoderTraining(
        iterations=1, n_seeds=training.n_seeds), device=device))
    ours = timed(lambda: fit_decoders(responses, targets, training, device=device))
    steps = (ours[0] - begun[0]) / (training.iterations - 1) * training.iterations
    echo(f"{device}, load {os.getloadavg()[0]:.1f}: {training.n_seeds} runs, 17,883 voxels, 512 "
         f"dimensions, {training.iterations} steps: {steps:.1f} s, {steps / bare:.2f} times the "
         f"bare products ({bare:.1f} s)")


PARTS = {"jointly": compare_jointly, "products": compare_products}

if __name__ == "__main__":
    for part in [sys.argv[1]] if len(sys.argv) > 1 else list(PARTS):
        PARTS[part](select_device())
