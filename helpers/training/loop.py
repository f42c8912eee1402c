"""One loop that trains a network: by views, captions, targets or labels, one process or many.

Started by ``torchrun``, each process takes its part of every batch, and the losses are those of
the whole batch; otherwise the same code runs alone. The training set is an array of images, since
augmenting whole batches on the device is many times faster than augmenting images one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import OneCycleLR

from helpers.core.errors import LabError
from helpers.training.augmentation import Augmentation, BatchGenerator, augment
from helpers.training.losses import (
    barlow_twins_loss,
    clip_loss,
    gather_batch,
    nt_xent_loss,
    require_finite_loss,
    target_loss,
)

StepCallback = Callable[[int, float, nn.Module], None]


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained; everything that a result depends on besides data and seed.

    Parameters
    ----------
    objective : {"barlow_twins", "simclr", "clip", "targets", "supervised"}
    epochs : int
    batch_size : int
        Images per step, over all processes; an incomplete last batch is left out.
    optimizer : {"adamw", "muon"}
        AdamW; or Muon for the filters of convolutions (Jordan et al. 2024), and AdamW for the rest.
    learning_rate, weight_decay : float
        Of the optimizer; the decay spares vectors (norms and biases).
    warmup : float
        Fraction of the steps in which the learning rate rises; then it falls as a cosine.
    lam : float
        Barlow Twins: weight of the redundancy term.
    temperature : float
        SimCLR: temperature. CLIP: the first one; it is learned.
    augmentation : Augmentation
    group_size : int
        So many neighbouring images come into the same batch: images that are hard to tell apart.
    """

    objective: Literal["barlow_twins", "simclr", "clip", "targets", "supervised"]
    epochs: int
    batch_size: int = 256
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    lam: float = 0.0051
    temperature: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    group_size: int = 1

    def __post_init__(self) -> None:
        if self.optimizer not in ("adamw", "muon"):
            raise LabError(f"a recipe has the optimizer {self.optimizer!r}",
                           expected="adamw or muon", remedy="correct the recipe")
        if (self.epochs < 1 or self.batch_size < 2 or self.learning_rate <= 0
                or self.group_size < 1 or self.batch_size % self.group_size):
            raise LabError(f"a recipe has {self.epochs} epochs at learning rate "
                           f"{self.learning_rate}, and groups of {self.group_size} images in "
                           f"batches of {self.batch_size}",
                           expected="1 epoch or more, a positive rate, and batches of 2 images or "
                           "more that hold whole groups", remedy="correct the recipe")


@dataclass(frozen=True)
class TrainingHistory:
    """What happened in a training.

    Parameters
    ----------
    losses : tuple of float
        Loss of every step.
    steps_per_epoch : int
    """

    losses: tuple[float, ...]
    steps_per_epoch: int

    @property
    def epoch_losses(self) -> list[float]:
        """Mean loss of every (begun) epoch."""
        starts = range(0, len(self.losses), self.steps_per_epoch)
        epochs = [self.losses[start:start + self.steps_per_epoch] for start in starts]
        return [sum(epoch) / len(epoch) for epoch in epochs]


