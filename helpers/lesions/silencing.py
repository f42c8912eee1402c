"""Lesions of a network: silence units, and run all lesions in one pass over the images.

A lesion multiplies units of some layers by zero, channel by channel and position by position
(Prince, Alvarez & Konkle 2024; authors' lesioning.py). Nothing is retrained or rescaled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.core.errors import LabError, one_of
from helpers.networks.activations import layer_hooks
from helpers.networks.partial_forward import PartialForward

Masks = Mapping[str, Tensor]
"""Layer name -> bool (n_units,), True where a unit is silenced; units as `stream` flattens them."""

Consume = Callable[[int, int, Tensor], None]
Watch = Callable[[int, str, Tensor], None]

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU,
              nn.Hardswish, nn.Mish, nn.Softplus)
"""Nonlinearities that count as ReLU layers."""


@dataclass(frozen=True)
class Lesion:
    """Units that are silenced together.

    Attributes
    ----------
    name : str
        For error messages.
    masks : mapping
        Layer name -> Tensor, bool, shape (n_units,), True where silenced. A layer that is not
        named, or whose mask is False throughout, is left as it is.
    """

    name: str
    masks: Masks


@contextmanager
def apply_lesion(model: nn.Module, layers: Mapping[str, str], lesion: Lesion) -> Iterator[None]:
    """Silence the units of one lesion during every forward pass within the context.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path.
    lesion : Lesion

    Raises
    ------
    LabError
        If a mask is for a layer that the network lacks, or does not fit the layer's output.
    """
    paths = {name.split("#")[0] for name in lesion.masks}
    _require_layers(lesion, paths, layers)

    def silence(name: str, output: Tensor) -> Tensor | None:
        if name in lesion.masks:
            return _silence(output, _reshape_mask(lesion, name, output.shape[1:]))
        return None

    with layer_hooks(model, {name: layers[name] for name in layers if name in paths}, silence):
        yield


def run_lesions(model: nn.Module, layers: Mapping[str, str], lesions: Sequence[Lesion],
                batches: Iterable[Tensor], consume: Consume, *, watch: Watch | None = None) -> None:
    """Run every lesion over the same images in one pass.

    The intact network processes each batch once; every lesion then recomputes only the layers after
    its first silenced one. The outputs equal those of `apply_lesion`, one lesion at a time.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path.
    lesions : sequence of Lesion
    batches : iterable of Tensor, float32, shape (n_images, 3, height, width)
        Moved to the model's device.
    consume : callable
        ``consume(start, lesion_idx, output)``: index of the batch's first image, 0 for the intact
        network or the lesion's place from 1, and the network's output (n_images, ...).
    watch : callable, optional
        ``watch(start, layer, activations)`` of the intact network: (n_images, n_units), valid
        during the call only.

    Raises
    ------
    LabError
        If a mask is for a layer that the network lacks or never computes, or does not fit the
        layer's output; nothing has been computed then.
    """
    device = next(model.parameters(), torch.empty(0)).device
    with PartialForward(model, layers) as partial_forward:
        start, plan = 0, None
        for batch in batches:
            images = batch.to(device)
            if plan is None:
                partial_forward.trace(images[:2])
                plan = [_plan_lesion(lesion, partial_forward, device) for lesion in lesions]
                partial_forward.cache_outputs_before(first for first, _ in plan if first)
            observed = partial(_observe, watch, start) if watch else None
            intact = partial_forward.run(images, transform=observed)
            consume(start, 0, intact)
            for lesion_idx, (first, masks) in enumerate(plan, start=1):
                changed = partial(_apply_masks, masks)
                # The output of a lesion without units is that of the intact network.
                consume(start, lesion_idx, partial_forward.rerun_from(
                    images, start=first, transform=changed) if first else intact)
            start += len(images)


def _apply_masks(masks: Masks, name: str, output: Tensor) -> Tensor:
    return _silence(output, masks[name]) if name in masks else output


def _observe(watch: Watch, start: int, name: str, output: Tensor) -> Tensor:
    watch(start, name, output.flatten(1))
    return output


def _plan_lesion(lesion: Lesion, partial_forward: PartialForward,
                 device: torch.device) -> tuple[str | None, Masks]:
    """Return a lesion's first silenced layer and its masks, without those that have no unit."""
    _require_layers(lesion, lesion.masks, partial_forward.shapes)
    masks = {name: _reshape_mask(lesion, name, partial_forward.shapes[name]).to(device)
             for name, mask in lesion.masks.items() if mask.any()}
    return min(masks, key=partial_forward.call_rank, default=None), masks


def _silence(output: Tensor, mask: Tensor) -> Tensor:
    """Return ``output`` with the units of ``mask`` (shape of one image's output) at zero."""
    return output * (~mask).to(output.dtype)


