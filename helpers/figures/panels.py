"""Panels that several notebooks draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

from helpers.stimuli.image_sets import ImageSet


def image_grid(axes: Axes, images: ImageSet, categories: Sequence[str], n: int) -> None:
    """Show the first ``n`` images of each category, one row per category."""
    side = 72
    canvas = np.full((len(categories) * side, n * side, 3), 255, np.uint8)
    for row, category in enumerate(categories):
        image_idx = [i for i, c in enumerate(images.categories) if c == category][:n]
        for column, index in enumerate(image_idx):
            y, x = row * side, column * side
            canvas[y:y + side - 2, x:x + side - 2] = images.open(index).resize((side - 2, side - 2))
    axes.imshow(canvas, interpolation="antialiased", aspect="equal")
    axes.set_yticks((np.arange(len(categories)) + 0.5) * side, categories)
    axes.set_xticks([])
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
