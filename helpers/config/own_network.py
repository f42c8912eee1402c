"""The tables [network.<name>] of a profile: networks of the user's own."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass

from helpers.config.validation import FROZEN, require


@dataclass(**FROZEN)
class PreprocessingSpec:
    """What differs from the preprocessing that the architecture is known with.

    Parameters
    ----------
    resize, crop : int
        Length of the shorter side and side of the central square, px; 0: the architecture's own.
        A crop without ``resize`` is the whole shorter side.
    mean, std : tuple of 3 float
        Of each colour channel, on values from 0 to 1; empty: the architecture's own.
    interpolation : {"", "bilinear", "bicubic"}
    """

    resize: NonNegativeInt = 0
    crop: NonNegativeInt = 0
    mean: tuple[float, ...] = ()
    std: tuple[PositiveFloat, ...] = ()
    interpolation: Literal["", "bilinear", "bicubic"] = ""

    def __post_init__(self) -> None:
        for key in ("mean", "std"):
            values = getattr(self, key)
            require(len(values) in (0, 3), "network.<name>",
                    f"preprocessing.{key} = {list(values)}", expected="a number for each of the "
                    "three colours, or none: then it is the architecture's own")


@dataclass(**FROZEN)
class OwnReadoutSpec:
    """Where an own network is read out; without a file, the readout is trained.

    Parameters
    ----------
    layer : str
        The layer that is read; all layers up to it can be lesioned.
    resize : int
        Shorter side of the images before the central crop, px; 0: as for the network.
    file : str
        The readout's weights, beside those of the network.
    """

    layer: str
    resize: NonNegativeInt = 0
    file: str = ""


@dataclass(**FROZEN)
class OwnNetworkSpec:
    """A network of the user's own.

    Parameters
    ----------
    architecture : str
        ``torchvision:<model>``, ``timm:<model>``, ``<module>:<function>`` (a Python function that
        returns an nn.Module), ``alexnet_gn`` or ``small_resnet``.
    file : str
        Its weights; a relative path counts from the profile's ``folder``. Empty: randomly
        initialised.
    state_dict_key, prefix : str
        How the file names its tensors, as in ``helpers/networks/registry.toml``.
    options : dict
        Keyword arguments of the architecture.
    preprocessing : PreprocessingSpec
    objective, diet : str
        What it was trained to do, and on which images: shown in figures. "supervised": with
        labels; "none": randomly initialised; anything else: without labels.
    readout : OwnReadoutSpec, optional
    """

    architecture: str
    file: str = ""
    state_dict_key: str = ""
    prefix: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    preprocessing: PreprocessingSpec = field(default_factory=PreprocessingSpec)
    objective: str = ""
    diet: str = ""
    readout: OwnReadoutSpec | None = None
