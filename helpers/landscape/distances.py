"""Bhattacharyya distances between models' predictions, picture by picture, in bounded memory.

For each picture the overlaps of all pairs of models are one product of matrices; only the sum of
their logarithms is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.ground.errors import LabError

MOST = 100.0
"""Distance on a picture where two models have nothing in common (it would be infinite; spec A)."""
BUDGET = 2**28
"""Bytes for the overlaps, and for the predictions, of one block of pictures."""
Block = Callable[[int, int], Tensor]
"""``block(start, stop)``: log-probabilities float32 (n_models, stop - start, n_classes)."""


def bhattacharyya(block: Block, n_models: int, n_pictures: int, n_classes: int, *,
                  others: Block | None = None, n_others: int = 0,
                  device: torch.device | str = "cpu") -> NDArray[np.float64]:
    r"""Return the mean distance over pictures of every pair of models.

    .. math:: d(u, v) = \frac1N \sum_n -\log \sum_c \sqrt{p_u(c|n)\, p_v(c|n)}

    Parameters
    ----------
    block : callable
        Called for consecutive blocks of pictures: predictions may lie on disk.
    n_models, n_pictures, n_classes : int
    others, n_others : callable and int, optional
        Other models: then distances from each of them to each of the first.
    device : torch.device or str

    Returns
    -------
    array, float64, shape (n_models, n_models), or (n_others, n_models)
        Symmetric with 0 on the diagonal; on one picture at most `MOST`, never below 0.

    Raises
    ------
    LabError
        If a block has another shape, or holds what is no probability.
    """
    rows = n_others if others else n_models
    total = torch.zeros(rows, n_models, dtype=torch.float64, device=device)
    for start, stop in _blocks(n_pictures, max(rows * n_models, (n_models + rows) * n_classes)):
        first = _half(block(start, stop), (n_models, stop - start, n_classes), device)
        second = _half(others(start, stop), (n_others, stop - start, n_classes),
                       device) if others else first
        overlap = torch.einsum("mbc,nbc->bmn", second, first)
        # Models that share nothing overlap by 0: the logarithm, not the overlap, is capped.
        overlap.clamp_(max=1.0).log_().clamp_(min=-MOST)
        total -= overlap.sum(0, dtype=torch.float64)
    mean = (total / n_pictures).cpu().numpy()
    if others is None:
        mean = (mean + mean.T) / 2
        np.fill_diagonal(mean, 0.0)
    return np.maximum(mean, 0.0)


def _blocks(n_pictures: int, numbers: int) -> Iterator[tuple[int, int]]:
    """Yield blocks of pictures whose largest array stays within `BUDGET`."""
    size = max(1, BUDGET // (4 * numbers))
    for start in range(0, n_pictures, size):
        yield start, min(start + size, n_pictures)


def _half(logs: Tensor, shape: tuple[int, ...], device: torch.device | str) -> Tensor:
    """Return the square roots of probabilities, from their logarithms."""
    if tuple(logs.shape) != shape:
        raise LabError(f"a block of predictions {tuple(logs.shape)}", expected=f"{shape}",
                       remedy="return log-probabilities of models x pictures x classes")
    half = (logs.to(device, torch.float32) / 2).exp_()
    if not half.max() <= 1 + 1e-4:  # also where it is NaN
        raise LabError("a block holds what is no logarithm of a probability",
                       expected="numbers of 0 or less", remedy="apply log_softmax first")
    return half


def truth(labels: Sequence[int] | NDArray, n_classes: int) -> Block:
    """Return the model that is always right: all probability on the true class."""
    labels = np.asarray(labels)

    def block(start: int, stop: int) -> Tensor:
        logs = torch.full((1, stop - start, n_classes), -torch.inf)
        logs[0, torch.arange(stop - start), torch.from_numpy(labels[start:stop])] = 0.0
        return logs

    return block


def ignorance(n_classes: int) -> Block:
    """Return the model that knows nothing: every class is as likely."""
    return lambda start, stop: torch.full((1, stop - start, n_classes), -float(np.log(n_classes)))


def together(blocks: Sequence[Block]) -> Block:
    """Join models into one reader, in order."""
    return lambda start, stop: torch.cat([block(start, stop) for block in blocks])


def of_array(logs: NDArray | Tensor) -> Block:
    """Read from an array in memory or mapped from disk, (n_models, n_pictures, n_classes)."""
    def block(start: int, stop: int) -> Tensor:
        piece = logs[:, start:stop]
        if isinstance(piece, np.ndarray) and not piece.flags.writeable:
            piece = np.array(piece)  # torch warns of tensors that must not be written to
        return torch.as_tensor(piece).float()  # in torch's threads, whatever the strides

    return block
