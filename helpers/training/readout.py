"""A linear readout on a frozen network: from features to the names of classes.

Cross-entropy plus a penalty on the magnitude of positive and of negative weights, stochastic
gradient descent with one cycle of the learning rate (Prince, Alvarez & Konkle 2024; authors'
readout.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from helpers.config.contrastive_coding import ReadoutSpec
from helpers.core.errors import LabError
from helpers.networks.activations import exact_inference, layer_hooks
from helpers.training.checkpoints import load_training_state, save_training_state
from helpers.training.losses import require_finite_loss

INITIAL_STD = 0.01
"""Published standard deviation of the first weights."""

FeatureBatch = tuple[Tensor, Tensor]
"""Features float32 (n_images, n_units) and labels int64 (n_images,)."""

StepCallback = Callable[[int, float], None]


class NetworkWithReadout(nn.Module):
    """A network up to one of its layers, and a linear readout behind it.

    Parameters
    ----------
    trunk : nn.Module
    path : str
        Module path, in the trunk, of the layer that is read.
    weight : Tensor
        float32 (n_classes, n_units).
    bias : Tensor, optional
        float32 (n_classes,); without it where there is none.
    """

    def __init__(self, trunk: nn.Module, path: str, weight: Tensor,
                 bias: Tensor | None = None) -> None:
        super().__init__()
        self.trunk, self.path = trunk, path
        self.readout = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None,
                                 device=weight.device)
        with torch.no_grad():
            self.readout.weight.copy_(weight)
            if bias is not None:
                self.readout.bias.copy_(bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to one value per class (n, n_classes)."""
        return self.readout(forward_to_layer(self.trunk, self.path, images))


class _LayerReached(Exception):
    """Ends a pass at the layer that is read: what lies behind it need not be computed."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def forward_to_layer(trunk: nn.Module, path: str, images: Tensor) -> Tensor:
    """Run a network up to a module; return its output, (n_images, n_units).

    Raises
    ------
    LabError
        If the module is never called.
    """
    def stop_at_layer(_name: str, output: Tensor) -> None:
        raise _LayerReached(output)

    try:
        with layer_hooks(trunk, {path: path}, stop_at_layer):
            trunk(images)
    except _LayerReached as reached:
        return reached.output.flatten(1)
    raise LabError(f"the module {path!r} is never called", expected="a layer that is computed",
                   remedy="read the network out at another layer")


def extract_layer_features(trunk: nn.Module, path: str, images: Tensor) -> Tensor:
    """Return what a layer makes of images, float32 (n_images, n_units), to be learned from."""
    with exact_inference(trunk):
        features = forward_to_layer(trunk, path, images)
    return features.clone()  # made outside of inference mode, so that a readout can learn from it


def readout_loss(logits: Tensor, labels: Tensor, weight: Tensor, *, l1_positive: float,
                 l1_negative: float) -> Tensor:
    r"""Compute the loss of a batch.

    .. math:: \mathrm{CE} + \lambda_+ \sum_{w > 0} w + \lambda_- \sum_{w < 0} |w|

    Parameters
    ----------
    logits : Tensor, float, shape (n_images, n_classes)
    labels : Tensor, int64, shape (n_images,)
    weight : Tensor, float, shape (n_classes, n_units)
    l1_positive, l1_negative : float
        Both 1e-5 in the published readout, which is then the ordinary L1 penalty.
    """
    penalty = l1_positive * weight.clamp(min=0).sum() - l1_negative * weight.clamp(max=0).sum()
    return functional.cross_entropy(logits, labels) + penalty


def train_readout(iter_epoch: Callable[[int], Iterable[FeatureBatch]], shape: tuple[int, int],
                  steps_per_epoch: int, spec: ReadoutSpec, *, seed: int,
                  device: torch.device | str = "cpu", state: Path | None = None,
                  steps: int | None = None, on_step: StepCallback | None = None
                  ) -> tuple[Tensor, list[float]]:
    """Train a readout; after an interruption, go on from the last whole epoch.

    Parameters
    ----------
    iter_epoch : callable
        ``iter_epoch(number)`` yields the batches of an epoch, the same at every call.
    shape : tuple of 2 int
        (n_classes, n_units).
    steps_per_epoch : int
    spec : ReadoutSpec
    seed : int
        Of the first weights.
    device : torch.device or str
    state : Path, optional
        Where to keep weights, momentum and losses after each epoch, and to look for them at
        first. With the same seed and batches, training ends at the same weights however often
        it was interrupted. The file is removed at the end.
    steps : int, optional
        Stop after so many steps of the whole schedule (a rehearsal).
    on_step : callable, optional
        ``on_step(step, loss)``, steps counted from 1 over all epochs.

    Returns
    -------
    weight : Tensor, float32, shape (n_classes, n_units), on the CPU
    losses : list of float
        Mean loss of every epoch.

    Raises
    ------
    LabError
        If a loss is no longer finite. Epochs already kept stay.

    Notes
    -----
    ``OneCycleLR`` with its own defaults, as published, also cycles the momentum
    (0.95 -> 0.85 -> 0.95), whatever the optimiser was given (0.9 there).
    """
    weight = torch.empty(shape).normal_(0, INITIAL_STD,
                                        generator=torch.Generator().manual_seed(seed)).to(device)
    optimizer = torch.optim.SGD([weight.requires_grad_()], lr=spec.initial_learning_rate,
                                momentum=0.9)
    losses = load_training_state(state, {"weight": weight}, optimizer)
    n_epochs_done = len(losses)
    schedule = OneCycleLR(optimizer, spec.max_learning_rate,
                          total_steps=spec.epochs * steps_per_epoch,
                          pct_start=spec.warmup_fraction,
                          div_factor=spec.max_learning_rate / spec.initial_learning_rate)
    optimizer.step()  # without gradients it changes nothing, and lets the schedule move on
    for _ in range(n_epochs_done * steps_per_epoch):
        schedule.step()
    step, last_step = n_epochs_done * steps_per_epoch, math.inf if steps is None else steps
    for epoch in range(n_epochs_done, spec.epochs):
        step_losses: list[float] = []
        for features, labels in iter_epoch(epoch):
            optimizer.zero_grad(set_to_none=True)
            loss = readout_loss(features @ weight.T, labels, weight,
                                l1_positive=spec.l1_positive, l1_negative=spec.l1_negative)
            step += 1
            step_losses.append(require_finite_loss(
                loss, step, remedy="lower `max_learning_rate` in the table [readout] of the "
                "profile"))
            loss.backward()
            optimizer.step()
            schedule.step()
            if on_step is not None:
                on_step(step, loss.item())
            if step >= last_step:
                return weight.detach().cpu(), [*losses, fmean(step_losses)]
        losses.append(fmean(step_losses))
        if state is not None:
            save_training_state(state, {"weight": weight}, optimizer, losses)
    if state is not None:
        state.unlink(missing_ok=True)
    return weight.detach().cpu(), losses
