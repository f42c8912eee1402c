"""The registry of networks: what each is, whence its weights come, what it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torchvision.models as zoo
from PIL import Image
from pydantic.dataclasses import dataclass
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from helpers.config.validation import FROZEN, from_table, read_toml
from helpers.core.errors import LabError
from helpers.networks.architectures import list_torchvision_models, unknown_name_error
from helpers.networks.own_function import OwnFunction

REGISTRY_PATH = Path(__file__).with_suffix(".toml")
UNTRAINED_SUFFIX = "-untrained"
SEED_SUFFIX = "-seed"
TORCHVISION_PREFIX = "torchvision:"
NOT_STATED = "not stated"
"""Objective or diet of a network of which its user does not say them."""


@dataclass(**FROZEN)
class Preprocessing:
    """Turn an image into what a network was trained to see.

    Parameters
    ----------
    resize : int
        Length of the shorter side, px (antialiased).
    crop : int
        Side of the central square, px.
    mean, std : tuple of 3 float
        Of each colour channel, on values from 0 to 1.
    interpolation : {"bilinear", "bicubic"}
    """

    resize: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __call__(self, image: Image.Image) -> Tensor:
        """Return ``(x - mean) / std``, float32 (3, crop, crop); grey is repeated over colours."""
        return self.normalise(self.pixels(image))

    @property
    def geometry(self) -> tuple[int, int, str]:
        """What `pixels` depends on: networks that agree in it are shown the same pixels."""
        return self.resize, self.crop, self.interpolation

    def pixels(self, image: Image.Image) -> Tensor:
        """Scale and crop an image, uint8 (3, crop, crop)."""
        image = functional.resize(image.convert("RGB"), [self.resize], antialias=True,
                                  interpolation=InterpolationMode(self.interpolation))
        return functional.pil_to_tensor(functional.center_crop(image, [self.crop, self.crop]))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return ``(x - mean) / std`` of pixels, uint8 (..., 3, height, width), as float32."""
        return functional.normalize(pixels.float().div(255), list(self.mean), list(self.std))


@dataclass(**FROZEN)
class ReadoutEntry:
    """Where a network is read out, and where that readout's weights come from, if from anywhere.

    Parameters
    ----------
    layer : str
        The layer that is read; all layers up to it can be lesioned.
    resize : int
        Shorter side of the images before the central crop, px; 0 as for the network.
    file, url, digest, bytes, licence, cite : str, int
        As for the network itself. Without a file the readout is trained.
    """

    layer: str
    resize: int = 0
    file: str = ""
    url: str = ""
    digest: str = ""
    bytes: int = 0
    licence: str = ""
    cite: str = ""


@dataclass(**FROZEN)
class TextEncoderEntry:
    """The text encoder, of a network that was trained with captions.

    Parameters
    ----------
    file, words : str
        Its weights, and its words, one a line, beside the network's own file. Empty: both encoders
        are in one file, with the words of open_clip.
    """

    file: str = ""
    words: str = ""


@dataclass(**FROZEN)
class NetworkEntry:
    """What the registry knows about a network; one table of ``registry.toml``.

    Parameters
    ----------
    name, architecture : str
        ``architecture`` is ``alexnet_gn``, ``small_resnet``, ``torchvision:<model>``,
        ``timm:<model>``, ``open_clip:<model>``, or ``<module>:<function>`` of a user.
    preprocessing : Preprocessing
    objective, diet : str
        What it was trained to do, and on which images; objective "none" means untrained.
    options : dict
        Keyword arguments of the architecture.
    url, file : str
        Where the weights are published, and the name of the file in the folder of weights.
    local : str
        Another name under which the same network may lie there, in another format.
    digest : str
        ``sha256:<leading digest_match>``, ``md5:<digest_match>`` or nothing.
    bytes : int
        Approximate size of the download; 0 where the publisher does not say.
    licence, cite : str
    state_dict_key, prefix, keys : str
        How the file names its tensors: the key of the state dict, where the file holds several; a
        prefix to strip; and ``open_ipcl`` or ``open_clip``, where the names are that project's.
    seeds : int
        Of networks that differ in their seed alone: how many. They are called ``<name>-seed0`` and
        so on, each with its own file.
    seed : int
        Which of these; it is added to the profile's.
    readout : ReadoutEntry, optional
        For networks that do not name classes themselves.
    text : TextEncoderEntry, optional
        For networks that were trained with captions.
    function : OwnFunction, optional
        The user's function that builds it.
    listed_in : str
        The file or table that describes it, for errors.
    """

    name: str
    architecture: str
    preprocessing: Preprocessing
    objective: str
    diet: str
    options: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    file: str = ""
    local: str = ""
    digest: str = ""
    bytes: int = 0
    licence: str = ""
    cite: str = ""
    state_dict_key: str = ""
    prefix: str = ""
    keys: Literal["", "open_ipcl", "open_clip"] = ""
    seeds: int = 0
    seed: int = 0
    readout: ReadoutEntry | None = None
    text: TextEncoderEntry | None = None
    function: OwnFunction | None = None
    listed_in: str = "helpers/networks/registry.toml"

    @property
    def classifies_imagenet(self) -> bool:
        """Tell whether the network itself names the 1,000 classes of ImageNet."""
        return self.objective == "supervised" and self.diet == "ImageNet-1k"

    @property
    def trained_without_labels(self) -> bool:
        """Tell whether it was trained without labels."""
        return self.objective not in ("supervised", "none", NOT_STATED)

    @property
    def trained(self) -> bool:
        """Tell whether the network needs a file of weights."""
        return self.objective != "none"


