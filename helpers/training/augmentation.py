"""Random views of a whole batch at once, on whatever device it lies.

One resampling per image does crop, scaling and flip; one 3 × 3 matrix per image does
brightness, saturation, hue and grey. So a view costs little next to the network's step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luminance (ITU-R BT.601)."""


@dataclass(frozen=True)
class Augmentation:
    """How far views of one image may differ.

    Parameters
    ----------
    size : int
        Side of a view, px.
    crop_scale : tuple of 2 float
        Smallest and largest fraction of the image's area in a crop.
    aspect : float
        Crops have width / height between 1 / aspect and aspect.
    flip : float
        Probability of a left-right mirror image.
    brightness, contrast, saturation : float
        Factors are drawn between 1 - value and 1 + value.
    hue : float
        Largest turn of the hue, as a fraction of the circle.
    jitter, grey, blur : float
        Probabilities of any colour change, of losing colour, and of blurring.
    mean, std : tuple of 3 float
        The network's preprocessing, on values from 0 to 1.
    """

    size: int = 64
    crop_scale: tuple[float, float] = (0.2, 1.0)
    aspect: float = 4 / 3
    flip: float = 0.5
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter: float = 0.8
    grey: float = 0.2
    blur: float = 0.0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class BatchGenerator:
    """Random numbers for the rows of a batch that one of several processes holds.

    Every process draws the numbers of the whole batch and keeps those of its own rows, so that the
    views of an image do not depend on the number of processes.

    Parameters
    ----------
    generator : torch.Generator
        Seeded alike in all processes.
    rank, world_size : int
        This process holds the rows ``rank, rank + world_size, ...`` of every batch.
    """

    generator: Generator
    rank: int = 0
    world_size: int = 1

    def uniform(self, n: int, low: float, high: float, like: Tensor) -> Tensor:
        """Draw one number for each of ``n`` rows, float32 (n,), on the device of ``like``."""
        drawn = torch.rand(n * self.world_size, generator=self.generator, device=like.device)
        return drawn[self.rank::self.world_size].mul_(high - low).add_(low)

    def integers(self, n: int, high: int, like: Tensor) -> Tensor:
        """Draw one number below ``high`` for each of ``n`` rows, int64 (n,)."""
        drawn = torch.randint(high, (n * self.world_size,), generator=self.generator,
                              device=like.device)
        return drawn[self.rank::self.world_size]


def augment(images: Tensor, augmentation: Augmentation, *, generator: BatchGenerator) -> Tensor:
    """Draw one random view of each image.

    Parameters
    ----------
    images : Tensor
        uint8 (n, 3, height, width).
    augmentation : Augmentation
    generator : BatchGenerator
        On the device of ``images``.

    Returns
    -------
    Tensor
        float32 (n, 3, size, size), normalised with ``mean`` and ``std``.
    """
    views = random_crop(images.float().div_(255), augmentation, generator=generator)
    if augmentation.blur:
        views = _random_blur(views, augmentation, generator)
    return jitter_colours(views, augmentation, generator=generator)


