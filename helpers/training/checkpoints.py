"""The state of an interrupted training, from which it is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from helpers.networks.weights import read_state_dict, save_tensors


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
    save_tensors(path, tensors | {"losses": torch.tensor(losses, dtype=torch.float64)})


def load_training_state(path: Path | None, weights: Mapping[str, Tensor],
                        optimizer: Optimizer) -> list[float]:
    """Restore weights and moments in place, where there is a state of the same shapes.

    Returns
    -------
    list of float
        Losses of the epochs that need not be trained again; empty where there is no such state.
    """
    if path is None or not path.is_file():
        return []
    saved = read_state_dict(path)
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
