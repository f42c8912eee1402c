"""The state of an interrupted training, from which it is resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from helpers.core.console import notice
from helpers.core.errors import LabError
from helpers.networks.weights import read_state_dict, save_tensors

DIGEST = "digest"
"""Tensor of a saved state: the 32 bytes of the SHA-256 of all others."""


def save_training_state(path: Path, weights: Mapping[str, Tensor], optimizer: Optimizer,
                        losses: Sequence[float]) -> None:
    """Save weights, the optimiser's moments and losses as safetensors, whole or not at all.

    Parameters
    ----------
    path : Path
        Tensors ``weights/<name>``, ``optimizer/<number of the parameter>/<moment>``, ``losses``.
    weights : dict, name -> Tensor
        All tensors that training changes, buffers included.
    optimizer : Optimizer
        Its hyperparameters are not saved: they follow from the schedule.
    losses : sequence of float
        Of each epoch so far.
    """
    tensors = {f"weights/{name}": value for name, value in weights.items()}
    tensors |= {f"optimizer/{number}/{name}": value
                for number, moments in optimizer.state_dict()["state"].items()
                for name, value in moments.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    save_tensors(path, tensors | {DIGEST: _tensors_digest(tensors)})


def load_training_state(path: Path | None, weights: Mapping[str, Tensor],
                        optimizer: Optimizer) -> list[float]:
    """Restore weights and moments in place, where there is a whole state of the same shapes.

    A state that is damaged is reported in the log, removed, and the training starts anew.

    Returns
    -------
    list of float
        Losses of the epochs that need not be trained again; empty where there is no such state.
    """
    if path is None or not path.is_file():
        return []
    saved = _read_whole_state(path)
    if {name: value.shape for name, value in saved.items() if name.startswith("weights/")} != {
            f"weights/{name}": value.shape for name, value in weights.items()}:
        return []
    with torch.no_grad():
        for name, value in weights.items():
            value.copy_(saved[f"weights/{name}"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        if name.startswith("optimizer/"):
            _, number, moment = name.split("/")
            state.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return saved["losses"].tolist()


def _read_whole_state(path: Path) -> dict[str, Tensor]:
    """Read a saved state; remove it, and return nothing, where it is not as it was written."""
    try:
        saved = dict(read_state_dict(path))
        if torch.equal(saved.pop(DIGEST, torch.empty(0)), _tensors_digest(saved)):
            return saved
    except (LabError, RuntimeError, ValueError):  # damaged bytes lead the reader into any of these
        pass
    path.unlink(missing_ok=True)
    notice(f"The state of an interrupted training, {path}, is damaged; the training starts anew.")
    return {}


def _tensors_digest(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the SHA-256 of names, types, shapes and bytes of tensors, as 32 bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)} ".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy())
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
