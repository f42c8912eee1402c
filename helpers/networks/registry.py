"""The registry of networks: what each is, whence its weights come, what it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torchvision.models as zoo
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from helpers.ground.errors import LabError
from helpers.ground.strict import from_table, read_toml
from helpers.networks.architectures import torchvision_names, unknown

REGISTRY = Path(__file__).with_suffix(".toml")
UNTRAINED = "-untrained"
SEED = "-seed"
TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class Preprocessing:
    """Turn a picture into what a network was trained to see.

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
        return self.normalised(self.pixels(image))

    @property
    def geometry(self) -> tuple[int, int, str]:
        """What `pixels` depends on: networks that agree in it are shown the same pixels."""
        return self.resize, self.crop, self.interpolation

    def pixels(self, image: Image.Image) -> Tensor:
        """Scale and crop an image, uint8 (3, crop, crop)."""
        image = functional.resize(image.convert("RGB"), [self.resize], antialias=True,
                                  interpolation=InterpolationMode(self.interpolation))
        return functional.pil_to_tensor(functional.center_crop(image, [self.crop, self.crop]))

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return ``(x - mean) / std`` of pixels, uint8 (..., 3, height, width), as float32."""
        return functional.normalize(pixels.float().div(255), list(self.mean), list(self.std))


@dataclass(frozen=True)
class ReadoutEntry:
    """Where a network is read out, and where that readout's weights come from, if from anywhere.

    Parameters
    ----------
    layer : str
        The layer that is read; all layers up to it can be lesioned.
    resize : int
        Shorter side of the pictures before the central crop, px; 0 as for the network.
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


@dataclass(frozen=True)
class TextEntry:
    """The tower that reads, of a network that was taught with captions.

    Parameters
    ----------
    file, words : str
        Its weights, and its words, one a line, beside the network's own file. Empty: both towers
        are in one file, with the words of open_clip.
    """

    file: str = ""
    words: str = ""


@dataclass(frozen=True)
class Entry:
    """What the registry knows about a network; one table of ``registry.toml``.

    Parameters
    ----------
    name, architecture : str
        ``architecture`` is ``alexnet_gn``, ``small_resnet``, ``torchvision:<model>`` or
        ``open_clip:<model>``.
    preprocessing : Preprocessing
    objective, diet : str
        What it was trained to do, and on which pictures; objective "none" means untrained.
    options : dict
        Keyword arguments of the architecture.
    url, file : str
        Where the weights are published, and the name of the file in the folder of weights.
    local : str
        Another name under which the same network may lie there, in another format.
    digest : str
        ``sha256:<leading digits>``, ``md5:<digits>`` or nothing.
    bytes : int
        Approximate size of the download; 0 where the publisher does not say.
    licence, cite : str
    state_dict_key, prefix, keys : str
        How the file names its tensors: the key of the state dict, a prefix to strip, and
        ``open_ipcl`` or ``open_clip`` for files with the names of that project.
    seeds : int
        Of networks that differ in their seed alone: how many. They are called ``<name>-seed0`` and
        so on, each with its own file.
    seed : int
        Which of these; it is added to the profile's.
    readout : ReadoutEntry, optional
        For networks that do not name classes themselves.
    text : TextEntry, optional
        For networks that were taught with captions.
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
    text: TextEntry | None = None

    @property
    def names_imagenet(self) -> bool:
        """Tell whether the network itself names the 1,000 classes of ImageNet."""
        return self.objective == "supervised" and self.diet == "ImageNet-1k"

    @property
    def unlabelled(self) -> bool:
        """Tell whether it was trained without labels."""
        return self.objective not in ("supervised", "none")

    @property
    def trained(self) -> bool:
        """Tell whether the network needs a file of weights."""
        return self.objective != "none"


@cache
def registry() -> dict[str, Entry]:
    """Read ``registry.toml``: name → entry, in the order of the file."""
    return {name: read_entry(name, table) for name, table in read_toml(REGISTRY).items()}


def read_entry(name: str, table: Mapping[str, Any]) -> Entry:
    """Read one table of the registry strictly.

    Raises
    ------
    LabError
        Where a key is missing, unknown or of the wrong type.
    """
    plain = {key: value for key, value in table.items() if key != "options"}
    read = from_table(Entry, {"name": name, **plain}, f"{REGISTRY.name}, [{name}]")
    return replace(read, options=table.get("options", {}))


def entry(name: str) -> Entry:
    """Look a network up.

    Parameters
    ----------
    name : str
        A registered name, with ``-seed<k>`` where there are several; ``torchvision:<model>`` for
        any image classifier of torchvision with its default weights; either with ``-untrained``
        for the same network before training.

    Raises
    ------
    LabError
        Where no such network exists; lists names that are close.
    """
    if name in registry():
        return _single(registry()[name])
    if found := _one_of_many(name):
        return found
    if name.endswith(UNTRAINED):
        return _untrained(name)
    if name.startswith(TORCHVISION):
        return _torchvision(name)
    raise unknown(name, [*registry(), *(TORCHVISION + known for known in torchvision_names())],
                  "network")


def _single(found: Entry) -> Entry:
    if found.seeds:
        raise LabError(f"{found.name!r} are {found.seeds} networks",
                       expected=f"one of {', '.join(members(found.name))}",
                       remedy="name one of them")
    return found


def members(name: str) -> list[str]:
    """Return the names of networks that differ in their seed alone; of one network, its own."""
    many = registry().get(name)
    return [f"{name}{SEED}{k}" for k in range(many.seeds)] if many and many.seeds else [name]


def _one_of_many(name: str) -> Entry | None:
    base, _, seed = name.rpartition(SEED)
    many = registry().get(base)
    if many is None or name not in members(base):
        return None
    return replace(many, name=name, seeds=0, seed=int(seed),
                   file=f"{name}.safetensors" if many.trained else "")


def _untrained(name: str) -> Entry:
    trained = entry(name.removesuffix(UNTRAINED))
    options = {option: True if option == "init_weights" else value
               for option, value in trained.options.items()}
    return Entry(name=name, architecture=trained.architecture, options=options,
                 preprocessing=trained.preprocessing, objective="none", diet="none",
                 seed=trained.seed,
                 readout=trained.readout and ReadoutEntry(trained.readout.layer))


def _torchvision(name: str) -> Entry:
    model = name.removeprefix(TORCHVISION)
    if model not in torchvision_names():
        raise unknown(name, [TORCHVISION + known for known in torchvision_names()], "network")
    weights = zoo.get_model_weights(model).DEFAULT
    view = weights.transforms()
    digits = re.search(r"-([0-9a-f]{8,})\.pth$", weights.url)
    return Entry(
        name=name, architecture=name, objective="supervised", diet="ImageNet-1k",
        options=_implied(model, weights),
        preprocessing=Preprocessing(view.resize_size[0], view.crop_size[0],
                                    tuple(view.mean), tuple(view.std),
                                    view.interpolation.value),
        url=weights.url, file=weights.url.rsplit("/", 1)[1],
        digest=f"sha256:{digits[1]}" if digits else "",
        bytes=round(weights.meta["_file_size"] * 2**20), licence="BSD-3-Clause; ImageNet terms")


def _implied(model: str, weights: zoo.WeightsEnum) -> dict[str, Any]:
    """Return the options that torchvision's own constructors take from published weights."""
    if model in ("googlenet", "inception_v3"):
        return {"transform_input": True, "aux_logits": True, "init_weights": False}
    return {"image_size": weights.meta["min_size"][0]} if model.startswith("vit_") else {}
