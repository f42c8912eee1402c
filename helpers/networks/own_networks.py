"""A profile's own networks: its tables [network.<name>] as entries like the registry's."""

from __future__ import annotations

import importlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers.config.own_network import OwnNetworkSpec, PreprocessingSpec
from helpers.core.errors import LabError, one_of
from helpers.networks.builders import BUILDERS, FORMS, find_builder
from helpers.networks.own_function import find_function, is_own_function
from helpers.networks.registry import (
    NOT_STATED,
    UNTRAINED_SUFFIX,
    NetworkEntry,
    Preprocessing,
    ReadoutEntry,
    registry,
)

IMAGENET = {"resize": 256, "crop": 224, "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225), "interpolation": "bilinear"}
"""What images a network is shown of which nothing is known: as torchvision's classifiers."""
DOWNLOAD_OPTIONS = ("pretrained", "weights", "checkpoint_path")
"""Options of torchvision and timm that load weights; files are named, so that they are checked."""


def own_entry(name: str, spec: OwnNetworkSpec, folder: str) -> NetworkEntry:
    """Return one own network as an entry; files and modules are looked for in ``folder``.

    Raises
    ------
    LabError
        If a name is taken or cannot be part of a file's name, an architecture is unknown, a module
        or a file absent, or a key missing.
    """
    table = f"[network.{name}] of the profile"
    _check_name(name)
    is_function = is_own_function(spec.architecture)
    if is_function:
        find_function(spec.architecture, folder)
    else:
        _check_architecture(spec, table)
    file = _existing_file(folder, spec.file, table)
    objective = spec.objective or (NOT_STATED if file else "none")
    if objective != "none" and not file and not is_function:
        raise LabError(f"{table} names the objective {objective!r} and no file of weights",
                       expected="`file`, or no `objective`: then it is randomly initialised",
                       remedy="name the file of its weights; those that timm or torchvision "
                       "publish can be saved with torch.save(model.state_dict(), 'mine.pth')")
    readout = spec.readout and ReadoutEntry(spec.readout.layer, spec.readout.resize,
                                            file=_existing_file(folder, spec.readout.file, table))
    return NetworkEntry(
        name=name, architecture=spec.architecture, options=spec.options, objective=objective,
        preprocessing=_preprocessing(spec.architecture, spec.preprocessing, table),
        diet=spec.diet or ("none" if objective == "none" else NOT_STATED), file=file,
        state_dict_key=spec.state_dict_key, prefix=spec.prefix, listed_in=table, readout=readout,
        folder=os.path.abspath(folder) if is_function else "")


def _check_name(name: str) -> None:
    taken = name in registry()
    if (taken or name.endswith(UNTRAINED_SUFFIX)
            or not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII)):
        raise LabError(f"an own network is called {name!r}" + ", as one of the registry" * taken,
                       expected="another name: letters, digits, _ - + and ., not ending in "
                       f"{UNTRAINED_SUFFIX}, which stands for its control",
                       remedy=f"rename the table [network.{name}]")


def _check_architecture(spec: OwnNetworkSpec, table: str) -> None:
    """Refuse what cannot be built, or would fetch weights."""
    find_builder(spec.architecture)
    if spec.architecture.startswith("open_clip:"):
        raise LabError(f"{table} has the architecture {spec.architecture!r}",
                       expected=one_of(FORMS), remedy="correct `architecture`")
    for option in DOWNLOAD_OPTIONS:
        if option in spec.options:
            raise LabError(f"{table} has the option {option!r}",
                           expected="weights in a file, so that their content is known",
                           remedy="leave the option out; save the weights, torch.save(model"
                           ".state_dict(), 'mine.pth'), and name them: file = \"mine.pth\"")


def _existing_file(folder: str, file: str, table: str) -> str:
    """Return the absolute path of a file of weights, or nothing where none is named."""
    path = Path(folder, Path(file).expanduser())
    if file and not path.is_file():
        raise LabError(f"{table} names a file that is {'a folder' if path.is_dir() else 'absent'}:"
                       f" {path}", expected="a file of safetensors, torch.save or TorchScript; a "
                       "relative path counts from the folder of the profile",
                       remedy="correct `file`, or put the file there")
    return str(path.resolve()) if file else ""


def _preprocessing(architecture: str, given: PreprocessingSpec, table: str) -> Preprocessing:
    """Return the architecture's own preprocessing, with what the table says otherwise."""
    kind, _, model = architecture.partition(":")
    known: dict[str, Any] = IMAGENET
    if kind in ("torchvision", "timm"):
        known = importlib.import_module(BUILDERS[kind]).preprocessing(model)
    changed = {key: value for key, value in asdict(given).items() if value}
    if given.crop and not given.resize:
        changed["resize"] = given.crop
    shown = Preprocessing(**{**known, **changed})
    if shown.crop > shown.resize:
        raise LabError(f"{table} shows images of {shown.resize} px, cropped to {shown.crop} px",
                       expected="`crop` at most `resize`", remedy="correct `preprocessing`")
    return shown
