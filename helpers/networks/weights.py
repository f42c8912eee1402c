"""Files of weights: read without ever running code, hashed by content, written whole."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
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


def read_state_dict(path: Path, *, key: str = "", prefix: str = "",
                    keys: str = "") -> dict[str, Tensor]:
    """Read the tensors of a file of weights, never running code from it.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or a PyTorch file (read with ``weights_only=True``).
    key : str
        Key of the state dict within a training checkpoint.
    prefix : str
        Stripped from the front of every name, for example ``module.``.
    keys : str
        ``open_ipcl`` to rename the tensors of that project.

    Raises
    ------
    LabError
        Where the file is absent, damaged, not what its name says, or lacks ``key``.
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
    return {_rename(name): tensor for name, tensor in state.items()} if keys else state


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((b"\x80", b"PK")):
        raise LabError(f"{path} is a pickle where safetensors is expected",
                       expected="a safetensors file, which cannot carry code",
                       remedy="do not rename it: fetch the original, or save it as .pth")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    return content if isinstance(content, Mapping) else {}


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