@cache
def registry() -> dict[str, NetworkEntry]:
    """Read ``registry.toml``: name → entry, in the order of the file."""
    return {name: parse_entry(name, table) for name, table in read_toml(REGISTRY_PATH).items()}


def parse_entry(name: str, table: Mapping[str, Any]) -> NetworkEntry:
    """Read one table of the registry strictly.

    Raises
    ------
    LabError
        Where a key is missing, unknown or of the wrong type.
    """
    table_without_options = {key: value for key, value in table.items() if key != "options"}
    parsed = from_table(NetworkEntry, {"name": name, **table_without_options},
                        f"{REGISTRY_PATH.name}, [{name}]")
    return replace(parsed, options=table.get("options", {}))


def get_entry(name: str, own: Mapping[str, NetworkEntry] = MappingProxyType({})) -> NetworkEntry:
    """Look a network up.

    Parameters
    ----------
    name : str
        A registered name, with ``-seed<k>`` where there are several; ``torchvision:<model>`` for
        any image classifier of torchvision with its default weights; either with ``-untrained``
        for the same network before training.
    own : mapping of str to NetworkEntry
        A profile's own networks (`helpers.networks.own_networks`), by the names of their tables.

    Raises
    ------
    LabError
        Where no such network exists; lists names that are close.
    """
    if name in own:
        return own[name]
    if name in registry():
        return _require_single_seed(registry()[name])
    if found := _entry_of_seed(name):
        return found
    if name.endswith(UNTRAINED_SUFFIX):
        return _untrained_entry(name, own)
    if name.startswith(TORCHVISION_PREFIX):
        return _torchvision_entry(name)
    raise unknown_name_error(name, [*own, *(name + UNTRAINED_SUFFIX for name in own), *registry(),
                                    *(TORCHVISION_PREFIX + known
                                      for known in list_torchvision_models())], "network")


def _require_single_seed(found: NetworkEntry) -> NetworkEntry:
    if found.seeds:
        raise LabError(f"{found.name!r} are {found.seeds} networks",
                       expected=f"one of {', '.join(seed_names(found.name))}",
                       remedy="name one of them")
    return found


def seed_names(name: str) -> list[str]:
    """Return the names of networks that differ in their seed alone; of one network, its own."""
    family = registry().get(name)
    return [f"{name}{SEED_SUFFIX}{k}" for k in range(
        family.seeds)] if family and family.seeds else [name]


def _entry_of_seed(name: str) -> NetworkEntry | None:
    base, _, seed = name.rpartition(SEED_SUFFIX)
    family = registry().get(base)
    if family is None or name not in seed_names(base):
        return None
    return replace(family, name=name, seeds=0, seed=int(seed),
                   file=f"{name}.safetensors" if family.trained else "")


def _untrained_entry(name: str, own: Mapping[str, NetworkEntry]) -> NetworkEntry:
    trained = get_entry(name.removesuffix(UNTRAINED_SUFFIX), own)
    options = {option: True if option == "init_weights" else value
               for option, value in trained.options.items()}
    return NetworkEntry(name=name, architecture=trained.architecture, options=options,
                        preprocessing=trained.preprocessing, objective="none", diet="none",
                        seed=trained.seed, function=trained.function, listed_in=trained.listed_in,
                        readout=trained.readout and ReadoutEntry(trained.readout.layer))


def _torchvision_entry(name: str) -> NetworkEntry:
    model = name.removeprefix(TORCHVISION_PREFIX)
    if model not in list_torchvision_models():
        raise unknown_name_error(name, [TORCHVISION_PREFIX + known
                                        for known in list_torchvision_models()], "network")
    weights = zoo.get_model_weights(model).DEFAULT
    digest_match = re.search(r"-([0-9a-f]{8,})\.pth$", weights.url)
    return NetworkEntry(
        name=name, architecture=name, objective="supervised", diet="ImageNet-1k",
        options=_implied_options(model, weights),
        preprocessing=torchvision_preprocessing(model),
        url=weights.url, file=weights.url.rsplit("/", 1)[1],
        digest=f"sha256:{digest_match[1]}" if digest_match else "",
        bytes=round(weights.meta["_file_size"] * 2**20), licence="BSD-3-Clause; ImageNet terms")


def torchvision_preprocessing(model: str) -> Preprocessing:
    """Return what images a model of torchvision is shown, with its default weights."""
    shown = zoo.get_model_weights(model).DEFAULT.transforms()
    return Preprocessing(shown.resize_size[0], shown.crop_size[0], tuple(shown.mean),
                         tuple(shown.std), shown.interpolation.value)


def _implied_options(model: str, weights: zoo.WeightsEnum) -> dict[str, Any]:
    """Return the options that torchvision's own constructors take from published weights."""
    if model in ("googlenet", "inception_v3"):
        return {"transform_input": True, "aux_logits": True, "init_weights": False}
    return {"image_size": weights.meta["min_size"][0]} if model.startswith("vit_") else {}
