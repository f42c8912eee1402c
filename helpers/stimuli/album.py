"""Pictures in a fixed order, wherever they lie: decoded, transformed, batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image
from torch import Tensor

Transform = Callable[[Image.Image], Tensor]


class Album(ABC):
    """Pictures that can be opened by their index, and have an identity."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pictures."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """64 hexadecimal digits that stand for all pictures and their order."""

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Decode one picture as RGB.

        Raises
        ------
        LabError
            If it is missing or damaged.
        """

    def batches(self, index_batches: Iterable[Sequence[int]], transform: Transform,
                *, threads: int = 4) -> Iterator[Tensor]:
        """Yield decoded, transformed batches, the next one being decoded meanwhile.

        Parameters
        ----------
        index_batches : iterable of sequences of int
            Pictures of each batch.
        transform : callable
            Picture -> float32 tensor (3, height, width).

        Yields
        ------
        Tensor, float32, shape (n_images, 3, height, width)
        """
        with ThreadPoolExecutor(threads) as pool:
            waiting = None
            for indices in index_batches:
                coming = [pool.submit(lambda i: transform(self.open(i)), int(i)) for i in indices]
                if waiting is not None:
                    yield torch.stack([job.result() for job in waiting])
                waiting = coming
            if waiting is not None:
                yield torch.stack([job.result() for job in waiting])
