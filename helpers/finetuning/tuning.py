"""Tuning a network to responses: one loop for every objective, kept on disk, resumed exactly."""

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

from helpers.ground.errors import LabError
from helpers.networks.weights import read_state_dict, save_tensors
from helpers.training.objectives import finite

KEEP_SECONDS = 30.0
"""Least time between two states that are kept."""
Precision = Literal["float32", "tf32", "bfloat16"]
OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Pairs:
    """Pictures of one participant and the responses that they evoked.

    Attributes
    ----------
    subject : str
    pixels : array, uint8, shape (n_pictures, 3, side, side)
    condition : array, int64, shape (n_pictures,)
        Row of ``responses`` that belongs to each picture.
    responses : array, float32, shape (n_conditions, n_voxels)
    """

    subject: str
    pixels: NDArray[np.uint8]
    condition: NDArray[np.int64]
    responses: NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How a network is tuned.

    Parameters
    ----------
    epochs, batch_size : int
    rate : float
        Of Adam; no schedule, no weight decay.
    interleaved : bool
        Where several participants are pooled: their batches in random order. By default each
        epoch visits one participant after another, as published.
    precision : {"float32", "tf32", "bfloat16"}
        Of the products; weights and losses stay float32.
    """

    epochs: int
    batch_size: int
    rate: float
    interleaved: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.rate <= 0:
            raise LabError(f"{self.epochs} epochs of batches of {self.batch_size} at rate "
                           f"{self.rate}",
                           expected="1 epoch or more, 2 pictures or more, a rate above 0",
                           remedy="correct [finetuning] in the profile")


@dataclass(frozen=True)
class Scale:
    """How uint8 pixels become what a network was trained to see: ``(x / 255 - mean) / std``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
        """Return float32 images (n, 3, side, side) on the device."""
        std = torch.tensor(self.std, device=device).view(1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=device).view(1, -1, 1, 1)
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device, torch.float32)
        return images.mul_(1 / (255 * std)).sub_(mean / std)


def tune(model: nn.Module, people: Sequence[Pairs], recipe: Recipe, scale: Scale, *, seed: int,
         state: Path | None = None, keep: Mapping[int, Path] | None = None,
         keep_seconds: float = KEEP_SECONDS, stop_after: int | None = None,
         on_step: OnStep | None = None) -> list[float]:
    """Tune a model in place, in training mode; leave it in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        ``model.loss(*model(images, responses, subject))``; on the device to be used.
    people : sequence of Pairs
    recipe : Recipe
    scale : Scale
    seed : int
        Of the order of pictures and of dropout; every epoch has its own, so that one that is
        resumed continues as if nothing had happened.
    state : Path, optional
        Where weights, Adam's moments and losses are kept after an epoch, and looked for at
        first. With the same seed and machine the end is the same, however often it was
        interrupted. Removed at the end.
    keep : dict, epoch -> Path, optional
        Weights to keep for good after some epochs (counted from 1), as safetensors.
    keep_seconds : float
        Least time between two states.
    stop_after : int, optional
        Stop after this epoch of the whole schedule (an interruption, on purpose).
    on_step : callable, optional
        ``on_step(step, loss)``, steps counted from 1 over all epochs.

    Returns
    -------
    list of float
        Mean loss of every epoch.

    Raises
    ------
    LabError
        If a loss is no longer finite. What was kept stays.
    """
    device = next(model.parameters()).device
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), lr=recipe.rate, fused=True)
    losses = _resumed(model, trained, optimizer, state)
    model.train()
    step, last_kept = 0, time.monotonic()
    for epoch in range(recipe.epochs if stop_after is None else stop_after):
        generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
        visits = _visits(people, recipe, generator)
        if epoch < len(losses):
            step += len(visits)
            continue
        total = 0.0
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(1_000_003 * seed + epoch)
            for person, rows in visits:
                step += 1
                loss = _step(model, optimizer, person, rows, scale, recipe.precision, device)
                total += finite(loss, step, remedy="lower `rate` in [finetuning]; the last whole "
                                                   "epoch that was kept stays")
                if on_step is not None:
                    on_step(step, loss.item())
        losses.append(total / len(visits))
        if keep and epoch + 1 in keep:
            save_tensors(keep[epoch + 1], model.state_dict())
        if state is not None and time.monotonic() - last_kept >= keep_seconds:
            _keep(state, model, trained, optimizer, losses)
            last_kept = time.monotonic()
    if state is not None and stop_after is None:
        state.unlink(missing_ok=True)
    model.eval()
    return losses


