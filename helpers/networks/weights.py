"""Files of weights: read without ever running code, hashed by content, written whole."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.ground.errors import LabError
from helpers.ground.paths import atomic_write

OPEN_IPCL_FC = {"fc6.0": "projector.0", "fc6.1": "projector.1", "fc7.0": "projector.3",
                "fc7.1": "projector.4", "fc8.0": "projector.6"}
"""Names of the projector's modules in the open_ipcl files → names here."""

OF_NO_TOWER = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")
"""Tensors in the files of CLIP that neither tower has: the loss's two, and OpenAI's three sizes."""


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
        those of OpenAI's CLIP and of open_clip, of which the image tower is kept, or the text
        tower.

    Raises
    ------
    LabError
        Where the file is absent, damaged, not what its name says, would run code when it is
        read, or lacks ``key``.
    """
    path = Path(path)
    if not path.is_file():
        raise LabError(f"there are no weights at {path}", expected="a file of weights",
                       remedy="fetch them (make fetch), or train them again (make zoo)")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if key:
        if not isinstance(content.get(key), Mapping):
            raise LabError(f"{path} has no {key!r} but {', '.join(map(str, content))[:200]}",
                           expected=f"a checkpoint with the state dict under {key!r}",
                           remedy="correct `state_dict_key` in registry.toml")
        content = content[key]
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise LabError(f"{path} holds more than tensors: {', '.join(map(str, content))[:200]}",
                       expected="a state dict", remedy="set `state_dict_key` in registry.toml")
    state = {name.removeprefix(prefix): tensor for name, tensor in content.items()}
    return TRANSLATIONS[keys](state) if keys else state


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file begins with the length of its header, which is text and any number.
    if head.startswith((b"\x80", b"PK")) and not head.endswith(b"{"):
        raise LabError(f"{path} is a pickle where safetensors is expected",
                       expected="a safetensors file, which cannot carry code",
                       remedy="do not rename it: fetch the original, or save it as .pth")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    try:
        if _is_torchscript(path):
            return _read_torchscript(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError,
            ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return content if isinstance(content, Mapping) else {}


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
                       remedy=f"delete {path.name} and fetch the publisher's own file")
    with warnings.catch_warnings():  # PyTorch makes no more of these, but OpenAI's stay as they are
        warnings.filterwarnings("ignore", r"`torch\.jit\.load`", FutureWarning)
        return torch.jit.load(path, map_location="cpu").state_dict()


def _damaged(path: Path, error: Exception) -> LabError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return LabError(f"{path} cannot be read: {first[:200]}",
                    expected="an undamaged file that holds tensors and plain values only",
                    remedy=f"delete {path.name} and fetch it again")


def _rename(name: str) -> str:
    """Translate the name of an open_ipcl tensor: conv_block_1.0.weight → backbone.0.0.weight."""
    if found := re.match(r"conv_block_(\d)(\..+)", name):
        return f"backbone.{int(found[1]) - 1}{found[2]}"
    module, _, tensor = name.rpartition(".")
    return f"{OPEN_IPCL_FC[module]}.{tensor}" if module in OPEN_IPCL_FC else name


def _open_ipcl(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_rename(name): tensor for name, tensor in state.items()}


def _image_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("visual."): tensor for name, tensor in state.items()
            if name.startswith("visual.")}


def _text_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keep what is the text tower's; some files of open_clip put ``text.`` before its names."""
    return {name.removeprefix("text."): tensor for name, tensor in state.items()
            if not name.startswith("visual.") and name not in OF_NO_TOWER}


TRANSLATIONS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "open_ipcl": _open_ipcl, "open_clip": _image_tower, "open_clip_text": _text_tower}
"""Value of ``keys`` → what gives a file's tensors the names that they have here."""


def fill(model: nn.Module, state: Mapping[str, Tensor], complaint: str) -> None:
    """Give a network its weights, in the precision that it has: all of them, and no others.

    Parameters
    ----------
    model : nn.Module
    state : mapping of str to Tensor
    complaint : str
        Begins the message of the error.

    Raises
    ------
    LabError
        Where a tensor is missing, unexpected or of another shape.
    """
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
                       remedy="check `architecture`, `options` and `keys` in registry.toml")
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})


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
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor
                 for name, tensor in state.items()}
    atomic_write(Path(path), lambda part: save_file(state, part))
