"""Two descriptions of an image that know no content: Gabor energy, and its main axes.

Published parameters (authors' notebook nb7), without the published flaw: the axes of GistPC are
fitted to one set of images and applied to every other; the published code fitted them to each set
anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.errors import LabError

ORIENTATIONS = (12, 8, 6, 4)
"""Orientations at each scale, from fine to coarse: 30 filters."""
GRID = 16
"""Energy is averaged over this many times this many blocks: 7,680 features."""
N_AXES = 50
"""Axes of GistPC."""


@dataclass(frozen=True)
class GaborBank:
    """Hold the transfer functions of all filters for images of one size.

    Attributes
    ----------
    transfer : Tensor, float32, shape (30, side, side)
        In the order of `torch.fft.fft2` (zero frequency first).
    blocks : Tensor, float32, shape (GRID, side)
        Averages rows (or columns) of pixels into blocks. A side that is not a multiple of 16 has
        blocks whose edges are rounded down, as in the original.
    """

    transfer: Tensor
    blocks: Tensor


@lru_cache(maxsize=4)
def gabor_bank(side: int) -> GaborBank:
    r"""Build the filters for square images of ``side`` pixels (published: 425).

    Scale s = 1 ... 4 has frequency :math:`f = 0.3 / 1.85^{s-1}` (cycles per pixel) and n
    orientations :math:`\theta_j = \pi (j - 1) / n` with :math:`\sigma_\theta = 16 n^2 / 32^2`:

    .. math:: \exp(-10 \sigma_r (f_r / N / f - 1)^2 - 2 \pi \sigma_\theta \theta_r^2),
        \quad \sigma_r = 0.35

    where :math:`f_r` and :math:`\theta_r` are a frequency's distance from zero and its angle from
    the filter's, wrapped to :math:`(-\pi, \pi]`. So filter j prefers waves that travel along
    :math:`-\theta_j` (rows count downwards).

    Notes
    -----
    For an odd side, as the published 425, the original's frequencies are half a step
    off centre (-212.5 ... 211.5); here they are the transform's own (-212 ... 212).
    """
    if side < GRID:
        raise LabError(f"images of {side} pixels", expected=f"{GRID} pixels or more",
                       remedy="scale the images up")
    steps = torch.fft.fftfreq(side, dtype=torch.float64) * side
    fy, fx = torch.meshgrid(steps, steps, indexing="ij")
    radius, angle = torch.hypot(fx, fy), torch.atan2(fy, fx)
    filters = []
    for scale, n in enumerate(ORIENTATIONS):
        frequency, width = 0.3 / 1.85**scale, 16 * n**2 / 32**2
        for j in range(n):
            turned = angle + torch.pi * j / n
            turned = torch.where(turned > torch.pi, turned - 2 * torch.pi, turned)
            filters.append(torch.exp(-10 * 0.35 * (radius / side / frequency - 1) ** 2
                                     - 2 * torch.pi * width * turned**2))
    edges = torch.arange(GRID + 1) * side // GRID
    blocks = torch.zeros(GRID, side)
    for block, (first, last) in enumerate(zip(edges, edges[1:])):
        blocks[block, first:last] = 1 / (last - first)
    return GaborBank(torch.stack(filters).float(), blocks)


def gabor_features(images: Tensor) -> Tensor:
    """Return the mean magnitude of every filter's output in every block.

    Parameters
    ----------
    images : Tensor, shape (n_images, side, side, 3) or (n_images, side, side)
        Any type; colours are averaged, then each image's mean is taken away.

    Returns
    -------
    Tensor, float32, shape (n_images, 7680)
        Filter by filter (fine to coarse), then blocks row by row; on the images' device.

    Raises
    ------
    LabError
        If the images are not square, or smaller than 16 pixels.
    """
    grey = images.float().mean(-1) if images.ndim == 4 else images.float()
    if grey.ndim != 3 or grey.shape[1] != grey.shape[2]:
        raise LabError(f"images of shape {tuple(images.shape)}",
                       expected="square images, images x side x side (x 3)",
                       remedy="crop or scale them to squares")
    bank = gabor_bank(grey.shape[1])
    spectrum = torch.fft.fft2(grey - grey.mean((1, 2), keepdim=True))
    transfer, blocks = bank.transfer.to(grey.device), bank.blocks.to(grey.device)
    energy = [blocks @ torch.fft.ifft2(spectrum * one).abs() @ blocks.T for one in transfer]
    return torch.stack(energy, 1).flatten(1)


def gist_axes(features: NDArray, *, n_axes: int = N_AXES) -> NDArray[np.float64]:
    """Return the leading eigenvectors of the features' second moments, without centring.

    Parameters
    ----------
    features : array, float, shape (n_images, n_features)
        Of the images that a model is fitted to, and no others.

    Returns
    -------
    array, float64, shape (n_features, n_kept)
        Orthonormal, the strongest first; fewer than ``n_axes`` where there are fewer images.
        Each axis points to where the images' mean is positive.
    """
    rows = _finite(features)
    if not rows.any():
        raise LabError("features that are all zero", expected="images with some contrast",
                       remedy="check the images: uniform ones have no main axes")
    # The smaller of two matrices with the same eigenvalues: images by images, mostly.
    wide = rows.shape[0] < rows.shape[1]
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = np.flatnonzero(values > 1e-12 * values[-1])[::-1][:n_axes]
    axes = rows.T @ vectors[:, kept] / np.sqrt(values[kept]) if wide else vectors[:, kept]
    axes = np.linalg.qr(axes)[0]  # undoes rounding errors of weak axes; may turn signs
    return axes * np.where(axes.T @ rows.mean(0) < 0, -1.0, 1.0)


def project(features: NDArray, axes: NDArray) -> NDArray[np.float64]:
    """Describe images by their scores on axes that were fitted to other images: GistPC.

    Parameters
    ----------
    features : array, float, shape (n_images, n_features)
        Of any images.
    axes : array, float64, shape (n_features, n_kept)
        From `gist_axes`, of the images that the model is fitted to.

    Returns
    -------
    array, float64, shape (n_images, n_kept)
    """
    rows = _finite(features)
    if axes.ndim != 2 or rows.shape[1] != len(axes):
        raise LabError(f"{rows.shape[1]} features, axes of shape {axes.shape}",
                       expected="as many features as the axes have",
                       remedy="compute both from images of one size")
    return rows @ axes


def _finite(features: NDArray) -> NDArray[np.float64]:
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise LabError(f"features of shape {rows.shape}, or with NaN",
                       expected="finite numbers, images x features", remedy="check the images")
    return rows
