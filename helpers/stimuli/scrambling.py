"""Images without things: textures of the same spectrum, mosaics; one luminance for all."""

from __future__ import annotations

import numpy as np
from PIL import Image


def phase_scramble(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep the amplitude spectrum and add the phases of white noise.

    Parameters
    ----------
    grey : ndarray, shape (height, width), float

    Returns
    -------
    ndarray, shape (height, width), float; real, with the mean of ``grey``.
    """
    white = np.fft.rfft2(rng.standard_normal(grey.shape))
    phases = white / np.abs(white)
    phases[0, 0] = 1
    return np.fft.irfft2(np.fft.rfft2(np.asarray(grey, np.float64)) * phases, s=grey.shape)


def block_scramble(image: Image.Image, rng: np.random.Generator, tiles: int = 8) -> Image.Image:
    """Shuffle a grid of ``tiles`` by ``tiles`` blocks."""
    side = image.width // tiles
    pixels = np.asarray(image)[:side * tiles, :side * tiles]
    blocks = pixels.reshape(tiles, side, tiles, side, -1).swapaxes(1, 2)
    blocks = blocks.reshape(tiles * tiles, side, side, -1)[rng.permutation(tiles * tiles)]
    blocks = blocks.reshape(tiles, tiles, side, side, -1).swapaxes(1, 2)
    mosaic = blocks.reshape(side * tiles, side * tiles, -1).squeeze()
    return Image.fromarray(mosaic).resize(image.size, Image.Resampling.NEAREST)


def match_luminance(grey: np.ndarray, mean: float, std: float,
                    mask: np.ndarray | None = None) -> np.ndarray:
    """Shift and scale to the wanted mean and standard deviation in [0, 1], despite clipping.

    ``mask`` (bool, same shape) says which pixels count; all are changed alike.
    """
    matched = np.asarray(grey, dtype=np.float64)
    for _ in range(6):
        counted = matched if mask is None else matched[mask]
        matched = (matched - counted.mean()) * (std / max(counted.std(), 1e-6)) + mean
        matched = np.clip(matched, 0, 1)
    return matched
