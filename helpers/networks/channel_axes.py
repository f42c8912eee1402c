"""Which axis of a layer's output holds its channels: found in a trial pass, never guessed.

PyTorch's modules declare their layout: convolutions, batch norms and poolings have channels on
axis 1, linear layers and layer norms on the last. What such a module takes or gives is known;
pointwise modules pass it on. Sums and other outputs of code between modules are known from the
module that takes them next, or from known outputs of the same shape where no other axis has as
many entries as channels. Everything else stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.weak import WeakTensorKeyDictionary
from torchvision.ops import Permute, StochasticDepth

from helpers.core.errors import LabError

CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm,
                  nn.LocalResponseNorm, nn.modules.pooling._MaxPoolNd,
                  nn.modules.pooling._AvgPoolNd, nn.modules.pooling._LPPoolNd,
                  nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd,
                  nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle)
POINTWISE = (nn.modules.dropout._DropoutNd, StochasticDepth)
TRACE_BATCH_SIZE = 13
"""Images in a trial without values: no other axis of an output is so long by chance."""


@dataclass(frozen=True)
class CallOutput:
    """What one call of a module gives.

    Attributes
    ----------
    shape : tuple of int
        Of the output, or of its first tensor; of all images together.
    axis : int, optional
        Where the channels are; None where it cannot be told.
    is_tensor : bool
        Whether the output is a tensor, neither a tuple nor a mapping.
    """

    shape: tuple[int, ...]
    axis: int | None
    is_tensor: bool


@dataclass
class _Layout:
    """Of one tensor: several modules may give or take it."""

    shape: tuple[int, ...]
    axis: int | None = None


def trace_outputs(model: nn.Module, images: Tensor) -> dict[str, list[CallOutput]]:
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
    layout_of_tensor = WeakTensorKeyDictionary()

    def record(path: str, module: nn.Module, inputs: tuple, output: object) -> None:
        output_tensor = first_tensor(output)
        if output_tensor is not None:
            layout = _record_layout(module, first_tensor(inputs), output_tensor, layout_of_tensor)
            calls.append((path, layout, isinstance(output, Tensor)))

    with ExitStack() as stack, torch.no_grad():
        for path, module in model.named_modules():
            if path:
                stack.callback(module.register_forward_hook(partial(record, path)).remove)
        if images.is_meta:
            tensors = [*model.named_parameters(), *model.named_buffers()]
            functional_call(model, {name: tensor.to("meta") for name, tensor in tensors}, images)
        else:
            model(images)
    _infer_axes_from_shapes([layout for _, layout, _ in calls])
    outputs: dict[str, list[CallOutput]] = {}
    for path, layout, is_tensor in calls:
        outputs.setdefault(path, []).append(CallOutput(layout.shape, layout.axis, is_tensor))
    return outputs


def first_tensor(value: object) -> Tensor | None:
    """Return a tensor, or the first part of a tuple or mapping that leads to one."""
    while not isinstance(value, Tensor):
        parts = list(value.values()) if isinstance(value, Mapping) else value
        if not isinstance(parts, (list, tuple)) or not parts:
            return None
        value = parts[0]
    return value


def _record_layout(module: nn.Module, input_tensor: Tensor | None, output_tensor: Tensor,
                   layout_of_tensor: WeakTensorKeyDictionary) -> _Layout:
    """Note one call: the same tensor, and one that a pointwise module gives, share a layout."""
    input_layout = _Layout(())
    if input_tensor is not None:
        input_layout = layout_of_tensor.setdefault(input_tensor, _Layout(tuple(input_tensor.shape)))
        if input_layout.axis is None:
            input_layout.axis = _declared_axis(module, input_layout.shape, "in_features")
        if _is_pointwise(module) and input_tensor.shape == output_tensor.shape:
            return layout_of_tensor.setdefault(output_tensor, input_layout)
    layout = layout_of_tensor.setdefault(output_tensor, _Layout(tuple(output_tensor.shape)))
    if layout.axis is None:
        layout.axis = _declared_axis(module, layout.shape, "out_features")
    if layout.axis is None and input_layout.axis is not None:
        layout.axis = _permuted_axis(module, input_layout.axis)
    return layout


def _is_pointwise(module: nn.Module) -> bool:
    return isinstance(module, POINTWISE) or (
        type(module).__module__ == nn.ReLU.__module__
        and not isinstance(module, nn.MultiheadAttention))


def _declared_axis(module: nn.Module, shape: tuple[int, ...], features: str) -> int | None:
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
    matching_axes = [axis for axis in range(1, last + 1) if shape[axis] == width]
    return matching_axes[0] if len(matching_axes) == 1 else None


def _permuted_axis(module: nn.Module, axis: int) -> int | None:
    if isinstance(module, Permute):
        return list(module.dims).index(axis)
    return axis if isinstance(module, nn.Flatten) and axis < module.start_dim else None


def _infer_axes_from_shapes(layouts: list[_Layout]) -> None:
    axes: dict[tuple[int, ...], set[int]] = {}
    for layout in layouts:
        if layout.axis is not None:
            axes.setdefault(layout.shape, set()).add(layout.axis)
    for layout in layouts:
        known_axes = axes.get(layout.shape, set())
        if layout.axis is None and len(known_axes) == 1:
            (axis,) = known_axes
            if layout.shape[1:].count(layout.shape[axis]) == 1:
                layout.axis = axis


def call_name(name: str, n: int) -> str:
    """Name the ``n``-th call (from 1) of a layer in one pass."""
    return name if n == 1 else f"{name}#{n}"


def channel_axes(model: nn.Module, layers: Mapping[str, str],
                 images: Tensor) -> dict[str, CallOutput]:
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
    calls = trace_outputs(model, images)
    output_of_layer = {call_name(name, n): call for name, path in layers.items()
                       for n, call in enumerate(calls.get(path, ()), 1)}
    for name, call in output_of_layer.items():
        if call.axis is None:
            raise LabError(f"channels and positions of the layer {name} cannot be told apart in "
                           f"its output {call.shape}",
                           expected="a layer whose channels are known: a convolution, a "
                           "normalisation, a pooling, a linear layer, or what follows",
                           remedy="choose such a layer close to it")
    return output_of_layer


def trial_pass(model: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, list[CallOutput]]:
    """Run `trace_outputs` for images of a shape: without values, or with black images.

    Some networks compute with the values of their tensors, which a pass without values lacks.

    Raises
    ------
    LabError
        If the network cannot take images of this shape.
    """
    try:
        return trace_outputs(model, torch.empty(TRACE_BATCH_SIZE, *input_shape, device="meta"))
    except Exception:  # what a pass without values cannot do, a network may do otherwise
        device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    try:
        return trace_outputs(model, torch.zeros(TRACE_BATCH_SIZE, *input_shape, device=device))
    except Exception as error:  # code of others fails in any way
        raise LabError(f"the network cannot take images of {input_shape[1]} x {input_shape[2]} "
                       f"pixels: {(str(error).splitlines() or [''])[0]}",
                       expected="images that it is made for",
                       remedy="correct `crop` in `preprocessing`, or `options`") from error


def select_tensor_layers(model: nn.Module, layers: Mapping[str, str],
                         input_shape: tuple[int, int, int]) -> dict[str, str]:
    """Keep the layers that give one tensor, with one row per image, in a trial pass.

    Others are never called (heads that only serve training, parts whose weights another module
    uses), give tuples, or mix images with other things on the first axis.

    Raises
    ------
    LabError
        If the network cannot take images of this shape.
    """
    calls = trial_pass(model, input_shape)
    return {name: path for name, path in layers.items()
            if all(call.is_tensor and call.shape[:1] == (TRACE_BATCH_SIZE,)
                   for call in calls.get(path, [CallOutput((), None, is_tensor=False)]))}
