"""Measure tuning to responses: the loop against the bare passes, decoding once, precisions: here.

    python benchmarks/finetuning.py           all three parts, under three minutes on two cores
    python benchmarks/finetuning.py loop      only the first; others: decoding, precision

1. *loop*: images a second of `train_model`, over those of the bare forward and backward pass of the
   same backbone in training mode on ready float batches (no head, no optimiser; the loss is the
   mean square of the output). `train_model` counts whole: dealing batches, uint8 to scaled floats,
   responses, head, InfoNCE, backward pass, Adam, the look at the loss. A bare epoch is run after
   every epoch of `train_model`, within one call of it, and the median of the ratios is taken. The
   first epoch is left out: what it takes longer (Adam's moments, memory) is paid once a training,
   and is printed. Goal: `GOAL` or more.
2. *decoding*: one participant's regions tuned one after another, images decoded once
   (`CohortData.images`: kept, and read again for every region), against the same trainings on
   images decoded for every region, and for every region and epoch (one after another, batch by
   batch, as a script without workers). The losses must be identical.
3. *precision*: on a GPU, images a second in float32, tf32 and bfloat16, at the published size
   and batch.

One thread on the CPU, as jobs run.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import nn
from torchvision.transforms import functional

from helpers.brains.files import Files
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.console import echo
from helpers.core.paths import CACHE_VARIABLE
from helpers.finetuning.conditions import CONDITIONS, build_model
from helpers.finetuning.data import CohortData
from helpers.finetuning.evaluate import single_thread
from helpers.finetuning.training_loop import (
    FineTuningConfig,
    PixelNormalisation,
    SubjectPairs,
    train_model,
)
from helpers.networks.architectures import build
from helpers.networks.registry import get_entry

GOAL = 0.85
SUBJECT = "subj01"
SPEC = FinetuningSpec("demo-supervised", "demo-untrained", rois=("PPA",), layers=("fc8",))
RATE, SEED = 1e-3, 0
REGIONS, N_IMAGES, EPOCHS, STORED = 8, 120, 4, 425
"""Of part 2: regions, images (one batch of the demo), the demo's epochs, NSD's images in px."""


def backbone(name: str) -> tuple[nn.Module, PixelNormalisation]:
    """Build a network, untrained: speed does not depend on the weights."""
    found = get_entry(name)
    seen = found.preprocessing
    return build(found.architecture, found.options, seed=SEED), PixelNormalisation(seen.mean,
                                                                                   seen.std)


def contrastive(network: nn.Module, image_size: int, voxels: int, seed: int = SEED) -> nn.Module:
    """Put the contrastive head on a copy of a network."""
    return build_model(CONDITIONS["contrastive"], copy.deepcopy(network), {SUBJECT: voxels}, SPEC,
                       image_size=image_size, max_voxels=voxels, seed=seed)


def drawn(n: int, image_size: int, voxels: int) -> SubjectPairs:
    """Draw images and responses."""
    rng = np.random.default_rng(SEED)
    return SubjectPairs(SUBJECT,
                        rng.integers(256, size=(n, 3, image_size, image_size), dtype=np.uint8),
                        np.arange(n), rng.standard_normal((n, voxels), np.float32))


def loop(name: str, image_size: int, batch: int, *, steps: int, epochs: int, voxels: int) -> float:
    """Print and return the speed of `train_model` over that of the bare passes, epoch by epoch."""
    network, normalise = backbone(name)
    pairs = drawn(steps * batch, image_size, voxels)
    model, bare = contrastive(network, image_size, voxels), network.train()
    ready = [normalise(part, torch.device("cpu")) for part in np.split(pairs.pixels, steps)]
    tuned_s, bare_s = [], []

    def bare_epoch() -> float:
        start = time.perf_counter()
        for images in ready:
            bare.zero_grad(set_to_none=True)
            bare(images).square().mean().backward()
        return time.perf_counter() - start

    def on_step(step: int, _loss: float) -> None:
        nonlocal start
        if step % steps == 0:
            tuned_s.append(time.perf_counter() - start)
            bare_s.append(bare_epoch())
            start = time.perf_counter()

    bare_epoch()
    start = time.perf_counter()
    train_model(model, (pairs,), FineTuningConfig(epochs + 1, batch, RATE), normalise, seed=SEED,
                on_step=on_step)
    ours, limit = np.array(tuned_s[1:]), np.array(bare_s[1:])
    ratios = limit / ours
    ratio, n = float(np.median(ratios)), steps * batch
    echo(f"{name}, {image_size} px, batches of {batch}, {voxels} voxels, "
         f"{epochs} epochs of {n} images: "
         f"tune {n / np.median(ours):.0f} images/s, bare passes {n / np.median(limit):.0f}: "
         f"median ratio {ratio:.3f} (quartiles {np.quantile(ratios, 0.25):.3f} to "
         f"{np.quantile(ratios, 0.75):.3f}), goal {GOAL}{'' if ratio >= GOAL else ' MISSED'}; "
         f"once a training {tuned_s[0] - np.median(ours):+.2f} s")
    return ratio


class Again:
    """Pixels that are decoded anew whenever they are asked for, in order, by one thread."""

    def __init__(self, stimuli: Files, image_size: int) -> None:
        self.stimuli, self.image_size = stimuli, image_size

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode images and scale them to a square, as `CohortData.images`."""
        return torch.stack([functional.pil_to_tensor(functional.resize(
            self.stimuli.open(int(row)), [self.image_size, self.image_size], antialias=True))
                            for row in rows]).numpy()


