"""The AlexNet with GroupNorm, others' networks, and the names of their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
import torchvision.models as zoo
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from helpers.core.errors import LabError
from helpers.networks.open_clip_encoders import build_open_clip_image_encoder, list_open_clip_models
from helpers.networks.own_function import OwnFunction, call_function
from helpers.networks.small_resnet import SmallResNet
from helpers.networks.timm_models import build_timm_model, is_timm_model

POOLED_BLOCKS = (1, 2, 5)
"""The blocks that end with a 3 × 3 maximum over steps of two."""

ALEXNET_PATHS = {
    **{f"{kind}{block}": f"features.{3 * (block - 1) + offset}"
       for block in (1, 2) for offset, kind in enumerate(("conv", "relu", "maxpool"))},
    **{f"{kind}{block}": f"features.{6 + 2 * (block - 3) + offset}"
       for block in (3, 4, 5) for offset, kind in enumerate(("conv", "relu"))},
    "maxpool5": "features.12", "avgpool": "avgpool",
    **{f"{kind}{block}": f"classifier.{3 * (block - 6) + offset}"
       for block in (6, 7) for offset, kind in enumerate(("dropout", "fc", "relu"))},
    "fc8": "classifier.6",
}
"""Layer name → module path in torchvision's AlexNet."""


class L2Norm(nn.Module):
    """Scale each row to unit length, ``x / max(||x||, 1e-12)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` of shape (n, features) with rows of length one."""
        return functional.normalize(x, dim=1)


