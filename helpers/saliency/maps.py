"""Which parts of a picture matter to the class that a network names.

Grad-CAM as published, the same without its averaging, and what happens when half of the picture
is taken away.
"""

from __future__ import annotations

from typing import Literal

import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

from helpers.ground.errors import LabError

Method = Literal["Grad-CAM", "HiResCAM"]


def saliency(model: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor, *,
             method: Method = "Grad-CAM") -> Tensor:
    r"""Map the evidence for a class over a layer's positions.

    .. math:: \mathrm{ReLU}\Big(\sum_c \bar g_c A_c(x, y)\Big) \quad\text{or}\quad
              \mathrm{ReLU}\Big(\sum_c g_c(x, y) A_c(x, y)\Big), \qquad
              g_c = \partial s_{class} / \partial A_c

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; maps images to one value per class.
    layer : nn.Module
        Of the model, with feature maps as output.
    images : Tensor, float32, shape (n_images, 3, height, width)
    classes : Tensor, int64, shape (n_images,)
    method : {"Grad-CAM", "HiResCAM"}
        Grad-CAM (Selvaraju et al. 2017) averages the gradient over all positions before it weighs
        a feature map: *where* the class depends on the map is lost. HiResCAM (Draelos & Carin
        2020) does not.

    Returns
    -------
    Tensor, float32, shape (n_images, map height, map width), 0 or more

    Raises
    ------
    LabError
        If the layer's output has no positions.
    """
    explain = {"Grad-CAM": LayerGradCam, "HiResCAM": LayerGradientXActivation}[method]
    found = explain(model, layer).attribute(images, target=classes)
    if found.ndim != 4:
        raise LabError(f"saliency {tuple(found.shape)} of a layer without positions",
                       expected="feature maps (n_images, n_channels, height, width)",
                       remedy="choose a convolution or a pooling in [laterality]")
    return found.sum(1).clamp(min=0).detach()


def halves_matter(model: nn.Module, images: Tensor) -> Tensor:
    """Return how far the classes' scores move when the left, or the right, half turns grey.

    Parameters
    ----------
    model : nn.Module
    images : Tensor, float32, shape (n_images, 3, height, width)
        Standardised: 0 is the mean colour.

    Returns
    -------
    Tensor, float32, shape (n_images, 2)
        Left, right: Euclidean length of the change, each picture's mean score taken off (it
        changes no probability; probabilities themselves saturate). A middle column of an odd width
        is never covered.
    """
    half = images.shape[-1] // 2
    with torch.no_grad():
        whole = _centred(model(images))
        moved = []
        for columns in (slice(0, half), slice(images.shape[-1] - half, None)):
            covered = images.clone()
            covered[..., columns] = 0
            moved.append((_centred(model(covered)) - whole).norm(dim=1))
    return torch.stack(moved, 1)


def _centred(scores: Tensor) -> Tensor:
    """Take off each picture's mean score; classes that nobody was taught (-inf) count 0."""
    known = scores.isfinite()
    mean = scores.where(known, 0).sum(1, keepdim=True) / known.sum(1, keepdim=True)
    return (scores - mean).where(known, 0)
