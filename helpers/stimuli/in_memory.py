"""A whole set of labelled images in memory, as training and probing want it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import resize

from helpers.core.console import progress
from helpers.core.errors import LabError
from helpers.stimuli.image_sets import image_folder


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Parameters
    ----------
    images : Tensor
        uint8 (n_images, 3, height, width).
    labels : Tensor
        int64 (n_images,), indices into ``classes``.
    classes : tuple of str
    domains : tuple of str
        Domain of each class; the class itself where the set has no domains.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    domains: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Tensor) -> Images:
        """Keep some images, by their indices."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def first_rows_per_class(self, n: int) -> Tensor:
        """Return the indices of the first ``n`` images of each class."""
        return torch.cat([(self.labels == label).nonzero().flatten()[:n]
                          for label in range(len(self.classes))])

    def first_per_class(self, n: int) -> Images:
        """Keep the first ``n`` images of each class."""
        return self.select(self.first_rows_per_class(n))


def read_images(folder: Path) -> Images:
    """Read an ImageFolder (one sub-folder per class) of equally large images into memory.

    Raises
    ------
    LabError
        Where the folder is no image set, or the images differ in size.
    """
    files = image_folder(folder)
    with ThreadPoolExecutor() as pool:
        decoded = [np.asarray(image) for image in progress(
            pool.map(files.open, range(len(files))), f"reading {folder.name}", len(files))]
    sizes = sorted({image.shape for image in decoded})
    if len(sizes) > 1:
        raise LabError(f"{folder} has images of {len(sizes)} sizes: {sizes[:3]}",
                       expected="images of one size",
                       remedy="resize them to one size")
    domain_of = dict(zip(files.categories, files.domains))
    images = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).contiguous()
    return Images(images, torch.from_numpy(files.labels), files.classes,
                  tuple(domain_of[name] for name in files.classes))


def downsample(pixels: Tensor, side: int) -> Tensor:
    """Scale images, uint8 (..., 3, height, width), to ``side`` px square, values from 0 to 1."""
    return resize(pixels, [side, side], antialias=True).float() / 255


def raw_pixels(images: Images, side: int = 16) -> NDArray[np.float32]:
    """Return images scaled to ``side`` px, 0 to 1, as rows (n_images, 3 · side²)."""
    return downsample(images.images, side).flatten(1).numpy()
