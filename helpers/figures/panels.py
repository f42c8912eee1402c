"""Panels that several notebooks draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import NDArray

from helpers.stimuli.image_sets import ImageSet

SIDE = 72
"""Pixels of an image in a grid, with the white gap beside it."""


def tile_images(images: ImageSet, categories: Sequence[str], n: int, *,
                in_columns: bool = False) -> NDArray[np.uint8]:
    """Return a canvas with the first ``n`` images of each category, one row or column for each.

    Returns
    -------
    array, uint8, shape (n_categories * SIDE, n * SIDE, 3), or categories along the second axis.
    """
    tiles = np.full((len(categories), n, SIDE, SIDE, 3), 255, np.uint8)
    for place, category in enumerate(categories):
        image_idx = [i for i, c in enumerate(images.categories) if c == category][:n]
        for number, index in enumerate(image_idx):
            tiles[place, number, :SIDE - 2, :SIDE - 2] = images.open(index).resize(
                (SIDE - 2, SIDE - 2))
    if in_columns:
        tiles = tiles.swapaxes(0, 1)
    n_rows, n_columns = tiles.shape[:2]
    return tiles.swapaxes(1, 2).reshape(n_rows * SIDE, n_columns * SIDE, 3)


def image_grid(axes: Axes, images: ImageSet, categories: Sequence[str], n: int) -> None:
    """Show the first ``n`` images of each category, one row per category."""
    canvas = tile_images(images, categories, n)
    axes.imshow(canvas, interpolation="antialiased", aspect="equal")
    axes.set_yticks((np.arange(len(categories)) + 0.5) * SIDE, categories)
    axes.set_xticks([])
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
