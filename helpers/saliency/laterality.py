"""The laterality index of an attribution map, and the contralateral bias of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def laterality_index(left: NDArray, right: NDArray) -> NDArray[np.float64]:
    """Return (right - left) / (right + left): -1 all left, +1 all right, NaN where both are 0."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    total = left + right
    return np.divide(right - left, total, out=np.full(total.shape, np.nan), where=total > 0)


def hemifield_mass(maps: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mass in the left and in the right half of maps (..., height, width).

    A middle column belongs to neither.
    """
    half = maps.shape[-1] // 2
    mass = np.asarray(maps, np.float64).sum(-2)
    return mass[..., :half].sum(-1), mass[..., maps.shape[-1] - half:].sum(-1)


def split_bias_and_content(original: NDArray, mirrored: NDArray) -> tuple[NDArray, NDArray]:
    """Separate a network's bias from the image's content, by the index of its mirror image.

    Returns
    -------
    bias : array
        (original + mirrored) / 2: the side that the network prefers, whatever the image.
    content : array
        (original - mirrored) / 2: the side on which the image has more content.

    Notes
    -----
    Both indices are by halves of the *frame*. In the coordinates of the *image* (the mirror image
    mirrored back) the second is minus ``mirrored``: there a network's preference changes its sign,
    the image's content does not.
    """
    return (original + mirrored) / 2, (original - mirrored) / 2


def contralateral_bias(table: pd.DataFrame, condition: str, measure: str, rois: Sequence[str],
                       column: str = "bias") -> pd.DataFrame:
    """Return laterality: half the bias of left minus that of right hemispheres' networks.

    Parameters
    ----------
    table : DataFrame
        Columns ``donor, seed, roi, hemisphere, condition, measure`` and ``column``, an index that
        is above 0 where more lies right.
    condition, measure : str
    rois : sequence of str
        Averaged over those of which a participant has both hemispheres.
    column : str

    Returns
    -------
    DataFrame, participants x trainings
        Above 0: contralateral. What both hemispheres' networks have in common cancels.
    """
    part = table[(table["condition"] == condition) & (table["measure"] == measure)
                 & table["roi"].isin(list(rois))]
    wide = part.pivot_table(index=["donor", "roi", "seed"], columns="hemisphere", values=column)
    wide = wide.reindex(columns=["lh", "rh"]).dropna()
    return ((wide["lh"] - wide["rh"]) / 2).groupby(["donor", "seed"]).mean().unstack("seed")
