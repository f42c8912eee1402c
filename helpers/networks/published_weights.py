"""Weights as others publish them: within training states, under other names.

Imported by its name (`helpers.networks.builders`): this project's own files are safetensors with
the names of their networks.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, count
from os.path import commonprefix
from pathlib import Path
from typing import Any

from torch import Tensor

from helpers.core.errors import LabError
from helpers.networks.torch_files import Inert

OPEN_IPCL = {**{f"conv_block_{block}.": f"backbone.{block - 1}." for block in range(1, 6)},
             "fc6.0.": "projector.0.", "fc6.1.": "projector.1.", "fc7.0.": "projector.3.",
             "fc7.1.": "projector.4.", "fc8.0.": "projector.6."}
"""Beginnings of names in the open_ipcl files → names here."""
SHARED_CLIP_TENSORS = ("logit_scale", "logit_bias", "input_resolution", "context_length",
                       "vocab_size")
"""Tensors in the files of CLIP that neither encoder has: the loss's two, and OpenAI's three sizes.
"""
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of a network's tensors."""
MAX_DICTIONARIES = 10_000
"""Dictionaries of a training state that are looked into for tensors."""
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def select_tensors(content: Any, path: Path, *, key: str, prefix: str,
                   keys: str) -> dict[str, Tensor]:
    """Return the state dict in a file's content, with the names that its tensors have here.

    Parameters
    ----------
    content : object
        As `helpers.networks.torch_files.read_torch_file` returns it, or the tensors by name.
    path : Path
        For errors.
    key, prefix, keys : str
        As for `helpers.networks.weights.read_state_dict`.

    Raises
    ------
    LabError
        Where the content has no state dict, or none or several under ``key``.
    """
    state = _strip_prefix(_select_state_dict(content, path, key), prefix)
    while wrapper := next((wrapper for wrapper in WRAPPERS
                           if all(name.startswith(wrapper) for name in state)), ""):
        state = _strip_prefix(state, wrapper)
    return KEY_TRANSLATIONS[keys](state) if keys else state


def _select_state_dict(content: Any, path: Path, key: str) -> Mapping[str, Tensor]:
    """Return the state dict of a file: the only one, or that under a key."""
    by_place = dict(_find_state_dicts(content))
    found = by_place if not key or "" in by_place else {
        place: state for place, state in by_place.items() if f"{place}.".startswith(f"{key}.")}
    if len(found) == 1:
        return next(iter(found.values()))
    if found or by_place:
        seen = f"several state dicts: {', '.join(found)}" if found else f"no state dict {key!r}"
        raise LabError(f"{path} holds {seen}",
                       expected="one state dict, or `state_dict_key` that names one",
                       remedy="set `state_dict_key` in its table; tensors "
                       f"are in {', '.join(by_place)}")
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


def match_model_names(state: Mapping[str, Tensor],
                      model_state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors the model's names.

    A prefix that all names share is stripped where the model knows some of the rest. DenseNet's
    published names are translated: torchvision does it in a function of its own, which also
    downloads.
    """
    stripped = _strip_prefix(state, _shared_prefix(state, model_state))
    state = OrderedDict((name if name in model_state else _DENSE_LAYER.sub(r"\1\2", name), tensor)
                        for name, tensor in stripped.items())
    if hasattr(stripped, "_metadata"):
        state._metadata = stripped._metadata
    return state


def _shared_prefix(state: Mapping[str, Tensor], model_state: Mapping[str, Tensor]) -> str:
    """Return the shortest prefix of all names, without which some are the model's; or nothing."""
    parts = re.findall(r"[^.]*\.", commonprefix(list(state)))
    return next((prefix for prefix in accumulate(["", *parts])
                 if {name.removeprefix(prefix) for name in state} & model_state.keys()), "")


def _translate_open_ipcl(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a tensor: conv_block_1.0.weight → backbone.0.0.weight."""
    return {next((here + name.removeprefix(there) for there, here in OPEN_IPCL.items()
                  if name.startswith(there)), name): tensor for name, tensor in state.items()}


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


