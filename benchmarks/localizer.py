"""Our localizer against the published procedure, and against the bare forward pass.

Every number is a ratio of two timings in one run on one machine::

    python benchmarks/localizer.py            # all parts, about three minutes
    python benchmarks/localizer.py statistics # only the first

1. *statistics*: the published procedure (authors' selectivity.py: for each ordered pair of domains
   a deep copy of both groups, one ``ttest_ind`` and one ``fdr_by``) against streamed moments and
   the step-up rule in t-space; same activations, 64,896 units x 1,584 images; the masks must be
   identical.
2. *network*: AlexNet-GN at 224 px, all 28 layers, 1,584 images: time with all statistics, and
   time with hooks alone, over the bare forward pass.
3. *memory*: peak memory of the process of part 2 (the published way holds 13.5 GB).
4. *pooling*: a demo network with our maximum pooling over the same with torch's, forward alone
   and in a training step; outputs must be identical.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy import stats
from statsmodels.stats.multitest import multipletests
from torch import nn

from helpers.core.console import echo
from helpers.core.machine import peak_memory
from helpers.core.moments import Moments
from helpers.networks.activations import exact_inference, stream_activations
from helpers.networks.alexnet_gn import AlexNetGN
from helpers.networks.architectures import build, layer_names
from helpers.networks.pooling import MaxPool2d
from helpers.networks.registry import get_entry
from helpers.selectivity.statistics import ALPHA, localize

DOMAINS = ("faces", "bodies", "objects", "scenes", "characters", "scrambled")
COUNTS = (288, 288, 288, 288, 288, 144)
BATCH = 64


def published(groups: dict[str, np.ndarray], alpha: float) -> np.ndarray:
    """Run the published procedure: one copy, test and correction per ordered pair."""
    masks = []
    for target in groups:
        passed = np.ones(groups[target].shape[1], bool)
        for other in groups:
            if other == target:
                continue
            first, second = copy.deepcopy(groups[target]), copy.deepcopy(groups[other])
            t, p = stats.ttest_ind(first, second)
            reject = multipletests(p, alpha=alpha, method="fdr_by")[0]
            passed &= reject & (t > 0)
        masks.append(passed)
    return np.stack(masks)


def ours(groups: dict[str, np.ndarray], alpha: float) -> np.ndarray:
    """Stream the same activations in batches into moments, then test."""
    moments = None
    for index, values in enumerate(groups.values()):
        for batch in torch.from_numpy(values).split(BATCH):
            if moments is None:
                moments = Moments.start(len(groups), batch[0])
            moments.update(batch, index)
    return localize(moments, tuple(groups), alpha=alpha).mask.numpy()


def synthetic_layer(n_units: int, seed: int) -> dict[str, np.ndarray]:
    """Draw a rectified layer in which a third of the units prefers some domain a little."""
    rng = np.random.default_rng(seed)
    prefers = rng.integers(0, 3 * len(DOMAINS), n_units)
    gain = rng.uniform(0, 1.2, n_units).astype(np.float32)
    return {domain: np.maximum(rng.standard_normal((count, n_units), np.float32)
                               + gain * (prefers == index), 0)
            for index, (domain, count) in enumerate(zip(DOMAINS, COUNTS))}


def seconds(function: Callable[[], object], repeats: int = 1) -> tuple[float, object]:
    """Return the shortest of some runs and the last result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - begin)
    return best, result


def compare_statistics(n_units: int = 64_896) -> float:
    """Print and return the speed-up for the same masks."""
    groups = synthetic_layer(n_units, seed=0)
    slow, expected = seconds(lambda: published(groups, ALPHA))
    fast, result = seconds(lambda: ours(groups, ALPHA), repeats=3)
    if not np.array_equal(expected, result):
        raise SystemExit(f"masks differ at {int((expected != result).sum())} places")
    echo(f"statistics: {n_units} units x {sum(COUNTS)} images, {int(result.sum())} selective, "
         f"masks identical; published {slow:.2f} s, ours {fast:.3f} s: {slow / fast:.1f} times")
    return slow / fast


def compare_network(n_images: int = sum(COUNTS), size: int = 224) -> None:
    """Print time over the bare forward pass, with hooks alone and with all statistics."""
    torch.manual_seed(0)
    model = AlexNetGN().eval()
    layers = layer_names(model)
    images = torch.randn(BATCH, 3, size, size)
    edges = np.cumsum((0, *COUNTS)) * n_images // sum(COUNTS)
    batches = [(index, images[:min(BATCH, stop - start)])
               for index, (low, high) in enumerate(zip(edges, edges[1:]))
               for start in range(low, high, BATCH)
               for stop in [min(start + BATCH, high)]]
    moments: dict[str, Moments] = {}

    def bare() -> None:
        with exact_inference(model):
            for _, batch in batches:
                model(batch)

    def hooks_only() -> None:
        stream_activations(model, layers, [batch for _, batch in batches], lambda *_: None)

    def with_statistics() -> None:
        moments.clear()
        starts = np.cumsum([0] + [len(batch) for _, batch in batches])
        group_of = dict(zip(starts.tolist(), (index for index, _ in batches)))

        def consume(start: int, name: str, activations: torch.Tensor) -> None:
            if name not in moments:
                moments[name] = Moments.start(len(DOMAINS), activations[0])
            moments[name].update(activations, group_of[start])

        stream_activations(model, layers, (batch for _, batch in batches), consume)
        for layer_moments in moments.values():
            localize(layer_moments, DOMAINS)

    model(images)
    base, _ = seconds(bare, repeats=2)
    hooks, _ = seconds(hooks_only, repeats=2)
    everything, _ = seconds(with_statistics, repeats=2)
    n_units = sum(layer_moments.mean.shape[1] for layer_moments in moments.values())
    echo(f"network: {n_units} units, {n_images} images at {size} px; bare forward {base:.1f} s; "
         f"hooks alone {hooks / base:.2f} times; with all statistics {everything / base:.2f} times")
    peak = peak_memory() / 2**30
    echo(f"memory: peak {peak:.2f} GB")


def compare_pooling(name: str = "demo-supervised", n_images: int = 128, size: int = 96) -> None:
    """Print time over that with torch's pooling: of a forward pass, and of a training step."""
    entry, images = get_entry(name), torch.randn(n_images, 3, size, size)
    models = [build(entry.architecture, entry.options, seed=0).train() for _ in range(2)]
    for path, module in list(models[0].named_modules()):
        if isinstance(module, MaxPool2d):
            models[0].set_submodule(path, nn.MaxPool2d(module.kernel_size, module.stride,
                                                       module.padding))

    def train(model: nn.Module) -> torch.Tensor:
        output = model(images)
        output.square().mean().backward()
        return output

    def infer(model: nn.Module) -> torch.Tensor:
        with torch.inference_mode():
            return model(images)

    for kind, run in (("training step", train), ("forward pass", infer)):
        (torchs, expected), (ours, result) = (seconds(partial(run, model), repeats=8)
                                              for model in models)
        if not torch.equal(expected, result):
            raise SystemExit(f"{kind}: outputs differ")
        echo(f"pooling: {name}, {n_images} images at {size} px, outputs identical; {kind} "
             f"{ours / torchs:.2f} times torch's")


if __name__ == "__main__":
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    if part in ("all", "network"):
        compare_network()
    if part in ("all", "statistics"):
        compare_statistics()
    if part in ("all", "pooling"):
        compare_pooling()
