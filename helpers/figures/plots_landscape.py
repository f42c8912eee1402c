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
from helpers.figures.plots_finetuning import GROUP_COLOURS, KINDS
from helpers.saliency.looking import Glance

MARKS = {"early, left": "<", "early, right": ">", "early": "p", "bodies": "^", "faces": "o",
         "scenes": "s", "characters": "v", "objects": "h", "untuned": "*", "untrained": "X",
         "truth": "D", "ignorance": "d"}
"""What a network was tuned to -> marker; left, right, domains and truth as published."""
CALLED = {"scenes": "places", "characters": "words"}


def mark_of(roi: str, hemisphere: str, group: str, kind: str) -> str:
    """Return the key of `MARKS` for a network."""
    if roi == "none":
        return kind
    if group == "early":
        return {"lh": "early, left", "rh": "early, right"}.get(hemisphere, "early")
    return TABLE[roi].domain or "objects"


def model_map(axes: Axes, members: pd.DataFrame, points: NDArray, value: str, norm: Normalize, *,
              beside: Mapping[str, NDArray] | None = None) -> None:
    """Draw networks on the first two axes of a map.

    Parameters
    ----------
    axes : Axes
    members : DataFrame
        Columns ``donor, roi, hemisphere, group, kind`` and ``value``, which is the colour.
    points : array, float, shape (n_members, 2)
    value : str
    norm : Normalize
        Of the colours; pooled networks have magenta edges.
    beside : dict, key of `MARKS` -> array (2,), optional
        Points that the map was not made from.
    """
    marks = [mark_of(*row) for row in members[["roi", "hemisphere", "group", "kind"]].to_numpy()]
    pooled = members["donor"].to_numpy() == "all"
    for mark in dict.fromkeys(marks):
        rows = np.array([one == mark for one in marks])
        alone = mark in ("untuned", "untrained")
        axes.scatter(points[rows, 0], points[rows, 1], c=members.loc[rows, value], norm=norm,
                     cmap="viridis", marker=MARKS[mark], s=48 if alone else 17,
                     linewidths=np.where(pooled[rows], 0.9, 0.3),
                     edgecolors=np.where(pooled[rows], "magenta", "k"), zorder=4 if alone else 3)
    for name, place in (beside or {}).items():
        axes.scatter(*place[:2], marker=MARKS[name], s=22, facecolors="white", edgecolors="k",
                     linewidths=0.7, zorder=2)
        axes.annotate(name, place[:2], xytext=(0, -9), textcoords="offset points", fontsize=5.5,
                      ha="center", zorder=5)
    axes.axhline(0, color="0.9", linewidth=0.5, zorder=0)
    axes.axvline(0, color="0.9", linewidth=0.5, zorder=0)


def axis_names(axes: Axes, signs: NDArray, explained: NDArray) -> None:
    """Name the first two axes: whether they count negative, and the stress that they explain."""
    for one, name in ((0, "x"), (1, "y")):
        imaginary = ", imaginary" if signs[one] < 0 else ""
        share = explained[one] - (explained[one - 1] if one else 0)
        getattr(axes, f"set_{name}label")(f"InPCA {one + 1}{imaginary} ({share:.0%})")


def mark_handles(marks: Sequence[str]) -> list[Line2D]:
    """Return legend handles of what networks were tuned to."""
    return [Line2D([], [], color="0.4", marker=MARKS[mark], linestyle="none", markersize=4,
                   markerfacecolor="white" if mark in ("truth", "ignorance") else "0.4",
                   label=CALLED.get(mark, mark)) for mark in marks]


def trade_off(axes: Axes, table: pd.DataFrame, kinds: Sequence[str]) -> None:
    """Draw what encoding gained against what classification lost, one point a network.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``kind, group, gain`` (of r), ``change`` (of accuracy). Early regions are open.
    kinds : sequence of str
    """
    for kind in kinds:
        colour, marker = KINDS[kind]
        for group, part in table[table["kind"] == kind].groupby("group"):
            hollow = group == "early" and marker != "x"
            axes.scatter(part["change"], part["gain"], s=13, marker=marker, linewidths=0.8,
                         edgecolors=None if marker == "x" else colour,
                         c="white" if hollow else colour)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    percent_axis(axes.xaxis)


def share_paths(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the way from the untuned to the tuned network: mean over regions, by group.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``donor, group, share, gain, change``.
    """
    for group, part in table.groupby("group"):
        colour = GROUP_COLOURS[group]
        means = part.groupby(["share", "donor"])[["change", "gain"]].mean()
        for _, one in means.groupby("donor"):
            axes.plot(one["change"], one["gain"], color=colour, linewidth=0.4, alpha=0.5)
        middle = means.groupby("share").mean()
        axes.plot(middle["change"], middle["gain"], "o-", color=colour, markersize=3, label=group)
        for share, row in middle.iterrows():
            axes.annotate(f"{share:g}", (row["change"], row["gain"]), fontsize=5,
                          xytext=(2, 3), textcoords="offset points")
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.7)
    percent_axis(axes.xaxis)


def glance_panel(axes: Axes, glance: Glance) -> None:
    """Draw a network's look at a picture: the map over the picture, and its own numbers above.

    Everything comes from one record, so that no number can stand over another picture.
    """
    picture = glance.pixels.transpose(1, 2, 0)
    side = picture.shape[0]
    heat = np.asarray(Image.fromarray(glance.heat).resize((side, side), Image.Resampling.BICUBIC))
    axes.imshow(picture)
    axes.imshow(heat, cmap="inferno", alpha=0.45, vmin=0, vmax=max(float(heat.max()), 1e-9))
    axes.axvline((side - 1) / 2, color="white", linewidth=0.5, linestyle=":")
    axes.set_title(f"{glance.network}, {glance.view}\n"
                   f"p({glance.true_class}) = {glance.probability:.2f}", fontsize=5.5)
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


def effect_rows(axes: Axes, table: pd.DataFrame) -> None:
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
