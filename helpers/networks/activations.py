"""Activations of many layers in one forward pass, handed on at once.

A hook gives each layer's output to the consumer *inside* the hook, before anything
downstream can overwrite it (an in-place ReLU, ``out += identity``), and nothing is kept:
memory is one layer of one batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from helpers.ground.errors import LabError, one_of

Consumer = Callable[[str, Tensor], Tensor | None]
"""Takes a layer's name and its output (n_images, ...); must copy what it wants to keep. A tensor
that it returns takes the output's place."""


def paths_of(known: Mapping[str, str], layers: Iterable[str]) -> dict[str, str]:
    """Return layer name -> module path of some of a network's layers.

    Raises
    ------
    LabError
        If the network has no layer of a name.
    """
    layers = list(layers)
    missing = [layer for layer in layers if layer not in known]
    if missing:
        raise LabError(f"no layer {missing[0]!r}", expected=one_of(known),
                       remedy="correct the names of layers in the profile")
    return {layer: known[layer] for layer in layers}


@contextmanager
def hooked(model: nn.Module, layers: Mapping[str, str], consume: Consumer) -> Iterator[None]:
    """Hand the outputs of ``layers`` to ``consume`` during every forward pass within.

    ``consume`` may read an output, or replace it by returning another tensor.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path. A module that is called several times in one pass (a ReLU
        shared within a residual block) gives ``name``, ``name#2``, ... in order of the calls.
    consume : callable
        ``consume(name, output)``; a module that returns a tuple gives its first tensor.

    Raises
    ------
    LabError
        If a path is not a module of the network.
    """
    modules = dict(model.named_modules())
    missing = [path for path in layers.values() if path not in modules]
    if missing:
        raise LabError(f"no module {missing[0]!r} in the network",
                       expected=one_of(list(modules)[1:]),
                       remedy="choose a layer from this list")
    calls: Counter[str] = Counter()

    def hand_on(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: object, output: object) -> object:
            calls[name] += 1
            changed = consume(nth_call(name, calls[name]), first_tensor(output))
            return None if changed is None else with_first_tensor(output, changed)
        return hook

    handles = [modules[path].register_forward_hook(hand_on(name))
               for name, path in layers.items()]
    handles.append(model.register_forward_pre_hook(lambda *_: calls.clear()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def nth_call(name: str, n: int) -> str:
    """Name the ``n``-th call (from 1) of a layer in one pass."""
    return name if n == 1 else f"{name}#{n}"


def first_tensor(output: object) -> Tensor:
    """Return a module's output, or its first part where it is a tuple or a mapping."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, Mapping) else output))
    return output


def with_first_tensor(output: object, changed: Tensor) -> object:
    """Return an output with another first tensor."""
    if isinstance(output, Tensor):
        return changed
    if isinstance(output, Mapping):
        first = next(iter(output))
        return {**output, first: with_first_tensor(output[first], changed)}
    return (with_first_tensor(output[0], changed), *output[1:])


@contextmanager
def exact(model: nn.Module) -> Iterator[None]:
    """Evaluate in ``eval`` mode, without gradients and without TF32, and restore all three."""
    training = model.training
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    model.eval()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32


def every_unit(output: Tensor) -> Tensor:
    """Read all units of an output, (n_images, n_units): a view."""
    return output.reshape(len(output), -1)


def channel_means(output: Tensor) -> Tensor:
    """Read the mean of every feature map over its positions, (n_images, n_channels)."""
    return output.flatten(2).mean(2) if output.ndim > 2 else output


def stream(model: nn.Module, layers: Mapping[str, str], batches: Iterable[Tensor],
           consume: Callable[[int, str, Tensor], None], *,
           read: Callable[[Tensor], Tensor] = every_unit) -> None:
    """Run batches through the network and hand every layer's output on.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path.
    batches : iterable of Tensor, float32, shape (n_images, 3, height, width)
        Moved to the model's device.
    consume : callable
        ``consume(start, name, activations)`` with ``start`` the index of the batch's first
        image and ``activations`` (n_images, n_units), which the next layer may overwrite.
    read : callable
        `every_unit` or `channel_means`.
    """
    parameter = next(model.parameters(), torch.empty(0))
    start = 0

    def hand_on(name: str, output: Tensor) -> None:
        consume(start, name, read(output))

    with exact(model), hooked(model, layers, hand_on):
        for batch in batches:
            model(batch.to(parameter.device, non_blocking=True))
            start += len(batch)


def collect(model: nn.Module, layers: Mapping[str, str], batches: Iterable[Tensor],
            units: Mapping[str, Sequence[int] | Tensor] | None = None, *,
            read: Callable[[Tensor], Tensor] = every_unit) -> dict[str, Tensor]:
    """Keep the activations of chosen layers (and units) as arrays.

    Parameters
    ----------
    model, layers, batches, read
        As for :func:`stream`.
    units : mapping, optional
        Layer name -> indices of the units to keep; all of them by default.

    Returns
    -------
    dict of str to Tensor, float32, shape (n_images, n_units), on the CPU
    """
    parts: dict[str, list[Tensor]] = {}

    def keep(_start: int, name: str, activations: Tensor) -> None:
        chosen = activations if units is None else activations[:, units[name]]
        parts.setdefault(name, []).append(chosen.to("cpu", torch.float32, copy=True))

    stream(model, layers, batches, keep, read=read)
    return {name: torch.cat(rows) for name, rows in parts.items()}


def count_units(model: nn.Module, layers: Mapping[str, str], batch: Tensor) -> dict[str, int]:
    """Count the units of every layer for images of the batch's shape."""
    counts: dict[str, int] = {}
    stream(model, layers, [batch[:1]],
           lambda _start, name, activations: counts.update({name: activations.shape[1]}))
    return counts
