"""What is killed, filled and damaged: runs of small notebooks, and trainings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from drilling import pace
from drilling.report import digests
from helpers.config.contrastive_coding import ReadoutSpec
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import cached
from helpers.core.paths import cache_dir
from helpers.finetuning import training_loop
from helpers.finetuning.conditions import CONDITIONS, build_model
from helpers.runner import __main__ as runner
from helpers.training import readout

STEMS = ("97_draw_a_curve", "98_draw_another")
NOTEBOOK = '''\
# %% [markdown]
# # A small notebook, for drills

# %% tags=["parameters"]
profile = "demo"   # which
size = 100000      # numbers in the cached array

# %%
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from drilling import pace
from helpers.core.cache import cached, cached_table
from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance
from helpers.figures.style import new_figure, save_figure

pace.slow_cache()
pace.mark(pace.COMPUTING)
{body}

# %%
def make():
    pace.mark(pace.COMPUTING)
    pace.wait()
    return {{"curve": np.random.default_rng({seed}).normal(size=size).cumsum()}}

curve = cached("curves", "{stem}", {{"seed": {seed}, "size": size}}, make)["curve"]
table = cached_table("tables", "{stem}", {{"seed": {seed}}}, lambda: pd.DataFrame(
    {{"x": np.arange(50), "y": curve[:50].round(6)}}))

# %%
pace.mark(pace.DRAWING)
pace.wait()
where = Provenance("{stem}", profile, "SYNTHETIC", 0, "cpu", "code")
figure = new_figure(2, "A curve")
figure.subplots().plot(table.x, table.y)
save_figure(figure, where, {{"curve": table}})
results = {{"provenance": {{"inputs": {{}}}}, "numbers": {{"mean": float(curve.mean())}},
           "claims": [{{"statement": "one", "verdict": "supported"}}]}}
path = atomic_write(figures_dir(profile) / "{stem}.json", lambda part: part.write_text(
    json.dumps(results, indent=1)))
'''


def write_notebooks(room: Path, bodies: tuple[str, ...] = ("", "")) -> None:
    """Put the small notebooks into a room."""
    folder = room / "notebooks"
    folder.mkdir()
    for seed, (stem, body) in enumerate(zip(STEMS, bodies)):
        (folder / f"{stem}.py").write_text(NOTEBOOK.format(stem=stem, seed=seed, body=body))


def run_notebooks(folder: Path | None, *arguments: str, slow: bool = True) -> int:
    """Run the notebooks of a room (the working one if not given), as ``make figures`` does."""
    room = folder or cache_dir().parent
    runner.plan_jobs.__defaults__ = (room / "notebooks",)
    if slow:
        pace.slow_runner(runner)
    return runner.main(["--profile", "demo", "--jobs", "2", *arguments])


def run_and_publish() -> int:
    """Run the notebooks and write the executed ones beside their sources."""
    return run_notebooks(None, "--publish")


def notebook_files(room: Path) -> dict[str, str]:
    """Return the digests of what a run makes: figures, tables, numbers, notebooks, arrays.

    Records (sidecars, stamps) hold seconds and are left out.
    """
    found = digests(room)
    return {name: digest for name, digest in found.items()
            if name.startswith(("figures/", "notebooks/")) or name.endswith(".npz")}


# ---- trainings ---------------------------------------------------------------------------------

N_EPOCHS, N_BATCHES = 6, 5
READOUT = ReadoutSpec("diet", "train", epochs=N_EPOCHS, batch_size=20, l1_positive=1e-3,
                      l1_negative=2e-3)


def train_readout() -> int:
    """Train a small readout, its state kept after every epoch, and keep the weights."""
    pace.slow_cache()
    readout.save_training_state = pace.stretch(readout.save_training_state, pace.STATE,
                                               pace.COMPUTING)
    state = cache_dir() / "readouts" / "small.state.safetensors"

    def batches(number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(N_BATCHES):
            labels = torch.randint(30, (20,), generator=generator)
            features = torch.randn(20, 400, generator=generator)
            features[torch.arange(20), labels] += 3
            yield features, labels

    def make() -> dict[str, np.ndarray]:
        pace.mark(pace.COMPUTING)
        weight, losses = readout.train_readout(batches, (30, 400), N_BATCHES, READOUT, seed=1,
                                               state=state, on_step=_count_step)
        return {"weight": weight.numpy(), "losses": np.array(losses)}

    cached("readouts", "small", {"seed": 1}, make)
    return 0


def finetune() -> int:
    """Fine-tune a small network contrastively, its state kept after every epoch."""
    pace.slow_cache()
    training_loop.save_training_state = pace.stretch(training_loop.save_training_state, pace.STATE,
                                                     pace.COMPUTING)
    state = cache_dir() / "finetuned" / "small.state.safetensors"
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    responses = (pixels.reshape(20, 3, -1).mean(2) @ rng.normal(size=(3, 30)) / 10)
    pairs = [training_loop.SubjectPairs("A", pixels, np.arange(20),
                                        responses.astype(np.float32))]
    config = training_loop.FineTuningConfig(epochs=N_EPOCHS, batch_size=4, learning_rate=3e-3)

    def make() -> dict[str, np.ndarray]:
        pace.mark(pace.COMPUTING)
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(inplace=True), nn.Flatten(),
                                 nn.Dropout(0.4), nn.Linear(36, 12))
        model = build_model(CONDITIONS["contrastive"], backbone, {"A": 30},
                            FinetuningSpec("n", "u", ("PPA",), ("fc",)), image_size=8,
                            max_voxels=33, seed=0)
        losses = training_loop.train_model(
            model, pairs, config, training_loop.PixelNormalisation((0.5,) * 3, (0.5,) * 3),
            seed=1, state=state, min_seconds_between_states=0.0, on_step=_count_step)
        return {"losses": np.array(losses), **{f"model/{name}": tensor.numpy()
                                               for name, tensor in model.state_dict().items()}}

    cached("finetuned", "small", {"seed": 1}, make)
    return 0


def _count_step(step: int, _loss: float) -> None:
    pace.wait(20)
    sys.stdout.write(f"step {step}\n")


def steps_after_resuming(text: str) -> list[int]:
    """Return how many steps each process of a room took, from what they said."""
    steps = [int(line.split()[1]) for line in text.splitlines() if line.startswith("step ")]
    starts = [i for i, step in enumerate(steps) if i == 0 or step <= steps[i - 1]]
    return [stop - start for start, stop in zip(starts, [*starts[1:], len(steps)])]
