"""The image classifiers of torchvision: built, and described as a table of the registry does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torchvision.models as zoo
from torch import nn


def list_models() -> list[str]:
    """Return the names of torchvision's image classifiers."""
    return zoo.list_models(module=zoo)


def build(model: str, options: Mapping[str, Any]) -> nn.Module:
    """Build an untrained network, from the global random state.

    Channels last: SqueezeNet is then twice as fast on a CPU, where torch does not vectorise maxima
    over maps that are stored one after the other. (Not for the networks of this project: GroupNorm
    becomes five times slower.)
    """
    return zoo.get_model(model, weights=None, **options).to(memory_format=torch.channels_last)


def preprocessing(model: str) -> dict[str, Any]:
    """Return what images a model is shown, with its default weights."""
    shown = zoo.get_model_weights(model).DEFAULT.transforms()
    return {"resize": shown.resize_size[0], "crop": shown.crop_size[0], "mean": tuple(shown.mean),
            "std": tuple(shown.std), "interpolation": shown.interpolation.value}


def published(model: str) -> dict[str, Any]:
    """Return the keys of a table of the registry for a model with its default weights."""
    weights = zoo.get_model_weights(model).DEFAULT
    file = weights.url.rpartition("/")[2]
    digest = re.search(r"-([0-9a-f]{8,})\.pth$", file)
    return {"objective": "supervised", "diet": "ImageNet-1k", "preprocessing": preprocessing(model),
            "options": _implied_options(model, weights), "url": weights.url, "file": file,
            "digest": f"sha256:{digest[1]}" if digest else "",
            "bytes": round(weights.meta["_file_size"] * 2**20),
            "licence": "BSD-3-Clause; ImageNet terms"}


def _implied_options(model: str, weights: zoo.WeightsEnum) -> dict[str, Any]:
    """Return the options that torchvision's own constructors take from published weights."""
    if model in ("googlenet", "inception_v3"):
        return {"transform_input": True, "aux_logits": True, "init_weights": False}
    return {"image_size": weights.meta["min_size"][0]} if model.startswith("vit_") else {}
