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

from helpers.core.errors import LabError, one_of
from helpers.core.moments import float64_device
from helpers.networks.channel_axes import call_name, channel_axes, first_tensor

OutputCallback = Callable[[str, Tensor], Tensor | None]
"""Takes a layer's name and its output (n_images, ...); must copy what it wants to keep. A tensor
that it returns takes the output's place."""


def select_layer_paths(layer_paths: Mapping[str, str], layers: Iterable[str]) -> dict[str, str]:
    """Return layer name -> module path of some of a network's layers.

    Raises
    ------
    LabError
        If the network has no layer of a name.
    """
    layers = list(layers)
    unknown_layers = [layer for layer in layers if layer not in layer_paths]
    if unknown_layers:
        raise LabError(f"no layer {unknown_layers[0]!r}", expected=one_of(layer_paths),
                       remedy="correct the names of layers in the profile")
    return {layer: layer_paths[layer] for layer in layers}


@contextmanager
def layer_hooks(model: nn.Module, layers: Mapping[str, str],
                callback: OutputCallback) -> Iterator[None]:
    """Hand the outputs of ``layers`` to ``callback`` during every forward pass within.

    ``callback`` may read an output, or replace it by returning another tensor.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path. A module that is called several times in one pass (a ReLU
        shared within a residual block) gives ``name``, ``name#2``, ... in order of the calls.
    callback : callable
        ``callback(name, output)``; a module that returns a tuple gives its first tensor.

    Raises
    ------
    LabError
        If a path is not a module of the network.
    """
    modules = dict(model.named_modules())
    unknown_layers = [path for path in layers.values() if path not in modules]
    if unknown_layers:
        raise LabError(f"no module {unknown_layers[0]!r} in the network",
                       expected=one_of(list(modules)[1:]),
                       remedy="choose a layer from this list")
    calls: Counter[str] = Counter()

    def pass_to_callback(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: object, output: object) -> object:
            calls[name] += 1
            replacement = callback(call_name(name, calls[name]), first_tensor(output))
            return None if replacement is None else replace_first_tensor(output, replacement)
        return hook

    handles = [modules[path].register_forward_hook(pass_to_callback(name))
               for name, path in layers.items()]
    handles.append(model.register_forward_pre_hook(lambda *_: calls.clear()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def replace_first_tensor(output: object, replacement: Tensor) -> object:
    """Return an output with another first tensor."""
    if isinstance(output, Tensor):
        return replacement
    if isinstance(output, Mapping):
        first = next(iter(output))
        return {**output, first: replace_first_tensor(output[first], replacement)}
    return (replace_first_tensor(output[0], replacement), *output[1:])


@contextmanager
def exact_inference(model: nn.Module) -> Iterator[None]:
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


def flatten_units(output: Tensor, _axis: int = 1) -> Tensor:
    """Read all units of an output, (n_images, n_units): a view."""
    return output.reshape(len(output), -1)


def channel_means(output: Tensor, axis: int) -> Tensor:
    """Read the mean of every channel over its positions or tokens, (n_images, n_channels).

    ``axis`` is where the channels are: 1, or the last.
    """
    if output.ndim < 3:
        return output
    return output.movedim(axis, 1).flatten(2).mean(2)


def stream_activations(model: nn.Module, layers: Mapping[str, str], batches: Iterable[Tensor],
                       callback: Callable[[int, str, Tensor], None], *,
                       read: Callable[[Tensor, int], Tensor] = flatten_units) -> None:
    """Run batches through the network and hand every layer's output on.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path.
    batches : iterable of Tensor, float32, shape (n_images, 3, height, width)
        Moved to the model's device.
    callback : callable
        ``callback(start, name, activations)`` with ``start`` the index of the batch's first
        image and ``activations`` (n_images, n_units), which the next layer may overwrite. They
        are on the model's device, or on the CPU where that device has no float64.
    read : callable
        `flatten_units` or `channel_means`.

    Raises
    ------
    LabError
        If a path is not a module of the network; if a layer does not give one row per image; for
        `channel_means`, if its channels and positions cannot be told apart.
    """
    device = next(model.parameters(), torch.empty(0)).device
    receiver, start, axes = float64_device(device), 0, {}

    def pass_to_callback(name: str, output: Tensor) -> None:
        if output.shape[:1] != batch.shape[:1]:
            raise LabError(f"the layer {name} gives {tuple(output.shape)} for {len(batch)} images",
                           expected="one row per image",
                           remedy="choose another layer; load_network lists those that do")
        callback(start, name, read(output, axes[name].axis if axes else 1).to(receiver))

    with exact_inference(model):
        for batch in batches:
            # Waits: on Apple's GPUs a copy that does not may read freed memory (pytorch#139550).
            images = batch.to(device)
            if read is channel_means and not axes:
                axes = channel_axes(model, layers, images[:2])
            with layer_hooks(model, layers, pass_to_callback):
                model(images)
            start += len(batch)


def extract_activations(model: nn.Module, layers: Mapping[str, str], batches: Iterable[Tensor],
                        units: Mapping[str, Sequence[int] | Tensor] | None = None, *,
                        read: Callable[[Tensor, int], Tensor] = flatten_units) -> dict[str, Tensor]:
    """Keep the activations of chosen layers (and units) as arrays.

    Parameters
    ----------
    model, layers, batches, read
        As for :func:`stream_activations`.
    units : mapping, optional
        Layer name -> indices of the units to keep; all of them by default.

    Returns
    -------
    dict of str to Tensor, float32, shape (n_images, n_units), on the CPU
    """
    parts: dict[str, list[Tensor]] = {}

    def append_activations(_start: int, name: str, activations: Tensor) -> None:
        selected = activations if units is None else activations[:, units[name]]
        parts.setdefault(name, []).append(selected.to("cpu", torch.float32, copy=True))

    stream_activations(model, layers, batches, append_activations, read=read)
    return {name: torch.cat(rows) for name, rows in parts.items()}


def count_units(model: nn.Module, layers: Mapping[str, str], batch: Tensor) -> dict[str, int]:
    """Count the units of every layer for images of the batch's shape."""
    counts: dict[str, int] = {}
    stream_activations(model, layers, [batch[:1]],
           lambda _start, name, activations: counts.update({name: activations.shape[1]}))
    return counts
