"""Untrained networks, and the names of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torchvision.models import AlexNet

from helpers.networks.builders import find_builder, naming_options

ALEXNET_LAYERS = ("conv1 relu1 maxpool1 conv2 relu2 maxpool2 conv3 relu3 conv4 relu4 conv5 relu5 "
                  "maxpool5 avgpool dropout6 fc6 relu6 dropout7 fc7 relu7 fc8").split()
"""Names of the layers of torchvision's AlexNet, in order."""


def layer_names(model: nn.Module) -> dict[str, str]:
    """Name every leaf module of a network, in order.

    Parameters
    ----------
    model : nn.Module

    Returns
    -------
    dict of str to str
        Layer name → module path: the field's names (conv1, groupnorm1, … fc8) for both AlexNets,
        the module path itself for any other network.
    """
    paths = [path for path, module in model.named_modules()
             if path and not any(module.children()) and not isinstance(module, nn.Identity)]
    if isinstance(model, AlexNet):
        return dict(zip(ALEXNET_LAYERS, paths))
    return dict(zip(getattr(model, "published_layer_names", paths), paths))


def build(architecture: str, options: Mapping[str, Any], *, seed: int,
          folder: str = "") -> nn.Module:
    """Build an untrained network with the architecture's own initial weights.

    Parameters
    ----------
    architecture, folder : str
        As for `helpers.networks.builders.find_builder`.
    options : mapping
        Keyword arguments of the architecture.
    seed : int

    Returns
    -------
    nn.Module
        In evaluation mode, without layers that overwrite their input.

    Raises
    ------
    LabError
        Where the architecture or an option is unknown, or a user's function fails.
    """
    with torch.random.fork_rng(devices=[]), naming_options(architecture, options):
        torch.manual_seed(seed)
        model = find_builder(architecture, folder)(options)
    for module in model.modules():
        if hasattr(module, "inplace"):
            # An in-place ReLU would overwrite the output that a hook on the layer before keeps.
            module.inplace = False
    return model.eval()