def steps_in(people: Sequence[Pairs], recipe: Recipe) -> int:
    """Count the steps of a whole training."""
    generator = torch.Generator().manual_seed(0)
    return recipe.epochs * len(_visits(people, recipe, generator))


def batches(condition: NDArray[np.int64], size: int, *,
            generator: torch.Generator) -> list[NDArray[np.int64]]:
    """Deal pictures into shuffled batches; a last partial one is kept.

    Parameters
    ----------
    condition : array, int64, shape (n_pictures,)
        No batch holds two pictures of one condition, which would have to be told apart although
        their response is the same. With one picture a condition this is the plain shuffled epoch.
    size : int
        Largest batch, 2 or more. A single picture that is left over joins the batch before.
    generator : torch.Generator

    Raises
    ------
    LabError
        If the size is below 2, or there are fewer than two conditions.
    """
    if size < 2 or len(np.unique(condition)) < 2:
        raise LabError(f"batches of {size} from {len(np.unique(condition))} conditions",
                       expected="2 or more of both: contrast needs another to differ from",
                       remedy="raise `batch_size` in [finetuning], or take more pictures")
    shuffled = torch.randperm(len(condition), generator=generator).numpy()
    ordered = shuffled[np.argsort(condition[shuffled], kind="stable")]
    _, first, counts = np.unique(condition[ordered], return_index=True, return_counts=True)
    turn = np.arange(len(ordered)) - np.repeat(first, counts)
    dealt: list[NDArray[np.int64]] = []
    for k in range(counts.max()):
        rows = ordered[turn == k]
        rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
        if len(rows) < 2:
            continue
        parts = np.split(rows, range(size, len(rows), size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [np.concatenate(parts[-2:])]
        dealt += parts
    return dealt


def _visits(people: Sequence[Pairs], recipe: Recipe,
            generator: torch.Generator) -> list[tuple[Pairs, NDArray[np.int64]]]:
    """Return the batches of an epoch, each of one participant."""
    visits = [(person, rows) for person in people
              for rows in batches(person.condition, recipe.batch_size, generator=generator)]
    if not recipe.interleaved:
        return visits
    return [visits[i] for i in torch.randperm(len(visits), generator=generator).tolist()]


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, person: Pairs,
          rows: NDArray[np.int64], scale: Scale, precision: Precision,
          device: torch.device) -> Tensor:
    images = scale(person.pixels[rows], device)
    responses = torch.from_numpy(person.responses[person.condition[rows]]).to(device)
    optimizer.zero_grad(set_to_none=True)
    with products_in(precision):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            compared = model(images, responses, person.subject)
        # Outside of autocast: a loss summed in bfloat16 keeps no more than three digits.
        loss = model.loss(*(tensor.float() for tensor in compared))
        loss.backward()
    optimizer.step()
    return loss.detach()


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Allow TF32 or not, within, and restore what was set before."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    allowed = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _keep(state: Path, model: nn.Module, trained: Mapping[str, Tensor],
          optimizer: torch.optim.Adam, losses: list[float]) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in trained.items():
        tensors |= {f"adam.{name}.{what}": value
                    for what, value in optimizer.state[parameter].items()}
    save_tensors(state, tensors | {"losses": torch.tensor(losses, dtype=torch.float64)})


def _resumed(model: nn.Module, trained: Mapping[str, Tensor], optimizer: torch.optim.Adam,
             state: Path | None) -> list[float]:
    """Take weights, moments and losses from a kept state, if there is one that fits."""
    if state is None or not state.is_file():
        return []
    kept = read_state_dict(state)
    weights = {name.removeprefix("model."): tensor for name, tensor in kept.items()
               if name.startswith("model.")}
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != shapes:
        return []
    model.load_state_dict(weights)
    for name, parameter in trained.items():
        if f"adam.{name}.step" not in kept:
            continue  # no gradient ever reached it
        optimizer.state[parameter] = {
            what: kept[f"adam.{name}.{what}"].to("cpu" if what == "step" else parameter.device)
            for what in ("step", "exp_avg", "exp_avg_sq")}
    return kept["losses"].tolist()