def resize_and_normalise(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Show each image whole: scaled to ``size`` and normalised, nothing random.

    Parameters
    ----------
    images : Tensor
        uint8 (n, 3, height, width), square.
    augmentation : Augmentation

    Returns
    -------
    Tensor
        float32 (n, 3, size, size).
    """
    views = images.float().div_(255)
    if views.shape[-1] != augmentation.size:
        views = functional.interpolate(views, size=(augmentation.size,) * 2, mode="bilinear",
                                       antialias=True, align_corners=False)
    return _normalise(views, augmentation)


def random_crop(images: Tensor, augmentation: Augmentation, *, generator: BatchGenerator) -> Tensor:
    """Crop at random, scale to ``size`` and mirror, in one resampling per image.

    Parameters
    ----------
    images : Tensor
        float32 (n, 3, height, width).
    augmentation : Augmentation
    generator : BatchGenerator

    Returns
    -------
    Tensor
        float32 (n, 3, size, size).
    """
    n = len(images)
    low, high = augmentation.crop_scale
    area = generator.uniform(n, low, high, images)
    log_aspect = math.log(augmentation.aspect)
    aspect = generator.uniform(n, -log_aspect, log_aspect, images).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    x = (1 - width) * generator.uniform(n, -1, 1, images)
    y = (1 - height) * generator.uniform(n, -1, 1, images)
    mirror = torch.where(generator.uniform(n, 0, 1, images) < augmentation.flip, -1.0, 1.0)
    # torch's affine_grid, made for any turn, would take longer than the sampling itself.
    size = augmentation.size
    steps = torch.arange(1 - size, size, 2, device=images.device) / size
    grid = torch.empty(n, size, size, 2, device=images.device)
    grid[..., 0] = (x[:, None] + (width * mirror)[:, None] * steps)[:, None, :]
    grid[..., 1] = (y[:, None] + height[:, None] * steps)[:, :, None]
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def jitter_colours(views: Tensor, augmentation: Augmentation, *,
                   generator: BatchGenerator) -> Tensor:
    """Change brightness, contrast, saturation and hue, drop colour at times, and normalise.

    All are linear in a pixel's colour, ``colour · M + offset``, with one M per image; values
    are kept between 0 and 1 before they are normalised.

    Parameters
    ----------
    views : Tensor
        float32 (n, 3, size, size), 0 to 1.
    augmentation : Augmentation
    generator : BatchGenerator

    Returns
    -------
    Tensor
        float32 (n, 3, size, size).
    """
    n, _, height, width = views.shape
    pixels = views.flatten(2)
    matrix, contrast = _colour_matrix(n, augmentation, views, generator)
    luma = torch.tensor(LUMA, device=views.device)
    mean_luma = torch.einsum("c,ncp->n", luma, torch.bmm(matrix, pixels.mean(2, keepdim=True)))
    offset = ((1 - contrast) * mean_luma)[:, None, None].expand(n, 3, 1)
    recoloured = torch.baddbmm(offset, matrix * contrast[:, None, None], pixels).clamp_(0, 1)
    return _normalise(recoloured.view(n, 3, height, width), augmentation)


def _colour_matrix(n: int, augmentation: Augmentation, like: Tensor,
                   generator: BatchGenerator) -> tuple[Tensor, Tensor]:
    """Draw the colour matrices (n, 3, 3) and contrast factors (n,) of a batch."""
    is_jittered = (generator.uniform(n, 0, 1, like) < augmentation.jitter).float()
    factors = [1 + is_jittered * generator.uniform(n, -value, value, like)
               for value in (augmentation.brightness, augmentation.contrast,
                             augmentation.saturation)]
    brightness, contrast, saturation = factors
    angle = is_jittered * generator.uniform(n, -augmentation.hue, augmentation.hue, like) * math.tau
    keeps_colour = (generator.uniform(n, 0, 1, like) >= augmentation.grey).float()
    saturation = (saturation * keeps_colour)[:, None, None]
    to_grey = torch.tensor(LUMA, device=like.device).expand(3, 3)
    identity = torch.eye(3, device=like.device)
    mix = saturation * identity + (1 - saturation) * to_grey
    return brightness[:, None, None] * (mix @ _hue_rotation(angle)), contrast


def _hue_rotation(angle: Tensor) -> Tensor:
    """Rotate colours about the grey axis by ``angle`` (n,) radians: matrices (n, 3, 3)."""
    third = torch.full((3, 3), 1 / 3, device=angle.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    identity = torch.eye(3, device=angle.device)
    return cosine * identity + (1 - cosine) * third + sine * cross / math.sqrt(3)


def _random_blur(views: Tensor, augmentation: Augmentation, generator: BatchGenerator) -> Tensor:
    """Blur some images with a binomial kernel of five pixels."""
    row = torch.tensor([1.0, 4, 6, 4, 1], device=views.device) / 16
    kernel = torch.outer(row, row).expand(3, 1, 5, 5)
    is_blurred = generator.uniform(len(views), 0, 1, views) < augmentation.blur
    padded = functional.pad(views, (2, 2, 2, 2), mode="reflect")
    blurred = functional.conv2d(padded, kernel, groups=3)
    return torch.where(is_blurred[:, None, None, None], blurred, views)


def _normalise(views: Tensor, augmentation: Augmentation) -> Tensor:
    """Normalise views in place by the mean and standard deviation of each channel."""
    mean, std = (torch.tensor(values, device=views.device).view(1, -1, 1, 1)
                 for values in (augmentation.mean, augmentation.std))
    return views.sub_(mean).div_(std)
