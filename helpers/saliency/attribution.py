"""Attribution of a class to the parts of an image: Grad-CAM, HiResCAM and hemifield occlusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.networks.activations import layer_hooks
from helpers.networks.channel_axes import channel_axes

Method = Literal["Grad-CAM", "HiResCAM"]


def saliency(model: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor, *,
             method: Method = "Grad-CAM") -> Tensor:
    """Return the saliency map of a class in one layer; see `saliency_maps`."""
    return saliency_maps(model, {"": layer}, images, classes)[1][method, ""]


def saliency_maps(model: nn.Module, layers: Mapping[str, nn.Module], images: Tensor,
                  classes: Tensor) -> tuple[Tensor, dict[tuple[Method, str], Tensor]]:
    r"""Return the saliency maps of a class in several layers, from one backward pass.

    .. math:: \mathrm{ReLU}\Big(\sum_c \bar g_c A_c(x, y)\Big) \quad\text{or}\quad
              \mathrm{ReLU}\Big(\sum_c g_c(x, y) A_c(x, y)\Big), \qquad
              g_c = \partial s_{class} / \partial A_c

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; maps images to one value per class.
    layers : dict, name -> nn.Module
        Of the model, with feature maps as output.
    images : Tensor, float32, shape (n_images, 3, height, width)
    classes : Tensor, int64, shape (n_images,)

    Returns
    -------
    scores : Tensor, float32, shape (n_images, n_classes)
    maps : dict, (method, name) -> Tensor, float32, shape (n_images, map height, map width)
        0 or more. Grad-CAM (Selvaraju et al. 2017) weights a feature map by its mean gradient over
        all positions: *where* the class depends on the map is lost. HiResCAM (Draelos & Carin 2020)
        weights every position by its own gradient.

    Raises
    ------
    LabError
        If a layer's output has no positions, or if its channel axis is ambiguous.
    """
    path_of = {module: path for path, module in model.named_modules()}
    paths = {name: path_of[layer] for name, layer in layers.items()}
    axes = channel_axes(model, paths, images[:1])
    names = {path: name for name, path in paths.items()}
    outputs: dict[str, Tensor] = {}

    def keep(call: str, output: Tensor) -> Tensor:
        name = names[call.partition("#")[0]]  # of several calls of a module, the last
        # A leaf, where no earlier layer needs a gradient: the backward pass ends at the first.
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        return outputs[name].clone()  # a later ReLU may overwrite it in place

    with torch.enable_grad(), layer_hooks(model, {path: path for path in names}, keep):
        scores = model(images)
        gradients = torch.autograd.grad(scores.gather(1, classes[:, None]).sum(),
                                        list(outputs.values()))
    saliency_by_layer: dict[tuple[Method, str], Tensor] = {}
    for (name, maps), gradient in zip(outputs.items(), gradients):
        if maps.ndim != 4:
            raise LabError(f"saliency {tuple(maps.shape)} of a layer without positions",
                           expected="feature maps (n_images, n_channels, height, width)",
                           remedy="choose a convolution or a pooling in [laterality]")
        maps, axis = maps.detach(), axes[name].axis
        space = [other for other in (1, 2, 3) if other != axis]
        weights = {"Grad-CAM": gradient.mean(space, keepdim=True), "HiResCAM": gradient}
        saliency_by_layer |= {(method, name): (weight * maps).sum(axis).clamp(min=0)
                              for method, weight in weights.items()}
    return scores.detach(), saliency_by_layer


def hemifield_occlusion(model: nn.Module, images: Tensor, scores: Tensor) -> Tensor:
    """Return the change of the classes' scores when the left, or the right, half is grey.

    Parameters
    ----------
    model : nn.Module
    images : Tensor, float32, shape (n_images, 3, height, width)
        Standardised: 0 is the mean colour.
    scores : Tensor, float32, shape (n_images, n_classes)
        Of the whole images.

    Returns
    -------
    Tensor, float32, shape (n_images, 2)
        Left, right: Euclidean length of the change, with each image's mean score subtracted (it
        changes no probability; probabilities themselves saturate). A middle column of an odd width
        is never occluded.
    """
    half = images.shape[-1] // 2
    with torch.no_grad():
        full_scores = _centred(scores)
        changes = []
        for columns in (slice(0, half), slice(images.shape[-1] - half, None)):
            occluded = images.clone()
            occluded[..., columns] = 0
            changes.append((_centred(model(occluded)) - full_scores).norm(dim=1))
    return torch.stack(changes, 1)


def _centred(scores: Tensor) -> Tensor:
    """Subtract each image's mean score; untrained classes (-inf) become 0."""
    finite = scores.isfinite()
    mean = scores.where(finite, 0).sum(1, keepdim=True) / finite.sum(1, keepdim=True)
    return (scores - mean).where(finite, 0)
