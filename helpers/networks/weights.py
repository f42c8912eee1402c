"""Files of weights: read without ever running code, hashed by content, written whole."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from os.path import commonprefix
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write
from helpers.networks.weight_errors import missing_weights_error, unreadable_weights_error

OPEN_IPCL_FC = {"fc6.0": "projector.0", "fc6.1": "projector.1", "fc7.0": "projector.3",
                "fc7.1": "projector.4", "fc8.0": "projector.6"}
"""Names of the projector's modules in the open_ipcl files → names here."""

_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

SHARED_CLIP_TENSORS = ("logit_scale", "logit_bias", "input_resolution", "context_length",
                       "vocab_size")
"""Tensors in the files of CLIP that neither encoder has: the loss's two, and OpenAI's three sizes.
"""


def read_state_dict(path: Path, *, key: str = "", prefix: str = "",
                    keys: str = "") -> dict[str, Tensor]:
    """Read the tensors of a file of weights, never running code from it.

    Parameters
    ----------
    path : Path
        ``.safetensors``, a PyTorch file (read with ``weights_only=True``), or a TorchScript
        archive, of which only the tensors are used.
    key : str
        Key of the state dict within a training checkpoint.
    prefix : str
        Stripped from the front of every name, for example ``module.``.
    keys : {"", "open_ipcl", "open_clip", "open_clip_text"}
        Whose names the file has, where they are not the network's own: those of open_ipcl, or
        those of OpenAI's CLIP and of open_clip, of which the image encoder is kept, or the text
        encoder.

    Raises
    ------
    LabError
        Where the file is absent, damaged, not what its name says, would run code when it is
        read, lacks ``key``, or holds values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise missing_weights_error(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if key:
        if not isinstance(content.get(key), Mapping):
            raise LabError(f"{path} has no {key!r} but {', '.join(map(str, content))[:200]}",
                           expected=f"a checkpoint with the state dict under {key!r}",
                           remedy="correct `state_dict_key` in registry.toml")
        content = content[key]
    if not all(isinstance(name, str) and isinstance(value, Tensor)
               for name, value in content.items()):
        raise LabError(f"{path} holds more than tensors: {', '.join(map(str, content))[:200]}",
                       expected="a state dict", remedy=_suggest_state_dict_key(content))
    state = _strip_prefix(content, prefix)
    state = KEY_TRANSLATIONS[keys](state) if keys else state
    _require_finite(state, f"{path} holds")
    return state


def _suggest_state_dict_key(content: Mapping[str, Any]) -> str:
    """Name the key of a checkpoint that holds tensors, where there is one."""
    keys = [key for key, value in content.items() if isinstance(value, Mapping)
            and any(isinstance(part, Tensor) for part in value.values())]
    if not keys:
        return "save the tensors alone: torch.save(model.state_dict(), ...)"
    return f"set `state_dict_key` in its table of registry.toml; tensors are in {', '.join(keys)}"


def _strip_prefix(content: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Strip a prefix from the names of tensors, and from those of modules in the metadata.

    PyTorch keeps each module's version beside the tensors, and loads old files by it.
    """
    state = OrderedDict((name.removeprefix(prefix), value) for name, value in content.items())
    if hasattr(content, "_metadata"):
        state._metadata = OrderedDict(
            (f"{name}.".removeprefix(prefix).removesuffix(".") if prefix else name, version)
            for name, version in content._metadata.items())
    return state


def _require_finite(state: Mapping[str, Tensor], subject: str, *, remedy: str = (
        "such weights come of a training that failed, or of a conversion to fewer bits; take "
        "another checkpoint, or the original")) -> None:
    for name, tensor in state.items():
        as_float = tensor.float() if tensor.element_size() == 1 else tensor
        if tensor.is_floating_point() and not (finite := as_float.isfinite()).all():
            raise LabError(f"{subject} {int((~finite).sum())} of {tensor.numel()} values in "
                           f"{name} that are infinite or not a number",
                           expected="finite weights", remedy=remedy)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file begins with the length of its header, which is text and any number.
    if head.startswith((b"\x80", b"PK")) and not head.endswith(b"{"):
        raise LabError(f"{path} is a pickle where safetensors is expected",
                       expected="a safetensors file, which cannot carry code",
                       remedy=f"rename it to {path.with_suffix('.pth').name} and correct `file` "
                       "in the registry; it is then read without running code, or refused")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise unreadable_weights_error(path, error) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    try:
        if _is_torchscript(path):
            return _read_torchscript(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError,
            ValueError, KeyError) as error:
        raise unreadable_weights_error(path, error) from error
    if not isinstance(content, Mapping):
        raise LabError(f"{path} holds a {type(content).__name__}", expected="a state dict",
                       remedy="save model.state_dict(), and name that file")
    return content


def _is_torchscript(path: Path) -> bool:
    """Tell a TorchScript archive, which has constants and code, from what torch.save writes."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _read_torchscript(path: Path) -> Mapping[str, Any]:
    """Read an archive's tensors; of its code, loading would run a ``__setstate__`` alone."""
    with zipfile.ZipFile(path) as archive:
        code = [archive.read(part) for part in archive.infolist() if part.filename.endswith(".py")]
    if any(b"__setstate__" in text for text in code):
        raise LabError(f"{path} would run code when it is read: it defines __setstate__",
                       expected="a TorchScript archive whose code need not be run",
                       remedy="take the publisher's own file; or, where you trust this one, save "
                       "its state_dict() with the program that made it")
    with warnings.catch_warnings():  # PyTorch makes no more of these, but OpenAI's stay as they are
        warnings.filterwarnings("ignore", r"`torch\.jit\.load`", FutureWarning)
        return torch.jit.load(path, map_location="cpu").state_dict()


