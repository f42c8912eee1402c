"""Networks ready to be shown images: built, given their weights, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from helpers.core.digest import text_digest
from helpers.core.errors import LabError, one_of
from helpers.networks.architectures import build, layer_names
from helpers.networks.builders import builder_digest
from helpers.networks.channel_axes import select_tensor_layers
from helpers.networks.registry import UNTRAINED_SUFFIX, NetworkEntry, Preprocessing
from helpers.networks.weights import load_weights, read_state_dict, state_digest


@dataclass(frozen=True)
class Network:
    """A network ready to be shown images.

    Parameters
    ----------
    name : str
    entry : NetworkEntry
    model : nn.Module
        In evaluation mode, float32.
    layers : dict of str to str
        Layer name → module path, in order.
    preprocessing : Preprocessing
    digest : str
        SHA-256 over the names and bytes of all tensors, and the code of a user's function that
        built it: the same weights, the same digest.
    input_shape : tuple of 3 int
        Channels, height, width in pixels.
    """

    name: str
    entry: NetworkEntry
    model: nn.Module
    layers: dict[str, str]
    preprocessing: Preprocessing
    digest: str
    input_shape: tuple[int, int, int]

    @property
    def parts(self) -> dict[str, object]:
        """All that its answers depend on, for keys: the same weights may be built otherwise."""
        built = [self.entry.architecture, self.entry.options,
                 builder_digest(self.entry.architecture, self.entry.folder)] if self.entry else []
        return {"weights": self.digest, "built": built,
                "layers": [list(pair) for pair in self.layers.items()],
                "preprocessing": self.preprocessing, "input_shape": self.input_shape}


def load_network(entry: NetworkEntry, weights: Path | None = None, *, seed: int = 0,
                 device: torch.device | str = "cpu") -> Network:
    """Build a network and give it its weights.

    Parameters
    ----------
    entry : NetworkEntry
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
    if weights is None and entry.trained and not entry.folder:
        raise LabError(f"the network {entry.name} was given no file of weights",
                       expected=f"{entry.file or entry.url}",
                       remedy=f"pass the file, or ask for {entry.name}{UNTRAINED_SUFFIX}")
    model = build(entry.architecture, entry.options, seed=seed, folder=entry.folder)
    if weights is not None:
        state = read_state_dict(weights, key=entry.state_dict_key, prefix=entry.prefix,
                                keys=entry.keys)
        load_weights(model, state, f"{weights} does not fit {entry.architecture} ({entry.name} in "
                     f"{entry.listed_in})")
        _require_known_input_scaling(model, entry)
    input_shape = (3, entry.preprocessing.crop, entry.preprocessing.crop)
    digest = state_digest(model.state_dict())
    if entry.folder:
        digest = text_digest(f"{digest} {builder_digest(entry.architecture, entry.folder)}")
    return Network(name=entry.name, entry=entry, model=model.to(device).eval(),
                   layers=select_tensor_layers(model, layer_names(model), input_shape),
                   preprocessing=entry.preprocessing, digest=digest, input_shape=input_shape)


def _require_known_input_scaling(model: nn.Module, entry: NetworkEntry) -> None:
    """Refuse to guess whether GoogLeNet and Inception v3 re-scale their input: no file says it."""
    if hasattr(model, "transform_input") and "transform_input" not in entry.options:
        raise LabError(f"it is not known whether {entry.name} ({entry.architecture}) re-scales its "
                       "input",
                       expected="`options` with transform_input = true (torchvision's published "
                       "weights) or false (images standardised as in `preprocessing`)",
                       remedy=f"add it to `options` in {entry.listed_in}; or name "
                       f"{entry.architecture}, which has the published ones")


def select_device(name: str = "auto") -> torch.device:
    """Choose where to compute: ``auto`` takes the first that is present of cuda, mps, cpu.

    Raises
    ------
    LabError
        Where the device is unknown or absent; lists those that are present.
    """
    if name == "auto":
        return torch.device(available_devices()[0])
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LabError(f"the device {name!r} cannot be used: {str(error).splitlines()[0]}",
                       expected=one_of(["auto", *available_devices()]) + " (present here)",
                       remedy="set `device = \"auto\"` in the profile") from error
    return device


def available_devices() -> list[str]:
    """Return the devices that are present, the first choice first: NVIDIA's, Apple's, the CPU."""
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [*["cuda"][:n_cuda], *(f"cuda:{index}" for index in range(1, n_cuda)),
            *["mps"][:torch.backends.mps.is_available()], "cpu"]
