"""Bhattacharyya distances between models' predictions, image by image, in bounded memory.

For each image the overlaps of all pairs of models are one product of matrices; only the sum of
their logarithms is stored. A few images at a time pass all steps while they are in the processor's
cache, and every thread has its own images, so that no thread waits for another.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.errors import LabError

MAX_DISTANCE = 100.0
"""Distance on an image where two distributions do not overlap (it would be infinite)."""
MEMORY_BUDGET = 2**28
"""Bytes for the predictions of one block of images, for the sums of all threads, and on a GPU
for each array."""
CACHE_BYTES = 2**22
"""Bytes of each array that a CPU thread computes with at once: they stay in its cache."""
TILE = 48
"""Models whose overlaps are computed at once; pairs that are in an earlier tile are left out."""
NORM_TOLERANCE = 0.01
"""Deviation from length 1 of a distribution's square roots: float16 has three digits."""
PredictionBlock = Callable[[int, int], Tensor]
"""``block(start, stop)``: log-probabilities, floats, (n_models, stop - start, n_classes)."""


def bhattacharyya(block: PredictionBlock, n_models: int, n_images: int, n_classes: int, *,
                  device: torch.device | str = "cpu") -> NDArray[np.float64]:
    r"""Return the mean distance over images of every pair of models.

    .. math:: d(u, v) = \frac1N \sum_n -\log \sum_c \sqrt{p_u(c|n)\, p_v(c|n)}

    Parameters
    ----------
    block : callable
        Called for consecutive blocks of images: predictions may lie on disk.
    n_models, n_images, n_classes : int
    device : torch.device or str

    Returns
    -------
    array, float64, shape (n_models, n_models)
        Symmetric with 0 on the diagonal; on one image at most `MAX_DISTANCE`, never below 0.

    Raises
    ------
    LabError
        If a block has another shape, or is not a distribution over the classes.
    """
    totals = [torch.zeros(n_models, n_models, dtype=torch.float64, device=device)
              for _ in range(_n_workers(n_models**2, device))]
    bytes_per_image = 4 * n_classes * n_models
    for start, stop in _spans(n_images, MEMORY_BUDGET // bytes_per_image):
        log_probs, shape = block(start, stop).detach(), (n_models, stop - start, n_classes)
        if log_probs.shape != shape:
            raise LabError(f"a block of predictions {tuple(log_probs.shape)}", expected=f"{shape}",
                           remedy="return log-probabilities of models x images x classes")
        images_per_chunk = (CACHE_BYTES if totals[0].is_cpu
                            else MEMORY_BUDGET) // max(bytes_per_image, 4 * TILE * n_models)
        _accumulate_in_threads(totals, log_probs, list(_spans(stop - start, images_per_chunk)))
    mean = np.triu((sum(totals) / n_images).cpu().numpy(), 1)
    return mean + mean.T


def _n_workers(n_pairs: int, device: torch.device | str) -> int:
    """Return how many threads have a sum of their own: torch's, or 1 where sums are large."""
    threads = torch.get_num_threads() if torch.device(device).type == "cpu" else 1
    return threads if 8 * n_pairs * threads <= MEMORY_BUDGET else 1


def _spans(n_images: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive spans of images, ``size`` each, or one."""
    size = max(1, size)
    for start in range(0, n_images, size):
        yield start, min(start + size, n_images)


def _accumulate_in_threads(totals: Sequence[Tensor], log_probs: Tensor,
                           spans: Sequence[tuple[int, int]]) -> None:
    """Divide the spans of a block among the workers, in a fixed order, one total for each."""
    def work(worker: int) -> None:
        for start, stop in spans[worker::len(totals)]:
            _accumulate(totals[worker], log_probs[:, start:stop])

    before = torch.get_num_threads()
    torch.set_num_threads(1 if len(totals) > 1 else before)  # several workers are the threads
    try:
        with ThreadPoolExecutor(len(totals), initializer=torch.set_num_threads,
                                initargs=(torch.get_num_threads(),)) as pool:
            list(pool.map(work, range(len(totals))))
    finally:
        torch.set_num_threads(before)


def _accumulate(total: Tensor, log_probs: Tensor) -> None:
    """Add the distances on some images, of the pairs above the diagonal alone."""
    roots = _sqrt_probabilities(log_probs, total.device)
    for top in range(0, len(total), TILE):
        overlap = torch.bmm(roots[:, top:top + TILE], roots[:, top:].transpose(1, 2))
        # Disjoint distributions overlap by 0: the logarithm, not the overlap, is capped.
        overlap.log_().clamp_(-MAX_DISTANCE, 0.0)
        total[top:top + TILE, top:] -= overlap.sum(0, dtype=torch.float64)


def _sqrt_probabilities(log_probs: Tensor, device: torch.device) -> Tensor:
    """Return the square roots of probabilities, images first, from their logarithms."""
    log_probs = log_probs.to(device).transpose(0, 1)
    roots = torch.empty(log_probs.shape, device=device)
    torch.mul(log_probs, 0.5, out=roots).exp_()
    deviation = (torch.linalg.vector_norm(roots, dim=-1) - 1).abs().max()
    if not deviation <= NORM_TOLERANCE:  # also where it is NaN
        raise LabError("a block of predictions that are not log-probabilities",
                       expected="in all images probabilities that add up to 1",
                       remedy="apply log_softmax first")
    return roots


def truth_model(labels: Sequence[int] | NDArray, n_classes: int) -> PredictionBlock:
    """Return the model that gives the true class all probability."""
    labels = np.asarray(labels)

    def block(start: int, stop: int) -> Tensor:
        log_probs = torch.full((1, stop - start, n_classes), -torch.inf)
        log_probs[0, torch.arange(stop - start), torch.from_numpy(labels[start:stop])] = 0.0
        return log_probs

    return block


def ignorance_model(n_classes: int) -> PredictionBlock:
    """Return the model that gives all classes the same probability."""
    return lambda start, stop: torch.full((1, stop - start, n_classes), -float(np.log(n_classes)))


def concatenate_blocks(blocks: Sequence[PredictionBlock]) -> PredictionBlock:
    """Concatenate the models of several blocks, in order."""
    return lambda start, stop: torch.cat([block(start, stop) for block in blocks])


def block_from_array(log_probs: NDArray | Tensor) -> PredictionBlock:
    """Read from an array in memory or mapped from disk, (n_models, n_images, n_classes)."""
    def block(start: int, stop: int) -> Tensor:
        _release_pages(log_probs)
        piece = log_probs[:, start:stop]
        if isinstance(piece, np.ndarray) and not piece.flags.writeable:
            piece = np.array(piece)  # torch warns of tensors that must not be written to
        return torch.as_tensor(piece)

    return block


def _release_pages(log_probs: NDArray | Tensor) -> None:
    """Release the pages of a mapped file that were read: they count as this process's memory."""
    pages = getattr(log_probs, "base", None)
    if (isinstance(log_probs, np.memmap) and isinstance(pages, mmap.mmap) and log_probs.mode != "c"
        and hasattr(mmap, "MADV_DONTNEED")):  # "c" keeps what was written in its pages alone
        pages.madvise(mmap.MADV_DONTNEED)
