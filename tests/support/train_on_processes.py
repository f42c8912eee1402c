"""Train a small network by every objective, alone or under torchrun; write the losses as JSON.

    torchrun --nproc-per-node 2 tests/support/train_on_processes.py losses.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from helpers.training.augmentation import Augmentation
from helpers.training.loop import TrainingRecipe, train
from helpers.training.processes import process_group, process_rank

WIDTH, SIZE, N_IMAGES, N_TOKENS = 12, 16, 96, 20


def network() -> nn.Sequential:
    """Build a convolutional network without batch normalisation."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.GroupNorm(2, 8), nn.ReLU(),
                         nn.Flatten(), nn.Linear(8 * 6 * 6, WIDTH))


def text_encoder() -> nn.Sequential:
    """Build a network that turns three tokens into a vector."""
    torch.manual_seed(2)
    return nn.Sequential(nn.Embedding(N_TOKENS, WIDTH), nn.Flatten(), nn.Linear(3 * WIDTH, WIDTH))


def training_data(objective: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images and the labels, captions or targets that an objective reads."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (N_IMAGES, 3, SIZE, SIZE), generator=generator,
                           dtype=torch.uint8)
    if objective == "clip":
        return images, torch.randint(N_TOKENS, (N_IMAGES, 2, 3), generator=generator)
    if objective == "targets":
        return images, torch.randn(N_IMAGES, 2, WIDTH, generator=generator)
    return images, torch.arange(N_IMAGES) % 4


def losses_of(objective: str) -> tuple[float, ...]:
    """Train for three epochs of four batches, in float32; return the loss of each step."""
    recipe = TrainingRecipe(objective, epochs=3, batch_size=24, learning_rate=3e-3,
                            augmentation=Augmentation(size=SIZE))
    text = text_encoder() if objective == "clip" else None
    return train(network(), *training_data(objective), recipe, seed=5, text=text,
                 mixed_precision=False).losses


def group_threads() -> list[str]:
    """Return the names of this process's threads that serve a process group (Linux alone)."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def main(target: Path, objectives: list[str]) -> None:
    """Train by each objective; the first process writes what each step lost, and its threads."""
    torch.set_num_threads(1)
    with process_group(torch.device("cpu")):
        losses = {objective: losses_of(objective) for objective in objectives}
        threads = group_threads()
    if not process_rank():
        found = {"losses": losses, "threads": threads, "threads_left": group_threads()}
        target.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
