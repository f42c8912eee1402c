"""Bhattacharyya distances between models' predictions, picture by picture, in bounded memory.

For each picture the overlaps of all pairs of models are one product of matrices; only the sum of
their logarithms is kept. A few pictures at a time go through all steps while they are in the
processor's cache, and every thread has pictures of its own: none waits for another.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.ground.errors import LabError

MOST = 100.0
"""Distance on a picture where two models have nothing in common (it would be infinite; spec A)."""
BUDGET = 2**28
"""Bytes for the predictions of one block of pictures, for the sums of all threads, and on a GPU
for each array."""
CACHED = 2**22
"""Bytes for each array of the pictures that a thread of the CPU has in hand: they stay in cache."""
TILE = 48
"""Models whose overlaps are computed at once; pairs that are in an earlier tile are left out."""
SLACK = 0.01
"""How far the square roots of a distribution may be from length 1: float16 keeps three digits."""
Block = Callable[[int, int], Tensor]
"""``block(start, stop)``: log-probabilities, floats, (n_models, stop - start, n_classes)."""


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
        If a block has another shape, or holds what is no distribution over the classes.
    """
    rows = n_others if others else n_models
    totals = [torch.zeros(rows, n_models, dtype=torch.float64, device=device)
              for _ in range(_n_workers(rows * n_models, device))]
    one = 4 * n_classes * max(n_models, rows)  # bytes of a picture
    for start, stop in _spans(n_pictures, BUDGET // one):
        columns = _seen(block(start, stop), (n_models, stop - start, n_classes))
        lines = _seen(others(start, stop), (n_others, stop - start, n_classes)) if others else None
        in_hand = (CACHED if totals[0].is_cpu else BUDGET) // max(one, 4 * TILE * n_models)
        _add_side_by_side(totals, columns, lines, list(_spans(stop - start, in_hand)))
    mean = (sum(totals) / n_pictures).cpu().numpy()
    if others is None:
        mean = np.triu(mean, 1)
        mean += mean.T
    return mean


def _n_workers(n_pairs: int, device: torch.device | str) -> int:
    """Return how many threads keep a sum: torch's, or 1 where the sums would be large."""
    threads = torch.get_num_threads() if torch.device(device).type == "cpu" else 1
    return threads if 8 * n_pairs * threads <= BUDGET else 1


def _spans(n_pictures: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive spans of pictures, ``size`` each, or one."""
    size = max(1, size)
    for start in range(0, n_pictures, size):
        yield start, min(start + size, n_pictures)


def _seen(logs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a block if it has the shape that was asked for."""
    if tuple(logs.shape) != shape:
        raise LabError(f"a block of predictions {tuple(logs.shape)}", expected=f"{shape}",
                       remedy="return log-probabilities of models x pictures x classes")
    return logs.detach()


def _add_side_by_side(totals: Sequence[Tensor], columns: Tensor, lines: Tensor | None,
                      spans: Sequence[tuple[int, int]]) -> None:
    """Share the spans of a block among the workers, in a fixed order, one total for each."""
    def work(worker: int) -> None:
        for start, stop in spans[worker::len(totals)]:
            _add(totals[worker], columns[:, start:stop],
                 None if lines is None else lines[:, start:stop])

    if len(totals) == 1:
        return work(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the workers are the threads
    try:
        with ThreadPoolExecutor(len(totals), initializer=torch.set_num_threads,
                                initargs=(1,)) as pool:
            list(pool.map(work, range(len(totals))))
    finally:
        torch.set_num_threads(before)


def _add(total: Tensor, columns: Tensor, lines: Tensor | None) -> None:
    """Add the distances on some pictures; without ``lines`` those above the diagonal alone."""
    right = _roots(columns, total.device)
    left = right if lines is None else _roots(lines, total.device)
    for top in range(0, len(total), TILE):
        first = top if lines is None else 0
        overlap = torch.bmm(left[:, top:top + TILE], right[:, first:].transpose(1, 2))
        # Models that share nothing overlap by 0: the logarithm, not the overlap, is capped.
        overlap.log_().clamp_(-MOST, 0.0)
        total[top:top + TILE, first:] -= overlap.sum(0, dtype=torch.float64)


def _roots(logs: Tensor, device: torch.device) -> Tensor:
    """Return the square roots of probabilities, pictures first, from their logarithms."""
    logs = logs.to(device).transpose(0, 1)
    roots = torch.empty(logs.shape, device=device)
    torch.mul(logs, 0.5, out=roots).exp_()
    off = (torch.linalg.vector_norm(roots, dim=-1) - 1).abs().max()
    if not off <= SLACK:  # also where it is NaN
        raise LabError("a block holds what are no logarithms of probabilities",
                       expected="in all pictures probabilities that add up to 1",
                       remedy="apply log_softmax first")
    return roots


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
        _forget(logs)
        piece = logs[:, start:stop]
        if isinstance(piece, np.ndarray) and not piece.flags.writeable:
            piece = np.array(piece)  # torch warns of tensors that must not be written to
        return torch.as_tensor(piece)

    return block


def _forget(logs: NDArray | Tensor) -> None:
    """Let go of the pages of a mapped file that were read: they would count as this process's."""
    pages = getattr(logs, "base", None)
    if (isinstance(logs, np.memmap) and isinstance(pages, mmap.mmap) and logs.mode != "c"
            and hasattr(mmap, "MADV_DONTNEED")):  # "c" keeps what was written in its pages alone
        pages.madvise(mmap.MADV_DONTNEED)
