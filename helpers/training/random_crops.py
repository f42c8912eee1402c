"""Random views of images on disk for the readout: each cropped anywhere, scaled and mirrored.

As the published training draws them (authors' training.py, get_ffcv_dataloaders), with the rule of
torchvision's RandomResizedCrop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import functional

from helpers.core.digest import text_digest
from helpers.stimuli.image_source import ImageSource

ASPECT = 4 / 3
"""Published: width / height of a crop lies between 3 / 4 and 4 / 3."""
N_ATTEMPTS = 10
"""Crops that are drawn until one fits into the image; then the middle is taken (torchvision)."""


@dataclass(frozen=True)
class RandomCrops(ImageSource):
    """One random view of every image: the same at every opening, whichever thread opens it.

    Attributes
    ----------
    images : ImageSource
    size : int
        Shorter side to which an image is scaled first, and side of its view, px.
    min_crop_fraction : float
        Smallest fraction of the image's area in a crop.
    seed : tuple of int
        Of the views, such as the training's seed and the number of the epoch.
    """

    images: ImageSource
    size: int
    min_crop_fraction: float
    seed: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def digest(self) -> str:
        """Return what stands for the images and their views."""
        return text_digest(repr((self.images.digest, self.size, self.min_crop_fraction, self.seed)))

    def open(self, index: int) -> Image.Image:
        """Decode one image, and crop, scale and mirror it at random; RGB, (size, size)."""
        rng = np.random.default_rng((*self.seed, index))
        image = functional.resize(self.images.open(index), [self.size], antialias=True)
        box = draw_crop(image.width, image.height, self.min_crop_fraction, rng)
        view = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        return ImageOps.mirror(view) if rng.random() < 0.5 else view


def draw_crop(width: int, height: int, min_fraction: float,
              rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a crop: its area uniform, the logarithm of its aspect ratio uniform.

    Returns
    -------
    left, upper, right, lower : int
        In px, within the image. Where none of `N_ATTEMPTS` crops fits, the largest crop in the
        middle whose aspect ratio is allowed.
    """
    for _ in range(N_ATTEMPTS):
        area = rng.uniform(min_fraction, 1) * width * height
        aspect = math.exp(rng.uniform(-math.log(ASPECT), math.log(ASPECT)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, upper = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, upper, left + w, upper + h
    w, h = min(width, round(height * ASPECT)), min(height, round(width * ASPECT))
    left, upper = (width - w) // 2, (height - h) // 2
    return left, upper, left + w, upper + h
