"""Panels of saliency maps and of the laterality of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage

from helpers.figures.style import (
    HEMISPHERES,
    SEQUENTIAL,
    TRAINING,
    TRAINING_MARKERS,
    display_name,
    say_absent,
)
from helpers.saliency.laterality import hemifield_mass, laterality_index
from helpers.saliency.study import VIEWS, SaliencyExample

SIDES = {"lh": ("left", -0.17, "<"), "rh": ("right", 0.17, ">")}
"""Hemisphere in tables -> its name, its shift beside a region's tick, its marker."""
LABELS = {"contrastive": "true pairs", "shuffled": "shuffled pairs"}
"""Condition -> its name in a legend."""
NOT_SEPARATED = "hemispheres\nnot separated"
"""What a panel says of a cohort without hemispheres."""
GAP, BAR = 0.22, 0.1
"""Columns between measures, and of the colour bar, as fractions of a map's width."""


def saliency_maps_panel(figure: Figure, place: SubplotSpec,
                        examples: Mapping[str, Sequence[SaliencyExample]]) -> Axes:
    """Draw one image and its mirror image, and beside them the maps of networks, by each measure.

    Parameters
    ----------
    figure : Figure
    place : SubplotSpec
    examples : dict, measure -> sequence of SaliencyExample
        Of one image: for each network the original, then the mirror image.

    Returns
    -------
    Axes
        Of the image, at the upper left.
    """
    n_networks = len(next(iter(examples.values()))) // len(VIEWS)
    widths = [1, *([GAP, *[1] * n_networks] * len(examples)), GAP / 2, BAR]
    grid = place.subgridspec(len(VIEWS), len(widths), width_ratios=widths, wspace=0.1, hspace=0.5)
    first = [_image(figure.add_subplot(grid[row, 0]), view, example) for row, (view, example)
             in enumerate(zip(VIEWS, next(iter(examples.values()))))]
    for block, (measure, its) in enumerate(examples.items()):
        start = 2 + block * (n_networks + 1)
        for position, example in enumerate(its):
            column, row = divmod(position, len(VIEWS))
            axes = figure.add_subplot(grid[row, start + column])
            drawn = _saliency_map(axes, example, is_first_measure=block == 0)
            if row == 0:
                heading = f"{measure}\n" if column == n_networks // 2 else ""
                axes.set_title(heading + example.network, pad=3)
    bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[:, -1]), ticks=[0, 1])
    bar.set_label("saliency / maximum of its map", labelpad=-2)
    return first[0]


def _image(axes: Axes, view: str, example: SaliencyExample) -> Axes:
    axes.imshow(example.pixels.transpose(1, 2, 0))
    _mark_middle(axes, example.pixels.shape[-1])
    axes.set(ylabel=view,
             xlabel=display_name(example.true_class).replace("_", "\n", 1).replace("_", " "))
    return axes


def _mark_middle(axes: Axes, width: int) -> None:
    """Draw a line between the halves of an image or a map, and no frame."""
    axes.axvline((width - 1) / 2, color="white", linewidth=0.8, linestyle=":")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _saliency_map(axes: Axes, example: SaliencyExample, *, is_first_measure: bool) -> AxesImage:
    """Draw one map, its positions as squares; below it the index and the class's probability."""
    values, largest = example.saliency_map, float(example.saliency_map.max())
    index = float(laterality_index(*hemifield_mass(values)))
    drawn = axes.imshow(values / largest if largest > 0 else values, cmap=SEQUENTIAL, vmin=0,
                        vmax=1)
    _mark_middle(axes, values.shape[-1])
    words = f"index {index:+.2f}".replace("-", "−") if np.isfinite(index) else "empty map"
    axes.set_xlabel(words + f"\np = {example.probability:.2f}" * is_first_measure)
    return drawn


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
        for side, (name, shift, marker) in SIDES.items():
            part = table[(table["roi"] == roi) & (table["hemisphere"] == side)]
            if part.empty:
                continue
            jitter = np.linspace(-0.08, 0.08, len(part)) if len(part) > 1 else np.zeros(1)
            x, colour = place + shift + jitter, HEMISPHERES[name]
            axes.vlines(x, part["low"], part["high"], color=colour, linewidth=0.6, alpha=0.7)
            axes.plot(x, part["bias"], marker, color=colour, markersize=3)
            axes.hlines(part["bias"].mean(), place + shift - 0.14, place + shift + 0.14,
                        color="k", linewidth=1.2)
    if not table["hemisphere"].isin(list(SIDES)).any():
        say_absent(axes, NOT_SEPARATED)
        return
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(rois)), list(rois))
    axes.set_xlim(-0.5, len(rois) - 0.5)


def hemisphere_legend(axes: Axes) -> None:
    """Draw a legend of the hemispheres whose responses networks were fine-tuned to."""
    for name, _, marker in SIDES.values():
        axes.plot([], [], marker, color=HEMISPHERES[name], label=f"{name} hemisphere's network")
    axes.plot([], [], color="k", linewidth=1.2, label="mean")
    axes.legend(loc="upper left", bbox_to_anchor=(-0.05, 1.36), ncols=3, columnspacing=1.2)


def laterality_intervals(axes: Axes, effects: pd.DataFrame) -> None:
    """Draw the laterality of each condition by each measure, with its 95 % interval.

    Parameters
    ----------
    axes : Axes
    effects : DataFrame
        Columns ``condition, measure, mean, low, high``; measures from top to bottom.
    """
    if not np.isfinite(effects["mean"]).any():
        say_absent(axes, NOT_SEPARATED)
        return
    measures = list(dict.fromkeys(effects["measure"]))
    conditions = list(dict.fromkeys(effects["condition"]))
    for shift, condition in zip(np.linspace(-0.17, 0.17, len(conditions)), conditions):
        its = effects[effects["condition"] == condition].set_index("measure").reindex(measures)
        y, colour = np.arange(len(measures)) + shift, TRAINING[condition]
        axes.hlines(y, its["low"], its["high"], color=colour, linewidth=1.4)
        axes.plot(its["mean"], y, TRAINING_MARKERS[condition], color=colour, markersize=4,
                  markeredgewidth=1.4, label=LABELS.get(condition, condition))
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    axes.set_yticks(range(len(measures)), measures)
    axes.set_ylim(len(measures) - 0.5, -0.5)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