def _reshape_mask(lesion: Lesion, layer: str, shape: tuple[int, ...]) -> Tensor:
    """Return the mask of a layer in the shape of its output for one image."""
    mask, n_units = lesion.masks[layer], int(np.prod(shape))
    if mask.dtype != torch.bool or mask.shape != (n_units,):
        raise LabError(f"lesion {lesion.name!r}: the mask of layer {layer!r} is {mask.dtype} "
                       f"{tuple(mask.shape)}, the layer's output is {tuple(shape)} an image",
                       expected=f"torch.bool ({n_units},), one value for every unit",
                       remedy="localize units in this very network, at this size of images")
    return mask.view(shape)


def _require_layers(lesion: Lesion, wanted: Iterable[str], computed: Collection[str]) -> None:
    for name in wanted:
        if name not in computed:
            raise LabError(f"lesion {lesion.name!r}: the network computes no layer {name!r}",
                           expected=one_of(computed), remedy="name a layer of this list")


# ---- which layers, which units ------------------------------------------------------------------

def find_relu_layers(model: nn.Module, layers: Mapping[str, str]) -> list[str]:
    """Return the names of the ReLU layers (or of what a network has in their place), in order."""
    modules = dict(model.named_modules())
    return [name for name, path in layers.items() if isinstance(modules[path], RECTIFIERS)]


def select_lesion_layers(method: str, layers: Sequence[str], relus: Collection[str]) -> list[str]:
    """Return the layers of one of the published lesion methods (authors' lesioning.py).

    Parameters
    ----------
    method : str
        ``relus`` (all ReLU layers; the figures), ``full`` (every layer), ``relus_1-5``,
        ``until_relu6`` (every layer but the readout and the four before it: with the published
        readout from relu7 up to batchnorm6, relu6 not included), or the name of one layer, such as
        ``fc6``, ``avgpool5``, ``relu5``.
    layers : sequence of str
        All layers before the readout, in order; a repeated call of a module is ``name#2``.
    relus : collection of str
        Names of the ReLU layers.

    Raises
    ------
    LabError
        If the network has no such layers.
    """
    def calls_of(modules: Collection[str]) -> list[str]:
        return [name for name in layers if name.split("#")[0] in modules]

    methods = {"full": list(layers), "relus": calls_of(relus),
               "relus_1-5": calls_of([f"relu{block}" for block in range(1, 6)]),
               "until_relu6": [*layers[:-4]] if "relu6" in layers else []}
    selected = methods.get(method, calls_of([method]))
    if not selected:
        raise LabError(f"no layer for a lesion {method!r}",
                       expected=f"{', '.join(methods)}, or one of {', '.join(layers)}",
                       remedy="choose a method that this network has the layers for")
    return selected


def top_fraction(t_mean: NDArray, fraction: float) -> NDArray[np.bool_]:
    """Select the units above the (1 - fraction) quantile of mean t, per domain.

    A published alternative to the conjunction test (authors' selectivity.py and lesioning.py).

    Parameters
    ----------
    t_mean : array, float, shape (n_domains, n_units)
        NaN (dead units) is never selected, infinity always.
    fraction : float
        Between 0 and 1, of the live units.

    Returns
    -------
    array, bool, shape (n_domains, n_units)
    """
    if not 0 < fraction < 1:
        raise LabError(f"fraction = {fraction}", expected="a fraction between 0 and 1",
                       remedy="0.05 takes the five percent of units with the largest mean t")
    with np.errstate(invalid="ignore"):    # infinity - infinity
        threshold = pd.DataFrame(t_mean).quantile(1 - fraction, axis=1).to_numpy()
    return (t_mean > threshold[:, None]) | (t_mean == np.inf)


def shuffle_units(masks: Mapping[str, np.ndarray], *, seed: Sequence[int]) -> dict[str, np.ndarray]:
    """Permute each layer's units: random masks with as many units of each domain in each layer.

    The published control (authors' classes.py) permutes each domain on its own. Here all domains of
    a layer share one permutation, so that random lesions of two domains share no more units than
    the real ones do.

    Parameters
    ----------
    masks : mapping
        Layer -> bool (n_domains, n_units).
    seed : sequence of int
        Of this draw; layers are permuted one after the other.
    """
    rng = np.random.default_rng(list(seed))
    return {layer: values[:, rng.permutation(values.shape[1])] for layer, values in masks.items()}


def make_lesions(masks: Mapping[str, np.ndarray], names: Sequence[str],
                 layers: Sequence[str]) -> list[Lesion]:
    """Make one lesion per domain from its masks (layer -> bool (n_domains, n_units))."""
    return [Lesion(name, {layer: torch.from_numpy(masks[layer][index]) for layer in layers})
            for index, name in enumerate(names)]
