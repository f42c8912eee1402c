"""Panels of the model landscape: InPCA maps, and gain in encoding against loss in accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from helpers.brains.rois import TABLE
from helpers.figures.style import percent_axis
from helpers.finetuning.plots import CONDITION_STYLES, GROUP_COLOURS, zero_lines

MARKERS = {"early, left": "<", "early, right": ">", "early": "p", "bodies": "^", "faces": "o",
           "scenes": "s", "characters": "v", "objects": "h", "pretrained": "*", "untrained": "X",
           "truth": "D", "ignorance": "d"}
"""Region or domain of the fine-tuning -> marker; left, right, domains and truth as published."""
DISPLAY_NAMES = {"scenes": "places", "characters": "words"}


def marker_key(roi: str, hemisphere: str, group: str, condition: str) -> str:
    """Return the key of `MARKERS` for a network."""
    if roi == "none":
        return condition
    if group == "early":
        return {"lh": "early, left", "rh": "early, right"}.get(hemisphere, "early")
    return TABLE[roi].domain or "objects"


def model_map(axes: Axes, finetuned_models: pd.DataFrame, points: NDArray, value: str,
              norm: Normalize, *, references: Mapping[str, NDArray] | None = None) -> None:
    """Draw networks on the first two axes of a map.

    Parameters
    ----------
    axes : Axes
    finetuned_models : DataFrame
        Columns ``donor, roi, hemisphere, group, condition`` and ``value``, which is the colour.
    points : array, float, shape (n_networks, 2)
    value : str
    norm : Normalize
        Of the colours; pooled networks have magenta edges.
    references : dict, key of `MARKERS` -> array (2,), optional
        Points that the map was not made from.
    """
    columns = ["roi", "hemisphere", "group", "condition"]
    marks = np.array([marker_key(*row) for row in finetuned_models[columns].to_numpy()])
    pooled = finetuned_models["donor"].to_numpy() == "all"
    for mark in dict.fromkeys(marks):
        rows = marks == mark
        alone = mark in ("pretrained", "untrained")
        axes.scatter(points[rows, 0], points[rows, 1], c=finetuned_models.loc[rows, value],
                     norm=norm, cmap="viridis", marker=MARKERS[mark], s=48 if alone else 17,
                     linewidths=np.where(pooled[rows], 0.9, 0.3),
                     edgecolors=np.where(pooled[rows], "magenta", "k"), zorder=4 if alone else 3)
    for name, place in (references or {}).items():
        axes.scatter(*place[:2], marker=MARKERS[name], s=22, facecolors="white", edgecolors="k",
                     linewidths=0.7, zorder=2)
        axes.annotate(name, place[:2], xytext=(0, -9), textcoords="offset points", fontsize=5.5,
                      ha="center", zorder=5)
    axes.axhline(0, color="0.9", linewidth=0.5, zorder=0)
    axes.axvline(0, color="0.9", linewidth=0.5, zorder=0)


def label_inpca_axes(axes: Axes, signs: NDArray, explained: NDArray) -> None:
    """Label the first two axes: whether they are imaginary, and the stress that they explain."""
    fractions = np.diff(explained[:2], prepend=0)
    for number, (sign, fraction, set_label) in enumerate(zip(
            signs, fractions, (axes.set_xlabel, axes.set_ylabel)), 1):
        set_label(f"InPCA {number}{', imaginary' if sign < 0 else ''} ({fraction:.0%})")


def marker_handles(marks: Sequence[str]) -> list[Line2D]:
    """Return legend handles of keys of `MARKERS`."""
    return [Line2D([], [], color="0.4", marker=MARKERS[mark], linestyle="none", markersize=4,
                   markerfacecolor="white" if mark in ("truth", "ignorance") else "0.4",
                   label=DISPLAY_NAMES.get(mark, mark)) for mark in marks]


def trade_off(axes: Axes, table: pd.DataFrame, conditions: Sequence[str]) -> None:
    """Draw the gain in encoding against the loss in classification, one point for each network.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``condition, group, gain`` (of r), ``change`` (of accuracy). Early regions are open.
    conditions : sequence of str
    """
    for condition in conditions:
        colour, marker = CONDITION_STYLES[condition]
        for group, part in table[table["condition"] == condition].groupby("group"):
            hollow = group == "early" and marker != "x"
            axes.scatter(part["change"], part["gain"], s=13, marker=marker, linewidths=0.8,
                         edgecolors=None if marker == "x" else colour,
                         c="white" if hollow else colour)
    zero_lines(axes)
    percent_axis(axes.xaxis)


def interpolation_paths(axes: Axes, table: pd.DataFrame) -> None:
    """Draw gain and loss between pretrained and fine-tuned weights: means over regions, by group.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``donor, group, interpolation, gain, change``.
    """
    for group, part in table.groupby("group"):
        colour = GROUP_COLOURS[group]
        means = part.groupby(["interpolation", "donor"])[["change", "gain"]].mean()
        for _, one in means.groupby("donor"):
            axes.plot(one["change"], one["gain"], color=colour, linewidth=0.4, alpha=0.5)
        middle = means.groupby("interpolation").mean()
        axes.plot(middle["change"], middle["gain"], "o-", color=colour, markersize=3, label=group)
        for interpolation, row in middle.iterrows():
            axes.annotate(f"{interpolation:g}", (row["change"], row["gain"]), fontsize=5,
                          xytext=(2, 3), textcoords="offset points")
    zero_lines(axes)
    percent_axis(axes.xaxis)