def train(model: nn.Module, images: Tensor, labels: Tensor, recipe: TrainingRecipe, *, seed: int,
          device: torch.device | str = "cpu", steps: int | None = None,
          mixed_precision: bool | None = None, on_step: StepCallback | None = None,
          text: nn.Module | None = None) -> TrainingHistory:
    """Train a network in place and leave it in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Maps (n, 3, size, size) to (n, width). With labels to learn, a linear classifier is put
        on top and thrown away afterwards.
    images : Tensor
        uint8 (n_images, 3, height, width), square.
    labels : Tensor
        int64 (n_images,), classes, read by the objective "supervised"; int64 (n_images,
        n_captions, context), tokens of captions, or float32 (n_images, n_captions, width), where
        they lie: of these "clip" and "targets" draw one each time they show an image.
    recipe : TrainingRecipe
    seed : int
        Of the order of the images, the views and the classifier. The same seed on the same
        machine gives the same weights.
    device : torch.device or str
    steps : int, optional
        Stop after so many steps of the whole schedule.
    mixed_precision : bool, optional
        Compute in bfloat16 where it is safe; by default where the hardware has it.
    on_step : callable, optional
        ``on_step(step, loss, model)`` after each step, counted from 1; ``model.state_dict()`` is
        then that moment's, and must be copied to be kept.
    text : nn.Module, optional
        Maps tokens (n, context) to (n, width); trained with the network by the objective "clip".

    Returns
    -------
    TrainingHistory

    Raises
    ------
    LabError
        Where there are fewer images than one batch, or the loss is no longer finite.
    """
    device = torch.device(device)
    rank, world_size = _rank_and_world_size()
    n_batches = _batches_per_epoch(len(images), recipe, world_size)
    trainable = _prepare_trainable(model, labels, recipe, text, seed=seed, device=device)
    optimizers = _optimizers(trainable, recipe)
    schedules = [OneCycleLR(optimizer, recipe.learning_rate, total_steps=recipe.epochs * n_batches,
                            pct_start=recipe.warmup, cycle_momentum=False)
                 for optimizer in optimizers]
    view_generator = BatchGenerator(torch.Generator(device).manual_seed(seed), rank, world_size)
    losses: list[float] = []
    for step, batch_rows in enumerate(_batch_rows(len(images), recipe, seed, steps), start=1):
        local_rows = batch_rows[rank::world_size]
        trainable.zero_grad(set_to_none=True)
        loss = _loss(trainable, images[local_rows].to(device), labels[local_rows].to(device),
                     recipe, view_generator, _autocast(device, mixed_precision))
        losses.append(require_finite_loss(
            loss, step, remedy="lower `learning_rate`, or set `mixed_precision` to False"))
        loss.backward()
        for optimizer, schedule in zip(optimizers, schedules):
            optimizer.step()
            schedule.step()
        if on_step is not None:
            on_step(step, losses[-1], model)
    _broadcast_buffers(model)
    trainable.eval()
    model.eval()
    return TrainingHistory(tuple(losses), n_batches)


def _rank_and_world_size() -> tuple[int, int]:
    """Return this process's rank and the number of processes."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _batches_per_epoch(n_images: int, recipe: TrainingRecipe, world_size: int) -> int:
    if n_images < recipe.batch_size or recipe.batch_size % world_size:
        raise LabError(f"{n_images} images, batches of {recipe.batch_size}, {world_size} processes",
                       expected="at least one batch, which the processes can share evenly",
                       remedy="change `batch_size` in the recipe, or the number of processes")
    return n_images // recipe.batch_size


class DualEncoder(nn.Module):
    """A network that sees and one that reads, and the scale of their agreement."""

    def __init__(self, image: nn.Module, text: nn.Module, temperature: float) -> None:
        super().__init__()
        self.image, self.text = image, text
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, views: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return both embeddings, (n, width), and the logarithm of the scale."""
        return self.image(views), self.text(tokens), self.log_scale


def _prepare_trainable(model: nn.Module, labels: Tensor, recipe: TrainingRecipe,
                       text: nn.Module | None, *,
                       seed: int, device: torch.device) -> nn.Module:
    """Prepare the module to optimise: the network, what is put on it, shared between processes."""
    trainable = model.to(device)
    if (text is not None) != (recipe.objective == "clip"):
        raise LabError(f"the objective {recipe.objective!r} "
                       f"{'without' if text is None else 'with'} a network that reads",
                       expected="one for \"clip\" alone", remedy="pass `text`, or leave it out")
    if text is not None:
        trainable = DualEncoder(model, text.to(device), recipe.temperature)
    elif recipe.objective == "supervised":
        image_size = recipe.augmentation.size
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            width = model.eval()(torch.zeros(1, 3, image_size, image_size, device=device)).shape[1]
            classifier = nn.Linear(width, int(labels.max()) + 1).to(device)
        trainable = nn.Sequential(model, classifier)
    trainable.train()
    if _rank_and_world_size()[1] == 1:
        return trainable
    if device.type == "cuda":
        trainable = nn.SyncBatchNorm.convert_sync_batchnorm(trainable)
    return DistributedDataParallel(trainable)


