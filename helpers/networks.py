"""Floor 1. The registry of networks, and how each is loaded: weights, layers, preprocessing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
import torchvision.models as zoo
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, functional

from helpers.architectures import build, layer_names, torchvision_names, unknown
from helpers.errors import LabError
from helpers.strict import from_table, read_toml
from helpers.weights import read_state_dict, state_digest

REGISTRY = Path(__file__).with_name("networks.toml")
UNTRAINED = "-untrained"
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
        image = functional.resize(image.convert("RGB"), [self.resize], antialias=True,
                                  interpolation=InterpolationMode(self.interpolation))
        pixels = functional.to_tensor(functional.center_crop(image, [self.crop, self.crop]))
        return functional.normalize(pixels, list(self.mean), list(self.std))


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
class Entry:
    """What the registry knows about a network; one table of ``networks.toml``.

    Parameters
    ----------
    name, architecture : str
        ``architecture`` is ``alexnet_gn`` or ``torchvision:<model>``.
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
        ``open_ipcl`` for files with the names of that project.
    readout : ReadoutEntry, optional
        For networks that do not name classes themselves.
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
    keys: Literal["", "open_ipcl"] = ""
    readout: ReadoutEntry | None = None

    @property
    def names_imagenet(self) -> bool:
        """Tell whether the network itself names the 1,000 classes of ImageNet."""
        return self.objective == "supervised" and self.diet == "ImageNet-1k"

    @property
    def trained(self) -> bool:
        """Tell whether the network needs a file of weights."""
        return self.objective != "none"


@dataclass(frozen=True)
class Network:
    """A network ready to be shown pictures.

    Parameters
    ----------
    name : str
    entry : Entry
    model : nn.Module
        In evaluation mode, float32.
    layers : dict of str to str
        Layer name → module path, in order.
    preprocessing : Preprocessing
    digest : str
        SHA-256 over the names and bytes of all tensors: the same weights, the same digest.
    input_shape : tuple of 3 int
        Channels, height, width in pixels.
    """

    name: str
    entry: Entry
    model: nn.Module
    layers: dict[str, str]
    preprocessing: Preprocessing
    digest: str
    input_shape: tuple[int, int, int]


@cache
def registry() -> dict[str, Entry]:
    """Read ``networks.toml``: name → entry, in the order of the file."""
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
        A registered name; ``torchvision:<model>`` for any image classifier of torchvision with
        its default weights; either with ``-untrained`` for the same network before training.

    Raises
    ------
    LabError
        Where no such network exists; lists names that are close.
    """
    if name in registry():
        return registry()[name]
    if name.endswith(UNTRAINED):
        return _untrained(name)
    if name.startswith(TORCHVISION):
        return _torchvision(name)
    raise unknown(name, [*registry(), *(TORCHVISION + known for known in torchvision_names())],
                  "network")


def _untrained(name: str) -> Entry:
    trained = entry(name.removesuffix(UNTRAINED))
    return Entry(name=name, architecture=trained.architecture, options=trained.options,
                 preprocessing=trained.preprocessing, objective="none", diet="none",
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
        preprocessing=Preprocessing(view.resize_size[0], view.crop_size[0],
                                    tuple(view.mean), tuple(view.std),
                                    view.interpolation.value),
        url=weights.url, file=weights.url.rsplit("/", 1)[1],
        digest=f"sha256:{digits[1]}" if digits else "",
        bytes=round(weights.meta["_file_size"] * 2**20), licence="BSD-3-Clause; ImageNet terms")


def load_network(entry: Entry, weights: Path | None = None, *, seed: int = 0,
                 device: torch.device | str = "cpu") -> Network:
    """Build a network and give it its weights.

    Parameters
    ----------
    entry : Entry
    weights : Path, optional
        The file of weights; None for an untrained network.
    seed : int
        Seed of the initial weights, which an untrained network keeps.
    device : torch.device or str

    Raises
    ------
    LabError
        Where a trained network gets no file, or the file does not fit the architecture.
    """
    if weights is None and entry.trained:
        raise LabError(f"the network {entry.name} was given no file of weights",
                       expected=f"{entry.file or entry.url}",
                       remedy=f"pass the file, or ask for {entry.name}{UNTRAINED}")
    model = build(entry.architecture, entry.options, seed=seed)
    if weights is not None:
        state = read_state_dict(weights, key=entry.state_dict_key, prefix=entry.prefix,
                                keys=entry.keys)
        _fill(model, state, f"{weights} does not fit {entry.architecture} ({entry.name})")
    crop = entry.preprocessing.crop
    return Network(name=entry.name, entry=entry, model=model.to(device).eval(),
                   layers=layer_names(model), preprocessing=entry.preprocessing,
                   digest=state_digest(model.state_dict()), input_shape=(3, crop, crop))


def _fill(model: nn.Module, state: Mapping[str, Tensor], complaint: str) -> None:
    wanted = model.state_dict()
    wrong = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": [f"{name} {tuple(state[name].shape)} for {tuple(wanted[name].shape)}"
                             for name in wanted
                             if name in state and state[name].shape != wanted[name].shape]}
    if any(wrong.values()):
        found = "; ".join(f"{len(names)} {kind}: {', '.join(names[:3])}"
                          for kind, names in wrong.items() if names)
        raise LabError(f"{complaint}: {found}", expected=f"all {len(wanted)} tensors, no others",
                       remedy=f"check `architecture`, `options` and `keys` in {REGISTRY.name}")
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})


def pick_device(name: str = "auto") -> torch.device:
    """Choose where to compute: ``auto`` takes a GPU where there is one.

    Raises
    ------
    LabError
        Where the device is unknown or absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LabError(f"the device {name!r} cannot be used: {str(error).splitlines()[0]}",
                       expected="auto, cpu, cuda or cuda:<n>, and present",
                       remedy="set `device = \"auto\"` in the profile") from error
    return device
