"""From numbers to grey levels: the same levels on every machine.

Processors differ in the last bits of a sine or a sum. A number that lies on the edge between two
levels *by construction* (a flat area of an exact grey, the middle between two greys) would fall to
one side here and to the other there. So edges are moved by a millionth of a level: what is exact
then lies inside, and a number lands near an edge by chance alone, about once in 10**12.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUDGE = 2.0**-20
"""What is added before rounding down; large against rounding errors, small against a level."""


def nearest(values: ArrayLike) -> NDArray[np.float64]:
    """Round to the nearest whole number, halves up; float64, any shape."""
    return np.floor(np.asarray(values, np.float64) + (0.5 + NUDGE))


def on_grid(values: ArrayLike, bits: int) -> NDArray[np.float64]:
    """Round to the nearest multiple of ``2**-bits``; float64, any shape.

    Products and sums of such numbers are exact as long as they fit into 53 bits, in whatever
    order they are added: a product of matrices is then the same with every library.
    """
    return nearest(np.asarray(values, np.float64) * 2.0**bits) * 2.0**-bits


def levels(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Round down to whole levels from 0 to 255; values beyond are clipped.

    Parameters
    ----------
    values : array, float64, any shape
        Not float32: its rounding errors are as large as the nudge.
    """
    return np.clip(values + NUDGE, 0, 255).astype(np.uint8)


def grey_levels(grey: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Round grey from 0 to 1 to the nearest of 256 levels."""
    return levels(grey * 255 + 0.5)
