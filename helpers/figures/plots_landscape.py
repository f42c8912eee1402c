"""Panels about what networks predict and where they look: maps of models, trades, glances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from helpers.brains.rois import TABLE
from helpers.figures.plots import percent_axis
from helpers.figures.plots_finetuning import GROUP_COLOURS, CONDITION_STYLES
from helpers.saliency.looking import SaliencyExample

MARKERS = {"early, left": "<", "early, right": ">", "early": "p", "bodies": "^", "faces": "o",
         "scenes": "s", "characters": "v", "objects": "h", "pretrained": "*", "untrained": "X",
         "truth": "D", "ignorance": "d"}
"""What a network was tuned to -> marker; left, right, domains and truth as published."""
DISPLAY_NAMES = {"scenes": "places", "characters": "words"}


def marker_key(roi: str, hemisphere: str, group: str, condition: str) -> str:
    """Return the key of `MARKERS` for a network."""
    if roi == "none":
        return condition
    if group == "early":
        return {"lh": "early, left", "rh": "early, right"}.get(hemisphere, "early")
    return TABLE[roi].domain or "objects"


def model_map(axes: Axes, finetuned_models: pd.DataFrame, points: NDArray, value: str, norm: Normalize, *,
              references: Mapping[str, NDArray] | None = None) -> None:
    """Draw networks on the first two axes of a map.

    Parameters
    ----------
    axes : Axes
    finetuned_models : DataFrame
        Columns ``donor, roi, hemisphere, group, kind`` and ``value``, which is the colour.
    points : array, float, shape (n_members, 2)
    value : str
    norm : Normalize
        Of the colours; pooled networks have magenta edges.
    references : dict, key of `MARKERS` -> array (2,), optional
        Points that the map was not made from.
    """
    marks = [marker_key(*row) for row in finetuned_models[["roi", "hemisphere", "group", "condition"]].to_numpy()]
    pooled = finetuned_models["donor"].to_numpy() == "all"
    for mark in dict.fromkeys(marks):
        rows = np.array([one == mark for one in marks])
        alone = mark in ("pretrained", "untrained")
        axes.scatter(points[rows, 0], points[rows, 1], c=finetuned_models.loc[rows, value], norm=norm,
                     cmap="viridis", marker=MARKERS[mark], s=48 if alone else 17,
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
    """Name the first two axes: whether they count negative, and the stress that they explain."""
    for one, name in ((0, "x"), (1, "y")):
        imaginary = ", imaginary" if signs[one] < 0 else ""
        interpolation = explained[one] - (explained[one - 1] if one else 0)
        getattr(axes, f"set_{name}label")(f"InPCA {one + 1}{imaginary} ({interpolation:.0%})")


def marker_handles(marks: Sequence[str]) -> list[Line2D]:
    """Return legend handles of what networks were tuned to."""
    return [Line2D([], [], color="0.4", marker=MARKERS[mark], linestyle="none", markersize=4,
                   markerfacecolor="white" if mark in ("truth", "ignorance") else "0.4",
                   label=DISPLAY_NAMES.get(mark, mark)) for mark in marks]


def trade_off(axes: Axes, table: pd.DataFrame, conditions: Sequence[str]) -> None:
    """Draw what encoding gained against what classification lost, one point a network.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``kind, group, gain`` (of r), ``change`` (of accuracy). Early regions are open.
    conditions : sequence of str
    """
    for condition in conditions:
        colour, marker = CONDITION_STYLES[condition]
        for group, part in table[table["condition"] == condition].groupby("group"):
            hollow = group == "early" and marker != "x"
            axes.scatter(part["change"], part["gain"], s=13, marker=marker, linewidths=0.8,
                         edgecolors=None if marker == "x" else colour,
                         c="white" if hollow else colour)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    percent_axis(axes.xaxis)


def interpolation_paths(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the way from the untuned to the tuned network: mean over regions, by group.

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
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    percent_axis(axes.xaxis)


def saliency_panel(axes: Axes, example: SaliencyExample) -> None:
    """Draw a network's look at a picture: the map over the picture, and its own numbers above.

    Everything comes from one record, so that no number can stand over another picture.
    """
    picture = example.pixels.transpose(1, 2, 0)
    side = picture.shape[0]
    saliency_map = np.asarray(Image.fromarray(example.saliency_map).resize((side, side), Image.Resampling.BICUBIC))
    axes.imshow(picture)
    axes.imshow(saliency_map, cmap="inferno", alpha=0.45, vmin=0, vmax=max(float(saliency_map.max()), 1e-9))
    axes.axvline((side - 1) / 2, color="white", linewidth=0.5, linestyle=":")
    axes.set_title(f"{example.network}, {example.view}\n"
                   f"p({example.true_class}) = {example.probability:.2f}", fontsize=5.5)
    axes.axis("off")


def laterality_dots(axes: Axes, table: pd.DataFrame, rois: Sequence[str]) -> None:
    """Draw every network's bias, left hemisphere against right, one column a region.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``donor, roi, hemisphere, bias``; of one measure and kind.
    rois : sequence of str
    """
    for place, roi in enumerate(rois):
        for side, colour, offset in (("lh", "royalblue", -0.16), ("rh", "crimson", 0.16)):
            part = table[(table["roi"] == roi) & (table["hemisphere"] == side)]
            if part.empty:
                continue
            spread = np.linspace(-0.06, 0.06, len(part)) if len(part) > 1 else np.zeros(1)
            x = place + offset + spread
            axes.vlines(x, part["low"], part["high"], color=colour, linewidth=0.5, alpha=0.6)
            axes.plot(x, part["bias"], ".", color=colour, markersize=2.6)
            axes.hlines(part["bias"].mean(), place + offset - 0.12, place + offset + 0.12,
                        color="k", linewidth=1)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(rois)), list(rois), rotation=45, ha="right",
                    rotation_mode="anchor")


def effect_intervals(axes: Axes, table: pd.DataFrame) -> None:
    """Draw effects with intervals, one row each.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``label, mean, low, high, colour``, from top to bottom.
    """
    for place, row in enumerate(table.itertuples()):
        axes.plot([row.low, row.high], [place, place], color=row.colour, linewidth=1.4)
        axes.plot(row.mean, place, "o", color=row.colour, markersize=3.4)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    axes.set_yticks(range(len(table)), table["label"])
    axes.set_ylim(len(table) - 0.5, -0.5)
