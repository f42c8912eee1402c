"""The networks of timm, which is imported where it is used: it is optional, and takes seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from torch import nn

from helpers.core.errors import LabError


def import_timm() -> ModuleType:
    """Return the package timm.

    Raises
    ------
    LabError
        If it is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise LabError(f"an architecture timm:<model> is named, and timm cannot be imported: "
                       f"{error}", expected="the package timm",
                       remedy="install it: pip install timm (in the project's environment; make "
                       "setup does it); or name another architecture") from error
    return timm


def list_models() -> list[str]:
    """Return the names of timm's architectures; a tag of weights, ``.a1_in1k``, may follow."""
    timm = import_timm()
    return [*timm.list_models(), *timm.list_pretrained()]


def build(model: str, options: Mapping[str, Any]) -> nn.Module:
    """Build an untrained network, from the global random state."""
    return import_timm().create_model(model, pretrained=False, **options)


def preprocessing(model: str) -> dict[str, Any]:
    """Return what images a model is shown: the keys of a table ``preprocessing``.

    The shorter side is ``floor(crop / crop_pct)``, as in ``timm.data.transforms_factory``.
    """
    config = import_timm().get_pretrained_cfg(model)
    crop = config.input_size[-1]
    interpolation = config.interpolation if config.interpolation in (
        "bilinear", "bicubic") else "bilinear"
    return {"resize": math.floor(crop / config.crop_pct), "crop": crop, "mean": config.mean,
            "std": config.std, "interpolation": interpolation}