def _optimizers(trainable: nn.Module, recipe: TrainingRecipe) -> list[torch.optim.Optimizer]:
    parameters = list(trainable.parameters())
    filters = [p for p in parameters if p.ndim == 4 and recipe.optimizer == "muon"]
    matrices = [p for p in parameters if p.ndim > 1 and not (filters and p.ndim == 4)]
    adamw = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay},
         {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}],
        lr=recipe.learning_rate)
    return [adamw, _muon(filters, recipe)] if filters else [adamw]


def _muon(filters: list[nn.Parameter], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Optimise filters (out, in, height, width) as torch's Muon asks: matrices of a row for each.

    The matrices are views of the filters, so that one's values are in their order in memory.
    """
    orders = [(0, 1, 2, 3) if p.is_contiguous() else (0, 2, 3, 1) for p in filters]
    matrices = [nn.Parameter(p.detach().permute(order).view(len(p), -1))
                for p, order in zip(filters, orders)]
    muon = torch.optim.Muon(matrices, lr=recipe.learning_rate, weight_decay=recipe.weight_decay,
                            adjust_lr_fn="match_rms_adamw")

    def take_gradients(*_: object) -> None:
        for matrix, p, order in zip(matrices, filters, orders):
            matrix.grad = p.grad.permute(order).reshape(matrix.shape)

    muon.register_step_pre_hook(take_gradients)
    return muon


def _batch_rows(n_images: int, recipe: TrainingRecipe, seed: int,
                steps: int | None) -> Iterator[Tensor]:
    """Yield the rows of each batch: the same in every process, each image once per epoch."""
    order = torch.Generator().manual_seed(seed)
    n_batches, within = n_images // recipe.batch_size, torch.arange(recipe.group_size)
    n_remaining = recipe.epochs * n_batches if steps is None else steps
    for _ in range(recipe.epochs):
        groups = torch.randperm(n_images // recipe.group_size, generator=order)
        shuffled = (groups[:, None] * recipe.group_size + within).flatten()
        yield from shuffled.split(recipe.batch_size)[:min(n_batches, n_remaining)]
        n_remaining = max(0, n_remaining - n_batches)


def _loss(trainable: nn.Module, images: Tensor, labels: Tensor, recipe: TrainingRecipe,
          generator: BatchGenerator, precision: AbstractContextManager) -> Tensor:
    """Compute the loss of one batch. Two views go through the network as one double batch."""
    views = augment(images, recipe.augmentation, generator=generator)
    if recipe.objective in ("barlow_twins", "simclr"):
        views = torch.cat([views, augment(images, recipe.augmentation, generator=generator)])
    if recipe.objective in ("clip", "targets"):
        caption_idx = generator.integers(len(labels), labels.shape[1], labels)
        labels = labels[torch.arange(len(labels)), caption_idx]
    if recipe.objective == "clip":
        with precision:
            image_embeddings, text_embeddings, scale = trainable(views, labels)
        return clip_loss(image_embeddings.float(), text_embeddings.float(), scale)
    with precision:
        outputs = trainable(views)
    # Outside of autocast: a loss summed in bfloat16 keeps no more than three digits.
    outputs = outputs.float()
    if recipe.objective == "supervised":
        return functional.cross_entropy(gather_batch(outputs), gather_batch(labels))
    if recipe.objective == "targets":
        return target_loss(outputs, labels)
    z1, z2 = outputs.chunk(2)
    if recipe.objective == "barlow_twins":
        return barlow_twins_loss(z1, z2, lam=recipe.lam)
    return nt_xent_loss(z1, z2, temperature=recipe.temperature)


def _autocast(device: torch.device, use_bfloat16: bool | None) -> AbstractContextManager:
    """Compute in bfloat16 where asked to, or where the hardware multiplies it natively."""
    if use_bfloat16 is None:
        use_bfloat16 = (torch.cuda.is_bf16_supported(including_emulation=False)
                        if device.type == "cuda"
                        else torch.cpu.get_capabilities().get("avx512_bf16", False))
    return torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16)


def _broadcast_buffers(model: nn.Module) -> None:
    """Give all processes the running means of the first; their weights agree already."""
    if _rank_and_world_size()[1] > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)
