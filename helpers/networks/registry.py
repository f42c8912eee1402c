"""The registry of networks: what each is, whence its weights come, what it is shown."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from PIL import Image
from pydantic.dataclasses import dataclass
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from helpers.config.profile import Profile
from helpers.config.validation import FROZEN, from_table, read_toml
from helpers.core.errors import LabError
from helpers.datasets.sources import DownloadSource
from helpers.networks.builders import BUILDERS, OWN_NETWORKS, unknown_name_error

REGISTRY_PATH = Path(__file__).with_suffix(".toml")
UNTRAINED_SUFFIX = "-untrained"
SEED_SUFFIX = "-seed"
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


@dataclass(kw_only=True, **FROZEN)
class WeightsFile:
    """A file of weights, and where it is published, if anywhere.

    Parameters
    ----------
    file, url : str
        Its name in the folder of weights, and where it is fetched.
    digest : str
        ``sha256:<leading digest_match>``, ``md5:<digest_match>`` or nothing.
    bytes : int
        Approximate size of the download; 0 where the publisher does not say.
    licence, cite : str
    """

    file: str = ""
    url: str = ""
    digest: str = ""
    bytes: int = 0
    licence: str = ""
    cite: str = ""

    def source(self, name: str) -> DownloadSource:
        """Return what is to be downloaded, called ``name``."""
        return DownloadSource(name=name, url=self.url, digest=self.digest or None, bytes=self.bytes,
                              licence=self.licence, cite=self.cite)


@dataclass(**FROZEN)
class ReadoutEntry(WeightsFile):
    """Where a network is read out, and the readout's weights; without a file, it is trained.

    Parameters
    ----------
    layer : str
        The layer that is read; all layers up to it can be lesioned.
    resize : int
        Shorter side of the images before the central crop, px; 0 as for the network.
    """

    layer: str
    resize: int = 0


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
class NetworkEntry(WeightsFile):
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
    local : str
        Another name under which the file may lie in the folder of weights, in another format.
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
    folder : str
        Where the module of ``<module>:<function>`` is looked for first; empty for all others.
    listed_in : str
        The file or table that describes it, for errors.
    """

    name: str
    architecture: str
    preprocessing: Preprocessing
    objective: str
    diet: str
    options: Mapping[str, Any] = field(default_factory=dict)
    local: str = ""
    state_dict_key: str = ""
    prefix: str = ""
    keys: Literal["", "open_ipcl", "open_clip"] = ""
    seeds: int = 0
    seed: int = 0
    readout: ReadoutEntry | None = None
    text: TextEncoderEntry | None = None
    folder: str = ""
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
    return from_table(NetworkEntry, {"name": name, **table}, f"{REGISTRY_PATH.name}, [{name}]")


class OwnEntries(dict[str, NetworkEntry]):
    """A profile's own networks by name; each becomes an entry when it is asked for.

    So one that cannot be used does not stand in the way of others.
    """

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile.network)
        self._folder = profile.folder

    def __getitem__(self, name: str) -> NetworkEntry:
        """Return one entry; see `helpers.networks.own_networks.own_entry`."""
        module = importlib.import_module(OWN_NETWORKS)
        return module.own_entry(name, super().__getitem__(name), self._folder)


def get_entry(name: str, own: Mapping[str, NetworkEntry] = MappingProxyType({})) -> NetworkEntry:
    """Look a network up.

    Parameters
    ----------
    name : str
        A registered name, with ``-seed<k>`` where there are several; ``torchvision:<model>`` for
        any image classifier of torchvision with its default weights; either with ``-untrained``
        for the same network before training.
    own : mapping of str to NetworkEntry
        A profile's own networks (`OwnEntries`), by the names of their tables.

    Raises
    ------
    LabError
        Where no such network exists; lists names that are close.
    """
    if name in own:
        return own[name]
    family, _, seed = name.rpartition(SEED_SUFFIX)
    if family in registry() and name in seed_names(family):
        entry = registry()[family]
        return replace(entry, name=name, seeds=0, seed=int(seed),
                       file=f"{name}.safetensors" if entry.trained else "")
    if name in registry():
        entry = registry()[name]
        if entry.seeds:
            raise LabError(f"{name!r} are {entry.seeds} networks",
                           expected=f"one of {', '.join(seed_names(name))}",
                           remedy="name one of them")
        return entry
    if name.endswith(UNTRAINED_SUFFIX):
        return _untrained_entry(name, get_entry(name.removesuffix(UNTRAINED_SUFFIX), own))
    torchvision = importlib.import_module(BUILDERS["torchvision"])
    models = {f"torchvision:{model}": model for model in torchvision.list_models()}
    if name in models:
        return NetworkEntry(name=name, architecture=name, **torchvision.published(models[name]))
    raise unknown_name_error(name, [*own, *(f"{known}{UNTRAINED_SUFFIX}" for known in own),
                                    *registry(), *models], "network")


def seed_names(name: str) -> list[str]:
    """Return the names of networks that differ in their seed alone; of one network, its own."""
    family = registry().get(name)
    return [f"{name}{SEED_SUFFIX}{k}" for k in range(
        family.seeds)] if family and family.seeds else [name]


def _untrained_entry(name: str, trained: NetworkEntry) -> NetworkEntry:
    options = {option: True if option == "init_weights" else value
               for option, value in trained.options.items()}
    return NetworkEntry(name=name, architecture=trained.architecture, options=options,
                        preprocessing=trained.preprocessing, objective="none", diet="none",
                        seed=trained.seed, folder=trained.folder, listed_in=trained.listed_in,
                        readout=trained.readout and ReadoutEntry(trained.readout.layer))
