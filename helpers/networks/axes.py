"""Which axis of a layer's output holds its channels: found in a trial pass, never guessed.

PyTorch's modules declare their layout: convolutions, batch norms and poolings have channels on
axis 1, linear layers and layer norms on the last. What such a module takes or gives is known;
pointwise modules pass it on. Sums and other outputs of code between modules are known from the
module that takes them next, or from known outputs of the same shape where no other axis has as
many entries as channels. Everything else stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.weak import WeakTensorKeyDictionary
from torchvision.ops import Permute, StochasticDepth

from helpers.ground.errors import LabError

CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm,
                  nn.LocalResponseNorm, nn.modules.pooling._MaxPoolNd,
                  nn.modules.pooling._AvgPoolNd, nn.modules.pooling._LPPoolNd,
                  nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd,
                  nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
POINTWISE = (nn.modules.dropout._DropoutNd, StochasticDepth)
TRIAL = 13
"""Images in a trial without values: no other axis of an output is so long by chance."""


@dataclass(frozen=True)
class Answer:
    """What one call of a module gives.

    Attributes
    ----------
    shape : tuple of int
        Of the output, or of its first tensor; of all images together.
    axis : int, optional
        Where the channels are; None where it cannot be told.
    whole : bool
        Whether the output is a tensor, neither a tuple nor a mapping.
    """

    shape: tuple[int, ...]
    axis: int | None
    whole: bool


@dataclass
class _Layout:
    """Of one tensor: several modules may give or take it."""

    shape: tuple[int, ...]
    axis: int | None = None


def trial(model: nn.Module, images: Tensor) -> dict[str, list[Answer]]:
    """Run a pass and note what every module gives, call by call.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    images : Tensor, float32, shape (n_images, 3, height, width)
        On the device ``meta`` for a pass without values, whatever device the model is on.

    Returns
    -------
    dict
        Module path -> its calls in order; modules that are never called are absent.
    """
    calls: list[tuple[str, _Layout, bool]] = []
    known = WeakTensorKeyDictionary()

    def note(path: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            given = first_tensor_or_none(output)
            if given is not None:
                layout = _layout(module, first_tensor_or_none(inputs), given, known)
                calls.append((path, layout, isinstance(output, Tensor)))
        return hook

    with ExitStack() as stack, torch.no_grad():
        for path, module in model.named_modules():
            if path:
                stack.callback(module.register_forward_hook(note(path)).remove)
        if images.is_meta:
            tensors = [*model.named_parameters(), *model.named_buffers()]
            functional_call(model, {name: tensor.to("meta") for name, tensor in tensors}, images)
        else:
            model(images)
    _compare_shapes([layout for _, layout, _ in calls])
    found: dict[str, list[Answer]] = {}
    for path, layout, whole in calls:
        found.setdefault(path, []).append(Answer(layout.shape, layout.axis, whole))
    return found


def first_tensor_or_none(value: object) -> Tensor | None:
    """Return a tensor, or the first part of a tuple or mapping that leads to one."""
    while not isinstance(value, Tensor):
        parts = list(value.values()) if isinstance(value, Mapping) else value
        if not isinstance(parts, (list, tuple)) or not parts:
            return None
        value = parts[0]
    return value


def _layout(module: nn.Module, taken: Tensor | None, given: Tensor,
            known: WeakTensorKeyDictionary) -> _Layout:
    """Note one call: the same tensor, and one that a pointwise module gives, share a layout."""
    source = _Layout(())
    if taken is not None:
        source = known.setdefault(taken, _Layout(tuple(taken.shape)))
        if source.axis is None:
            source.axis = _declared(module, source.shape, "in_features")
        if _pointwise(module) and taken.shape == given.shape:
            return known.setdefault(given, source)
    layout = known.setdefault(given, _Layout(tuple(given.shape)))
    if layout.axis is None:
        layout.axis = _declared(module, layout.shape, "out_features")
    if layout.axis is None and source.axis is not None:
        layout.axis = _moved(module, source.axis)
    return layout


def _pointwise(module: nn.Module) -> bool:
    return isinstance(module, POINTWISE) or (
        type(module).__module__ == nn.ReLU.__module__
        and not isinstance(module, nn.MultiheadAttention))


def _declared(module: nn.Module, shape: tuple[int, ...], features: str) -> int | None:
    """Return the axis on which a module has channels by its own definition."""
    last = len(shape) - 1
    if isinstance(module, CHANNELS_FIRST) or type(module).__name__ == "LayerNorm2d":
        return 1
    if isinstance(module, nn.MultiheadAttention) and module.batch_first:
        return last
    if isinstance(module, nn.Linear):
        width = getattr(module, features)
    elif isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        width = module.normalized_shape[0]
    else:
        return 1 if last == 1 and features == "out_features" else None
    if type(module) in (nn.Linear, nn.LayerNorm):
        return last
    # A class derived from these may move axes before and after.
    fitting = [axis for axis in range(1, last + 1) if shape[axis] == width]
    return fitting[0] if len(fitting) == 1 else None


def _moved(module: nn.Module, axis: int) -> int | None:
    if isinstance(module, Permute):
        return list(module.dims).index(axis)
    return axis if isinstance(module, nn.Flatten) and axis < module.start_dim else None


def _compare_shapes(layouts: list[_Layout]) -> None:
    axes: dict[tuple[int, ...], set[int]] = {}
    for layout in layouts:
        if layout.axis is not None:
            axes.setdefault(layout.shape, set()).add(layout.axis)
    for layout in layouts:
        found = axes.get(layout.shape, set())
        if layout.axis is None and len(found) == 1:
            (axis,) = found
            if layout.shape[1:].count(layout.shape[axis]) == 1:
                layout.axis = axis


def nth_call(name: str, n: int) -> str:
    """Name the ``n``-th call (from 1) of a layer in one pass."""
    return name if n == 1 else f"{name}#{n}"


def channel_axes(model: nn.Module, layers: Mapping[str, str], images: Tensor) -> dict[str, Answer]:
    """Tell where the channels of some layers are.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    layers : mapping
        Layer name -> module path.
    images : Tensor, float32, shape (n_images, 3, height, width)

    Returns
    -------
    dict
        Layer name (``name#2`` for a second call) -> answer whose ``axis`` is not None.

    Raises
    ------
    LabError
        Where channels and positions cannot be told apart.
    """
    calls = trial(model, images)
    found = {nth_call(name, n): answer for name, path in layers.items()
             for n, answer in enumerate(calls.get(path, ()), 1)}
    for name, answer in found.items():
        if answer.axis is None:
            raise LabError(f"channels and positions of the layer {name} cannot be told apart in "
                           f"its output {answer.shape}",
                           expected="a layer whose channels are known: a convolution, a "
                                    "normalisation, a pooling, a linear layer, or what follows",
                           remedy="choose such a layer close to it")
    return found


def answering(model: nn.Module, layers: Mapping[str, str],
              input_shape: tuple[int, int, int]) -> dict[str, str]:
    """Keep the layers that give one tensor, with one row per image, in a pass without values.

    Others are never called (heads that only serve training, parts whose weights another module
    uses), give tuples, or mix images with other things on the first axis.

    Raises
    ------
    LabError
        If the network cannot take images of this shape.
    """
    try:
        calls = trial(model, torch.empty(TRIAL, *input_shape, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise LabError(f"the network cannot take images of {input_shape[1]} x {input_shape[2]} "
                       f"pixels: {(str(error).splitlines() or [''])[0]}",
                       expected="images that it is made for",
                       remedy="correct `crop` in `preprocessing`, or `options`") from error
    return {name: path for name, path in layers.items()
            if all(answer.whole and answer.shape[:1] == (TRIAL,)
                   for answer in calls.get(path, [Answer((), None, whole=False)]))}
