"""Images in a fixed order, wherever they lie: decoded, transformed, batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise

import torch
from PIL import Image
from torch import Tensor

Transform = Callable[[Image.Image], Tensor]

MAX_BYTES = 2**28
"""Decoded pixels that a process remembers; once there are so many, no more are added."""
_remembered: dict[Hashable, Tensor] = {}


class ImageSource(ABC):
    """Images that can be opened by their index, and have an identity."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """64 hexadecimal digits that stand for all images and their order."""

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Decode one image as RGB.

        Raises
        ------
        LabError
            If it is missing or damaged.
        """

    def identity(self, index: int) -> Hashable:
        """Return what tells one image's pixels from all others; None: they are not remembered."""
        return None

    def batches(self, index_batches: Iterable[Sequence[int]], transform: Transform,
                *, threads: int = 4) -> Iterator[Tensor]:
        """Yield decoded, transformed batches, the next one being decoded meanwhile.

        Parameters
        ----------
        index_batches : iterable of sequences of int
            Images of each batch.
        transform : callable
            Image -> float32 tensor (3, height, width). Where it has the parts of
            `helpers.networks.registry.Preprocessing` (pixels of a ``geometry``, then
            ``normalise``), pixels are remembered: the next network is shown them undecoded.

        Yields
        ------
        Tensor, float32, shape (n_images, 3, height, width)
        """
        finished = getattr(transform, "normalise", lambda batch: batch)
        with ThreadPoolExecutor(threads) as pool:
            jobs = ([pool.submit(self._pixels, int(i), transform) for i in indices]
                    for indices in index_batches)
            for batch, _ in pairwise(chain(jobs, [None])):  # the next one is already submitted
                yield finished(torch.stack([job.result() for job in batch]))

    def _pixels(self, index: int, transform: Transform) -> Tensor:
        """Return one image as `transform` has it before normalising, remembered if it may be."""
        identity = self.identity(index) if hasattr(transform, "geometry") else None
        if identity is None:
            return getattr(transform, "pixels", transform)(self.open(index))
        key = (identity, transform.geometry)
        if key not in _remembered:
            pixels = transform.pixels(self.open(index))
            if (len(_remembered) + 1) * pixels.numel() > MAX_BYTES:
                return pixels
            _remembered[key] = pixels
        return _remembered[key]