def _rename_open_ipcl(name: str) -> str:
    """Translate the name of an open_ipcl tensor: conv_block_1.0.weight → backbone.0.0.weight."""
    if matched := re.match(r"conv_block_(\d)(\..+)", name):
        return f"backbone.{int(matched[1]) - 1}{matched[2]}"
    module, _, tensor = name.rpartition(".")
    return f"{OPEN_IPCL_FC[module]}.{tensor}" if module in OPEN_IPCL_FC else name


def _translate_open_ipcl(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_rename_open_ipcl(name): tensor for name, tensor in state.items()}


def _select_image_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("visual."): tensor for name, tensor in state.items()
            if name.startswith("visual.")}


def _select_text_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep what is the text encoder's; some files of open_clip put ``text.`` before its names."""
    return {name.removeprefix("text."): tensor for name, tensor in state.items()
            if not name.startswith("visual.") and name not in SHARED_CLIP_TENSORS}


KEY_TRANSLATIONS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "open_ipcl": _translate_open_ipcl, "open_clip": _select_image_encoder,
    "open_clip_text": _select_text_encoder}
"""Value of ``keys`` → what gives a file's tensors the names that they have here."""


def load_weights(model: nn.Module, state: Mapping[str, Tensor], error_prefix: str) -> None:
    """Give a network its weights, in the precision that it has: all of them, and no others.

    The model's own ``load_state_dict`` does it.

    Parameters
    ----------
    model : nn.Module
    state : mapping of str to Tensor
    error_prefix : str
        Begins the message of the error.

    Raises
    ------
    LabError
        Where a tensor is missing, unexpected or of another shape.
    """
    model_state = model.state_dict()
    state = _match_model_names(state, model_state)
    try:
        # The model's own loader: it knows the names and forms of its publisher's old files.
        missing, unexpected = model.load_state_dict(state, strict=False)
        mismatches = {"missing": missing, "unexpected": unexpected}
    except (RuntimeError, ValueError) as error:
        shapes = [f"{name} {tuple(state[name].shape)} for {tuple(model_state[name].shape)}"
                  for name in model_state if name in state
                  and state[name].shape != model_state[name].shape]
        mismatches = {"missing": [name for name in model_state if name not in state],
                      "unexpected": [name for name in state if name not in model_state],
                      "of another shape": shapes} if shapes else {"refused": [" ".join(
                          str(error).split())[:200]]}
    if any(mismatches.values()):
        summary = "; ".join(f"{len(names)} {mismatch}: {', '.join(names[:3])}"
                            for mismatch, names in mismatches.items() if names)
        raise LabError(f"{error_prefix}: {summary}",
                       expected=f"all {len(model_state)} tensors, no others",
                       remedy=_suggest_registry_fix(state, model_state))


def _suggest_registry_fix(state: Mapping[str, Tensor], model_state: Mapping[str, Tensor]) -> str:
    """Say what to correct in the registry: a prefix, where all names of the file share one."""
    common_prefix, dot, _ = commonprefix(list(state)).rpartition(".")
    parts = (common_prefix + dot).split(".")
    for depth in range(1, len(parts)):
        prefix = ".".join(parts[:depth]) + "."
        if {name.removeprefix(prefix) for name in state} & model_state.keys():
            return f"set `prefix = \"{prefix}\"` in its table of registry.toml"
    return "check `architecture`, `options` and `keys` in registry.toml"


def _match_model_names(state: Mapping[str, Tensor],
                       model_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate DenseNet's published names, and give files without versions those of the model.

    torchvision has the first in a function of its own, which also downloads. Safetensors files
    have no versions; where all names agree, their tensors are of the model's present form.
    """
    metadata = getattr(state, "_metadata", None)
    state = OrderedDict((name if name in model_state else _DENSE_LAYER.sub(r"\1\2", name), tensor)
                        for name, tensor in state.items())
    if metadata is None and state.keys() == model_state.keys():
        metadata = model_state._metadata
    if metadata is not None:
        state._metadata = metadata
    return state


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Hash the names, shapes and bytes of all tensors, in alphabetical order (SHA-256)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_state_dict(path: Path, model: nn.Module, *, half: bool = False) -> None:
    """Save the weights of a network as safetensors; see `save_tensors`."""
    save_tensors(path, model.state_dict(), half=half)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, half: bool = False) -> None:
    """Save tensors as safetensors, whole or not at all.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
    half : bool
        Store floating-point tensors as float16: half the size, relative error below 0.05 %.

    Raises
    ------
    LabError
        With ``half``, where a value is not finite in float16; nothing is written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor
                 for name, tensor in state.items()}
        _require_finite(state, f"{path}, in half precision, would hold",
                        remedy="save without half=True: float16 ends at 65,504; if the weights "
                        "are not finite themselves, the training has failed")
    atomic_write(Path(path), lambda part: save_file(state, part))
