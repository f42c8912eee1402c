"""Files of weights: read without ever running code, hashed by content, written whole."""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from os.path import commonprefix
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write
from helpers.networks.torch_files import Inert, read_torch_file
from helpers.networks.weight_errors import missing_weights_error, unreadable_weights_error

OPEN_IPCL_FC = {"fc6.0": "projector.0", "fc6.1": "projector.1", "fc7.0": "projector.3",
                "fc7.1": "projector.4", "fc8.0": "projector.6"}
"""Names of the projector's modules in the open_ipcl files → names here."""

_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

MAX_DICTIONARIES = 10_000
"""Dictionaries of a training state that are looked into for tensors."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of a network's tensors."""

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
        A file of safetensors, of torch.save, or of TorchScript, as its content says. Of a training
        state (epoch, optimiser, arguments, ...) the state dict alone is returned.
    key : str
        Which state dict, where the file holds several: ``teacher``, ``teacher.model``.
    prefix : str
        Stripped from the front of every name. What PyTorch puts before the names of a network that
        was trained on several GPUs, or compiled, is stripped without being named.
    keys : {"", "open_ipcl", "open_clip", "open_clip_text"}
        Whose names the file has, where they are not the network's own: those of open_ipcl, or
        those of OpenAI's CLIP and of open_clip, of which the image encoder is kept, or the text
        encoder.

    Raises
    ------
    LabError
        Where the file is absent, damaged, no file of weights, has no state dict or none under
        ``key``, or holds values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise missing_weights_error(path)
    state = _strip_prefix(_select_state_dict(_read_content(path), path, key), prefix)
    while wrapper := next((wrapper for wrapper in WRAPPERS
                           if all(name.startswith(wrapper) for name in state)), ""):
        state = _strip_prefix(state, wrapper)
    state = KEY_TRANSLATIONS[keys](state) if keys else state
    _require_finite(state, f"{path} holds")
    return state


def _read_content(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            # A safetensors file begins with the length of its header, eight bytes; then the header.
            is_safetensors = file.read(9)[8:] == b"{"
        return load_file(path) if is_safetensors else read_torch_file(path)
    except Exception as error:  # bytes of others: a damaged pickle can fail in any way
        raise unreadable_weights_error(path, error) from error


def _select_state_dict(content: Any, path: Path, key: str) -> Mapping[str, Tensor]:
    """Return the state dict of a file: the only one, or that under a key."""
    everywhere = dict(_find_state_dicts(content))
    found = everywhere if not key or "" in everywhere else {
        place: state for place, state in everywhere.items() if f"{place}.".startswith(f"{key}.")}
    if len(found) == 1:
        return next(iter(found.values()))
    if found or everywhere:
        seen = f"several state dicts: {', '.join(found)}" if found else f"no state dict {key!r}"
        raise LabError(f"{path} holds {seen}",
                       expected="one state dict, or `state_dict_key` that names one",
                       remedy="set `state_dict_key` in its table of registry.toml; tensors are in "
                       f"{', '.join(everywhere)}")
    raise LabError(f"{path} holds no state dict, but {_describe(content)}",
                   expected="names and tensors, by themselves or within a training state",
                   remedy="to fetch it again changes nothing. Where you trust its source, open it "
                   "with the program that made it, apart from this project; save the tensors "
                   "alone, torch.save(model.state_dict(), 'new.pth'), and name the new file in "
                   f"place of {path.name}")


def _find_state_dicts(content: Any, place: str = "", depth: int = 4,
                      visited: Iterator[int] | None = None
                      ) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """Find the dictionaries of named tensors alone, where they are reached by names alone.

    An optimiser's moments are reached by the numbers of parameters. Dictionaries that hold each
    other many times over are not searched to their end: `MAX_DICTIONARIES`.
    """
    visited = visited or count()
    if not isinstance(content, Mapping) or next(visited) > MAX_DICTIONARIES or not depth:
        return
    if content and all(isinstance(name, str) and isinstance(value, Tensor)
                       for name, value in content.items()):
        yield place, content
        return
    for name, value in content.items():
        if isinstance(name, str):
            yield from _find_state_dicts(value, f"{place}.{name}".lstrip("."), depth - 1, visited)


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        parts = [f"{name} ({value.origin})" if isinstance(value, Inert) else str(name)
                 for name, value in content.items()]
        return f"a dictionary of {', '.join(parts)[:200] or 'nothing'}"
    return f"a {content.origin if isinstance(content, Inert) else type(content).__name__}"


def _strip_prefix(content: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Strip a prefix from the names of tensors, and from those of modules in the metadata.

    PyTorch keeps each module's version beside the tensors, and loads old files by it.
    """
    state = OrderedDict((name.removeprefix(prefix), value.detach())
                        for name, value in content.items())
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
                       remedy="put the weights of this network there; or, where they are, check "
                       "`architecture`, `options`, `prefix` and `keys` in registry.toml")


def _match_model_names(state: Mapping[str, Tensor],
                       model_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors the model's names, and files without versions those of the model.

    A prefix that all names share is stripped where the model knows some of the rest. DenseNet's
    published names are translated: torchvision does it in a function of its own, which also
    downloads. Safetensors files have no versions; where all names agree, their tensors are of the
    model's present form.
    """
    state = _strip_prefix(state, _shared_prefix(state, model_state))
    metadata = getattr(state, "_metadata", None)
    state = OrderedDict((name if name in model_state else _DENSE_LAYER.sub(r"\1\2", name), tensor)
                        for name, tensor in state.items())
    if metadata is None and state.keys() == model_state.keys():
        metadata = model_state._metadata
    if metadata is not None:
        state._metadata = metadata
    return state


def _shared_prefix(state: Mapping[str, Tensor], model_state: Mapping[str, Tensor]) -> str:
    """Return the shortest prefix of all names, without which some are the model's; or nothing."""
    common_prefix, dot, _ = commonprefix(list(state)).rpartition(".")
    parts = (common_prefix + dot).split(".")
    prefixes = ["".join(f"{part}." for part in parts[:depth]) for depth in range(len(parts))]
    return next((prefix for prefix in prefixes
                 if {name.removeprefix(prefix) for name in state} & model_state.keys()), "")


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
    atomic_write(Path(path), lambda part: _write_safetensors(state, part))


def _write_safetensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors; an error of the system keeps its number, which the library puts into words."""
    try:
        save_file(dict(state), path)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