class AlexNetGN(nn.Module):
    """AlexNet with GroupNorm and a three-layer projector; every layer's output can be read.

    Five blocks (convolution without bias, GroupNorm of 32 groups, ReLU, maximum pooling after
    blocks 1, 2, 5), average pooling, and the projector whose layers the paper calls fc6, fc7
    and fc8. At 224 px and full size: 28 layers, 2,123,904 units.

    Parameters
    ----------
    channels : sequence of 5 int
        Channels of the convolutions, each a multiple of ``groups``.
    stem_stride : int
        Step of the first convolution, px.
    groups : int
        Groups of each GroupNorm.
    pool : int
        Side of the map that reaches the projector.
    projector : sequence of 3 int
        Widths of fc6, fc7 and fc8.
    fc_bias : bool
        Whether fc6, fc7 and fc8 have a bias (open_ipcl: yes; Barlow Twins: no).
    head : {"batchnorm", "l2norm", "none"}
        What follows fc8: a BatchNorm without affine terms, unit length, or nothing.

    Notes
    -----
    Prince, Alvarez & Konkle (2024), model ``alexnet-barlow-twins``.
    """

    def __init__(self, *, channels: Sequence[int] = (96, 256, 384, 384, 256),
                 stem_stride: int = 4, groups: int = 32, pool: int = 6,
                 projector: Sequence[int] = (4096, 4096, 4096), fc_bias: bool = False,
                 head: str = "batchnorm") -> None:
        super().__init__()
        inputs = (3, *channels[:-1])
        kernels = ((11, stem_stride, 2), (5, 1, 2), *[(3, 1, 1)] * 3)
        self.backbone = nn.Sequential(*(
            _conv_block(inputs[i], channels[i], kernels[i], groups, pooled=i + 1 in POOLED_BLOCKS)
            for i in range(5)))
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.flatten = nn.Flatten()
        fc6, fc7, fc8 = projector
        self.projector = nn.Sequential(
            nn.Linear(channels[-1] * pool**2, fc6, bias=fc_bias), nn.BatchNorm1d(fc6), nn.ReLU(),
            nn.Linear(fc6, fc7, bias=fc_bias), nn.BatchNorm1d(fc7), nn.ReLU(),
            nn.Linear(fc7, fc8, bias=fc_bias))
        self.bn = _build_head(head, fc8)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, 3, height, width) float32, normalised, to embeddings (n, fc8)."""
        return self.bn(self.projector(self.flatten(self.pool(self.backbone(x)))))


def _conv_block(in_channels: int, out_channels: int, kernel: tuple[int, int, int], groups: int, *,
                pooled: bool) -> nn.Sequential:
    size, stride, padding = kernel
    layers = [nn.Conv2d(in_channels, out_channels, size, stride, padding, bias=False),
              nn.GroupNorm(groups, out_channels), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(3, 2)] if pooled else []))


def _build_head(head: str, width: int) -> nn.Module:
    heads = {"batchnorm": lambda: nn.BatchNorm1d(width, affine=False), "l2norm": L2Norm,
             "none": nn.Identity}
    if head not in heads:
        raise LabError(f"the head {head!r} is unknown", expected=f"one of {', '.join(heads)}",
                       remedy="correct `head` in the options of the architecture")
    return heads[head]()


CUSTOM_ARCHITECTURES = {"alexnet_gn": AlexNetGN, "small_resnet": SmallResNet}
"""Architectures that are built here."""


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
    if isinstance(model, AlexNetGN):
        return _alexnet_gn_names(model)
    if isinstance(model, zoo.AlexNet):
        return dict(ALEXNET_PATHS)
    return {path: path for path, module in model.named_modules()
            if path and not any(module.children()) and not isinstance(module, nn.Identity)}


def _alexnet_gn_names(model: AlexNetGN) -> dict[str, str]:
    kinds = ("conv", "groupnorm", "relu", "maxpool")
    names = {f"{kind}{block}": f"backbone.{block - 1}.{i}" for block in range(1, 6)
             for i, kind in zip(range(len(model.backbone[block - 1])), kinds, strict=False)}
    names |= {"avgpool5": "pool", "flatten": "flatten"}
    projector_names = [f"{kind}{block}" for block in (6, 7) for kind in ("fc", "batchnorm", "relu")]
    names |= {name: f"projector.{i}" for i, name in enumerate([*projector_names, "fc8"])}
    head_name = {nn.BatchNorm1d: "batchnorm8", L2Norm: "l2norm8"}.get(type(model.bn))
    return names | ({head_name: "bn"} if head_name else {})


def build(architecture: str, options: Mapping[str, Any], *, seed: int,
          function: OwnFunction | None = None) -> nn.Module:
    """Build an untrained network with the architecture's own initial weights.

    Parameters
    ----------
    architecture : str
        One of ``CUSTOM_ARCHITECTURES``, ``torchvision:<model>``, ``timm:<model>``, or
        ``open_clip:<model>``, whose image encoder it is.
    options : mapping
        Keyword arguments of the architecture; for open_clip what differs from the model's own
        configuration.
    seed : int
        Seed of the initial weights; the global random state is left as it was.
    function : OwnFunction, optional
        The user's function that builds it, whatever ``architecture`` is.

    Returns
    -------
    nn.Module
        In evaluation mode, without layers that overwrite their input.

    Raises
    ------
    LabError
        Where the architecture or an option is unknown, or a user's function fails.
    """
    kind, _, name = architecture.partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            if function is not None:
                model: nn.Module = build_own(function, options)
            elif architecture in CUSTOM_ARCHITECTURES:
                model = CUSTOM_ARCHITECTURES[architecture](**options)
            elif kind == "torchvision" and name in list_torchvision_models():
                # Channels last: SqueezeNet is then twice as fast on a CPU, where torch does not
                # vectorise maxima over maps that are stored one after the other. (Not for the
                # networks of this project: GroupNorm becomes five times slower.)
                model = zoo.get_model(name, weights=None, **options).to(
                    memory_format=torch.channels_last)
            elif kind == "timm" and is_timm_model(name):
                model = build_timm_model(name, options)
            elif kind == "open_clip" and name in list_open_clip_models():
                model = build_open_clip_image_encoder(architecture, options)
            else:
                raise unknown_name_error(architecture, [
                    *CUSTOM_ARCHITECTURES, *(f"torchvision:{known}"
                                             for known in list_torchvision_models()),
                    *(f"open_clip:{known}" for known in list_open_clip_models())], "architecture")
        except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
            raise LabError(f"{architecture} cannot be built with {dict(options)}: {error}",
                           expected="options that the architecture knows",
                           remedy="correct `options` in the table of this network") from error
    for module in model.modules():
        if hasattr(module, "inplace"):
            # An in-place ReLU would overwrite the output that a hook on the layer before keeps.
            module.inplace = False
    return model.eval()


def build_own(function: OwnFunction, options: Mapping[str, Any]) -> nn.Module:
    """Let a user's function build a network, in float32.

    Raises
    ------
    LabError
        Where the function cannot be called, or returns no network that can be used.
    """
    model = call_function(function, options)
    where = f"{function.module}:{function.name}"
    if not isinstance(model, nn.Module):
        raise LabError(f"{where} returns {type(model).__name__!r}", expected="a torch.nn.Module",
                       remedy="let the function return the network itself")
    lazy = [name for name, tensor in model.named_parameters() if is_lazy(tensor)]
    if lazy:
        raise LabError(f"{where} returns a network whose {lazy[0]} has no size yet",
                       expected="sizes that do not wait for the first images",
                       remedy="pass images through it once within the function")
    return model.float()


def list_torchvision_models() -> list[str]:
    """Return the names of torchvision's image classifiers."""
    return zoo.list_models(module=zoo)


def unknown_name_error(name_given: str, known_names: Sequence[str], category: str) -> LabError:
    """Build the error for a name that is not among the known ones, with the nearest of them."""
    suggestions = get_close_matches(name_given, known_names, n=4,
                                    cutoff=0.5) or list(known_names)[:12]
    return LabError(f"the {category} {name_given!r} is unknown",
                    expected=f"a known {category}, for example {', '.join(suggestions)}",
                    remedy=f"correct the name of the {category}; a network of your own needs a "
                    "table [network.<name>] in the profile (docs/own_network.md)")