def stored(folder: Path, n: int) -> Files:
    """Write smooth random images as PNG files and open them."""
    rng, paths = np.random.default_rng(SEED), [folder / f"{number}.png" for number in range(n)]
    for path in paths:
        noise = Image.fromarray(rng.integers(256, size=(STORED, STORED, 3), dtype=np.uint8))
        noise.filter(ImageFilter.GaussianBlur(2)).save(path)
    return Files(paths)


def decoding(image_size: int = 64, voxels: int = 80) -> None:
    """Print the time of all regions' trainings, by how often images are decoded."""
    network, normalise = backbone("demo-supervised")
    everything = np.arange(N_IMAGES)
    responses = np.random.default_rng(SEED).standard_normal((REGIONS, N_IMAGES, voxels),
                                                            np.float32)
    with (tempfile.TemporaryDirectory() as folder,
          patch.dict(os.environ, {CACHE_VARIABLE: f"{folder}/cache"})):
        again = Again(stored(Path(folder), N_IMAGES), image_size)
        cohort = SimpleNamespace(name="bench", stimuli=again.stimuli, condition_of=everything)
        cohort_data = CohortData(cohort, SPEC, image_size)
        ways = {"once": lambda: cohort_data.images(everything)[0],
                "for every region": lambda: again[everything],
                "for every region and epoch": lambda: again}
        seconds, losses = dict.fromkeys(ways, 0.0), {way: [] for way in ways}
        for region in range(REGIONS):
            for way, images in ways.items():
                model = contrastive(network, image_size, voxels, seed=region)
                start = time.perf_counter()
                pairs = SubjectPairs(SUBJECT, images(), everything, responses[region])
                losses[way].append(train_model(model, (pairs,),
                                               FineTuningConfig(EPOCHS, N_IMAGES, RATE), normalise,
                                               seed=region))
                seconds[way] += time.perf_counter() - start
    ours = seconds["once"]
    for way, found in losses.items():
        if found != losses["once"]:
            raise SystemExit(f"losses differ where images are decoded {way}")
        echo(f"{REGIONS} regions, {N_IMAGES} PNG files of {STORED} px to {image_size} px, {EPOCHS} "
             f"epochs, decoded {way}: {seconds[way]:.2f} s" +
             ("" if way == "once" else f": {seconds[way] / ours:.1f} times as long"))


def precision(name: str = "torchvision:alexnet", image_size: int = 224, batch: int = 1024, *,
              steps: int = 2, epochs: int = 4, voxels: int = 500, device: str = "cuda") -> None:
    """Print images a second of `train_model` in all precisions; the first epoch is left out."""
    if device == "cuda" and not torch.cuda.is_available():
        echo("precision: no CUDA device here, nothing to measure")
        return
    network, normalise = backbone(name)
    pairs, speeds = drawn(steps * batch, image_size, voxels), {}
    for kind in ("float32", "tf32", "bfloat16"):
        model, ends = contrastive(network, image_size, voxels).to(device), []
        train_model(model, (pairs,), FineTuningConfig(epochs + 1, batch, RATE, precision=kind),
                    normalise, seed=SEED,
                    on_step=lambda _step, _loss, ends=ends: ends.append(time.perf_counter()))
        taken = np.diff(ends[steps - 1::steps])  # the look at the loss waits for the device
        speeds[kind] = steps * batch / float(np.median(taken))
        echo(f"{name}, {image_size} px, batches of {batch}, {kind}: {speeds[kind]:.0f} images/s, "
             f"{speeds[kind] / speeds['float32']:.2f} times float32")


if __name__ == "__main__":
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    with single_thread():
        if part in ("all", "loop"):
            loop("demo-supervised", 64, 120, steps=8, epochs=15, voxels=80)
            loop("torchvision:alexnet-untrained", 224, 64, steps=1, epochs=5, voxels=500)
        if part in ("all", "decoding"):
            decoding()
        if part in ("all", "precision"):
            precision()
