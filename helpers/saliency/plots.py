"""Panels of saliency maps and of the laterality of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from PIL import Image

from helpers.finetuning.plots import zero_lines
from helpers.saliency.study import SaliencyExample


def saliency_panel(axes: Axes, example: SaliencyExample) -> None:
    """Draw a saliency map over its image, with the probability of the true class above.
    """
    image = example.pixels.transpose(1, 2, 0)
    side = image.shape[0]
    saliency_map = np.asarray(
        Image.fromarray(example.saliency_map).resize((side, side), Image.Resampling.BICUBIC))
    axes.imshow(image)
    axes.imshow(saliency_map, cmap="inferno", alpha=0.45, vmin=0,
                vmax=max(float(saliency_map.max()), 1e-9))
    axes.axvline((side - 1) / 2, color="white", linewidth=0.5, linestyle=":")
    axes.set_title(f"{example.network}, {example.view}\n"
                   f"p({example.true_class}) = {example.probability:.2f}", fontsize=5.5)
    axes.axis("off")


def laterality_dots(axes: Axes, table: pd.DataFrame, rois: Sequence[str]) -> None:
    """Draw every network's bias, left hemisphere against right, one column for each region.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``donor, roi, hemisphere, bias, low, high``; of one measure and condition.
    rois : sequence of str
    """
    for place, roi in enumerate(rois):
        for side, colour, offset in (("lh", "royalblue", -0.16), ("rh", "crimson", 0.16)):
            part = table[(table["roi"] == roi) & (table["hemisphere"] == side)]
            if part.empty:
                continue
            jitter = np.linspace(-0.06, 0.06, len(part)) if len(part) > 1 else np.zeros(1)
            x = place + offset + jitter
            axes.vlines(x, part["low"], part["high"], color=colour, linewidth=0.5, alpha=0.6)
            axes.plot(x, part["bias"], ".", color=colour, markersize=2.6)
            axes.hlines(part["bias"].mean(), place + offset - 0.12, place + offset + 0.12,
                        color="k", linewidth=1)
    zero_lines(axes, "y")
    axes.set_xticks(range(len(rois)), list(rois), rotation=45, ha="right",
                    rotation_mode="anchor")


def effect_intervals(axes: Axes, table: pd.DataFrame) -> None:
    """Draw effects with their intervals, one row for each.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``label, mean, low, high, colour``, from top to bottom.
    """
    for place, row in enumerate(table.itertuples()):
        axes.plot([row.low, row.high], [place, place], color=row.colour, linewidth=1.4)
        axes.plot(row.mean, place, "o", color=row.colour, markersize=3.4)
    zero_lines(axes, "x")
    axes.set_yticks(range(len(table)), table["label"])
    axes.set_ylim(len(table) - 0.5, -0.5)
