"""A profile's own networks: its tables [network.<name>] as entries like the registry's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from helpers.config.own_network import OwnNetworkSpec, OwnReadoutSpec, PreprocessingSpec
from helpers.config.profile import Profile
from helpers.core.errors import LabError
from helpers.networks.architectures import (
    CUSTOM_ARCHITECTURES,
    build,
    list_torchvision_models,
)
from helpers.networks.own_function import FORM, OwnFunction, find_function, is_own_function
from helpers.networks.registry import (
    NOT_STATED,
    UNTRAINED_SUFFIX,
    NetworkEntry,
    Preprocessing,
    ReadoutEntry,
    registry,
    torchvision_preprocessing,
)
from helpers.networks.timm_models import is_timm_model, list_timm_models, timm_preprocessing
from helpers.networks.weights import state_digest

IMAGENET = {"resize": 256, "crop": 224, "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225), "interpolation": "bilinear"}
"""What images a network is shown of which nothing is known: as torchvision's classifiers."""
FORMS = ("torchvision:<model>", "timm:<model>", FORM, *CUSTOM_ARCHITECTURES)
DOWNLOAD_OPTIONS = ("pretrained", "weights", "checkpoint_path")
"""Options of torchvision and timm that load weights; files are named, so that they are checked."""


class OwnEntries(Mapping[str, NetworkEntry]):
    """A profile's own networks as entries, by name; each is made when it is asked for.

    So one that cannot be used does not stand in the way of others.

    Raises
    ------
    LabError
        If a name is taken or cannot be part of a file's name, an architecture is unknown, a module
        or a file absent, or a key missing.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __getitem__(self, name: str) -> NetworkEntry:
        """Return one entry; see `own_entry`."""
        return own_entry(name, self._profile.network[name], self._profile.folder)

    def __contains__(self, name: object) -> bool:
        """Tell whether the profile has a table of this name, whatever it holds."""
        return name in self._profile.network

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._profile.network)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._profile.network)


def own_entry(name: str, spec: OwnNetworkSpec, folder: str) -> NetworkEntry:
    """Return one own network as an entry; files and modules are looked for in ``folder``."""
    table = f"[network.{name}] of the profile"
    _check_name(name)
    function = _check_architecture(spec, folder, table)
    file = _existing_file(folder, spec.file, table)
    objective = spec.objective or (NOT_STATED if file else "none")
    if objective != "none" and not file and function is None:
        raise LabError(f"{table} names the objective {objective!r} and no file of weights",
                       expected="`file`, or no `objective`: then it is randomly initialised",
                       remedy="name the file of its weights; those that timm or torchvision "
                       "publish can be saved with torch.save(model.state_dict(), 'mine.pth')")
    return NetworkEntry(
        name=name, architecture=spec.architecture, options=spec.options, objective=objective,
        preprocessing=_preprocessing(spec.architecture, function, spec.preprocessing, table),
        diet=spec.diet or ("none" if objective == "none" else NOT_STATED), file=file,
        state_dict_key=spec.state_dict_key, prefix=spec.prefix, function=function, listed_in=table,
        readout=_readout(spec.readout, folder, table))


def check_initial_weights(entry: NetworkEntry, seed: int) -> None:
    """Require of a user's function that its initial weights depend on PyTorch's seed.

    Raises
    ------
    LabError
        If two seeds give the same weights: then they are not initial ones.
    """
    if entry.function is None:
        return
    one, other = (build(entry.architecture, entry.options, seed=seed + k, function=entry.function)
                  for k in range(2))
    if state_digest(one.state_dict()) == state_digest(other.state_dict()):
        raise LabError(f"{entry.architecture} returns the same weights whatever the seed is, and "
                       f"{entry.name} is to be randomly initialised",
                       expected="initial weights drawn by PyTorch's generator, without a seed of "
                       "the function's own",
                       remedy="let the function return initial weights, and name those of training "
                       f"in `file` of {entry.listed_in}")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII) or name.endswith(UNTRAINED_SUFFIX):
        raise LabError(f"an own network is called {name!r}",
                       expected="letters, digits, _ - + and ., not ending in "
                       f"{UNTRAINED_SUFFIX}, which stands for its control",
                       remedy=f"rename the table [network.{name}]")
    if name in registry():
        raise LabError(f"an own network is called {name!r}, as one of the registry",
                       expected="another name", remedy=f"rename the table [network.{name}]")


def _check_architecture(spec: OwnNetworkSpec, folder: str, table: str) -> OwnFunction | None:
    """Refuse what cannot be built; return the user's function, where it is one."""
    kind, _, model = spec.architecture.partition(":")
    if spec.architecture in CUSTOM_ARCHITECTURES:
        return None
    if is_own_function(spec.architecture):
        return find_function(spec.architecture, folder)
    if kind not in ("torchvision", "timm"):
        raise LabError(f"{table} has the architecture {spec.architecture!r}",
                       expected=f"one of {', '.join(FORMS)}", remedy="correct `architecture`")
    if not (model in list_torchvision_models() if kind == "torchvision" else is_timm_model(model)):
        known = list_torchvision_models() if kind == "torchvision" else list_timm_models()
        near = get_close_matches(model, known, n=4, cutoff=0.5) or known[:4]
        raise LabError(f"{table} has the architecture {spec.architecture!r}, and {kind} has no "
                       f"model {model!r}", expected=f"a model of {kind}, for example "
                       + ", ".join(f"{kind}:{one}" for one in near),
                       remedy="correct `architecture`")
    loading = [option for option in DOWNLOAD_OPTIONS if option in spec.options]
    if loading:
        raise LabError(f"{table} has the option {loading[0]!r}",
                       expected="weights in a file, so that their content is known",
                       remedy="leave the option out; save the weights, torch.save(model"
                       ".state_dict(), 'mine.pth'), and name them: file = \"mine.pth\"")
    return None


def _existing_file(folder: str, file: str, table: str) -> str:
    """Return the absolute path of a file of weights, or nothing where none is named."""
    path = Path(folder, Path(file).expanduser())
    if file and not path.is_file():
        raise LabError(f"{table} names a file that is {'a folder' if path.is_dir() else 'absent'}:"
                       f" {path}", expected="a file of safetensors, torch.save or TorchScript; a "
                       "relative path counts from the folder of the profile",
                       remedy="correct `file`, or put the file there")
    return str(path.resolve()) if file else ""


def _preprocessing(architecture: str, function: OwnFunction | None, given: PreprocessingSpec,
                   table: str) -> Preprocessing:
    """Return the architecture's own preprocessing, with what the table says otherwise."""
    kind, _, model = architecture.partition(":")
    known: dict[str, Any] = IMAGENET
    if function is None and kind == "torchvision":
        known = asdict(torchvision_preprocessing(model))
    elif function is None and kind == "timm":
        known = timm_preprocessing(model)
    changed = {key: value for key, value in asdict(given).items() if value}
    if given.crop and not given.resize:
        changed["resize"] = given.crop
    shown = Preprocessing(**{**known, **changed})
    if shown.crop > shown.resize:
        raise LabError(f"{table} shows images of {shown.resize} px, cropped to {shown.crop} px",
                       expected="`crop` at most `resize`", remedy="correct `preprocessing`")
    return shown


def _readout(spec: OwnReadoutSpec | None, folder: str, table: str) -> ReadoutEntry | None:
    return spec and ReadoutEntry(spec.layer, spec.resize, _existing_file(folder, spec.file, table))
