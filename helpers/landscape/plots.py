"""Panels of the model landscape: accuracies, maps of models, gains against forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from helpers.brains.rois import TABLE
from helpers.core.intervals import mean_interval
from helpers.figures.style import HEMISPHERES, SEQUENTIAL, percent_axis
from helpers.finetuning.bound_plots import face_colour
from helpers.finetuning.plots import CONDITION_STYLES, zero_lines

MARKERS = {"early, left": "<", "early, right": ">", "early": "p", "bodies": "^", "faces": "o",
           "scenes": "s", "characters": "v", "objects": "h", "pretrained": "*", "untrained": "X",
           "truth": "D", "ignorance": "d"}
"""Region or domain of the fine-tuning -> marker; left, right, domains and truth as published."""
DISPLAY_NAMES = {"scenes": "places", "characters": "words"}
AREA_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SIDES = {"lh": "left", "rh": "right"}


def marker_key(roi: str, hemisphere: str, group: str, condition: str) -> str:
    """Return the key of `MARKERS` for a network."""
    if roi == "none":
        return condition
    if group == "early":
        return {"lh": "early, left", "rh": "early, right"}.get(hemisphere, "early")
    return TABLE[roi].domain or "objects"


def accuracy_dots(axes: Axes, accuracies: pd.DataFrame, n_classes: Mapping[str, int]) -> None:
    """Draw accuracy by task: the pretrained network, specific and pooled networks, chance.

    Parameters
    ----------
    axes : Axes
    accuracies : DataFrame
        Of `helpers.landscape.study.task_accuracies`. Dots: participants of specific networks
        (early regions open, higher ones filled), regions of pooled ones; bars: their means.
    n_classes : dict, task -> int
    """
    for place, (task, n) in enumerate(n_classes.items()):
        part = accuracies[accuracies["task"] == task]
        before = part.loc[part["condition"] == "pretrained", "accuracy"].mean()
        colour, marker = CONDITION_STYLES["pretrained"]
        axes.plot(place - 0.36, before, marker, color=colour, markersize=6)
        axes.hlines(1 / n, place - 0.42, place + 0.42, color="k", linestyle=":", linewidth=0.9)
        series = [(part[(part["condition"] == "contrastive") & (part["group"] == group)], "donor")
                  for group in ("early", "higher")]
        series += [(part[part["condition"] == name], "roi") for name in ("pooled, avg",
                                                                         "pooled, const")]
        for x, (rows, unit) in zip((-0.18, 0.0, 0.18, 0.36), series):
            _dots(axes, place + x, rows, rows.groupby(unit)["accuracy"].mean())
    axes.set_xticks(range(len(n_classes)), [f"{task},\n{n} classes" for task, n in
                                            n_classes.items()])
    axes.set_ylim(bottom=0)
    percent_axis(axes.yaxis)


def _dots(axes: Axes, x: float, rows: pd.DataFrame, values: pd.Series) -> None:
    if rows.empty:
        return
    groups = set(rows["group"])
    axes.scatter(np.full(len(values), x), values, s=14, **_marker(
        rows["condition"].iloc[0], groups.pop() if len(groups) == 1 else "all"))
    axes.hlines(values.mean(), x - 0.08, x + 0.08, color="k", linewidth=1.2, zorder=3)


def _marker(condition: str, group: str) -> dict:
    """Return the options of a scatter plot of a condition; early regions are open."""
    colour, marker = CONDITION_STYLES[condition]
    colours = {"color": colour} if marker == "x" else {
        "facecolors": face_colour(group, colour), "edgecolors": colour}
    return {"marker": marker, "linewidths": 0.8, **colours}


def difference_rows(axes: Axes, differences: Mapping[str, ArrayLike]) -> None:
    """Draw differences, one row each: rows of the sample as dots, mean and 95 % interval.

    Parameters
    ----------
    axes : Axes
    differences : dict, label -> array (n,) or (n, n_trainings)
        A dot is the mean over trainings. Rows without values stay empty.
    """
    for place, values in enumerate(differences.values()):
        table = np.asarray(values, float)
        if not table.size:
            continue
        mean, low, high = mean_interval(table)
        dots = table.reshape(len(table), -1).mean(1)
        axes.plot(dots, np.full(len(dots), place - 0.2), "o", color="0.6", markersize=3)
        axes.plot([low, high], [place + 0.12] * 2, color="0.15", linewidth=1.6)
        axes.plot(mean, place + 0.12, "o", color="0.15", markersize=4.5)
    zero_lines(axes, "x")
    axes.set_yticks(range(len(differences)), list(differences))
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def condition_map(axes: Axes, finetuned_models: pd.DataFrame, points: NDArray, *,
                  references: Mapping[str, NDArray] | None = None) -> None:
    """Draw networks on the first two axes of a map, in the colour of their training.

    Parameters
    ----------
    axes : Axes
    finetuned_models : DataFrame
        Columns ``roi, group, condition``. Early regions are open; networks that are not
        fine-tuned are named.
    points : array, float, shape (n_networks, 2)
    references : dict, key of `MARKERS` -> array (2,), optional
        Points that the map was not made from.
    """
    named = dict(references or {})
    for row, (x, y) in zip(finetuned_models.to_dict("records"), points[:, :2]):
        alone = row["roi"] == "none"
        axes.scatter(x, y, s=60 if alone else 16, zorder=4 if alone else 3,
                     **_marker(row["condition"], row["group"]))
        if alone:
            named[row["condition"]] = np.array([x, y])
    _mark_references(axes, references or {})
    # Those that lie among others, the higher one's label on top: their lines do not cross.
    beside = sorted({"ignorance", "untrained"} & named.keys(), key=lambda name: named[name][1])
    heights = dict(zip(beside, (-14, 12)))
    for name, place in named.items():
        _name(axes, name, place[:2], heights.get(name))
    _origin(axes)


def model_map(axes: Axes, finetuned_models: pd.DataFrame, points: NDArray, value: str,
              norm: Normalize, *, references: Mapping[str, NDArray] | None = None) -> None:
    """Draw networks on the first two axes of a map, coloured by a value, as published.

    Parameters
    ----------
    axes : Axes
    finetuned_models : DataFrame
        Columns ``donor, roi, hemisphere, group, condition`` and ``value``, which is the colour.
    points : array, float, shape (n_networks, 2)
    value : str
    norm : Normalize
        Of the colours; pooled networks have thick edges.
    references : dict, key of `MARKERS` -> array (2,), optional
        Points that the map was not made from: white.
    """
    columns = ["roi", "hemisphere", "group", "condition"]
    marks = np.array([marker_key(*row) for row in finetuned_models[columns].to_numpy()])
    pooled = finetuned_models["donor"].to_numpy() == "all"
    for mark in dict.fromkeys(marks):
        rows = marks == mark
        alone = mark in ("pretrained", "untrained")
        axes.scatter(points[rows, 0], points[rows, 1], c=finetuned_models.loc[rows, value],
                     norm=norm, cmap=SEQUENTIAL, marker=MARKERS[mark], s=48 if alone else 17,
                     linewidths=np.where(pooled[rows], 1.3, 0.3),
                     edgecolors="k", zorder=4 if alone else 3)
    _mark_references(axes, references or {})
    _origin(axes)


def hemisphere_map(axes: Axes, finetuned_models: pd.DataFrame, points: NDArray) -> None:
    """Draw networks of both hemispheres on the first two axes of a map, with a legend.

    Parameters
    ----------
    axes : Axes
    finetuned_models : DataFrame
        Columns ``roi, hemisphere``: the colour is the hemisphere, the marker the region.
    points : array, float, shape (n_networks, 2)
    """
    markers = dict(zip(dict.fromkeys(finetuned_models["roi"]), cycle(AREA_MARKERS)))
    for row, (x, y) in zip(finetuned_models.to_dict("records"), points[:, :2]):
        colour = HEMISPHERES.get(SIDES.get(row["hemisphere"], ""), "0.5")
        axes.plot(x, y, markers[row["roi"]], color=colour, markersize=3.5)
    sides = [name for side, name in SIDES.items() if side in set(finetuned_models["hemisphere"])]
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="none", label=label)
               for label, colour, marker in (*((name, HEMISPHERES[name], "o") for name in sides),
                                             *((roi, "0.5", one) for roi, one in markers.items()))]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3,
                columnspacing=0.8, handletextpad=0.2)
    _origin(axes)


def _mark_references(axes: Axes, references: Mapping[str, NDArray]) -> None:
    for name, place in references.items():
        axes.scatter(*place[:2], marker=MARKERS[name], s=22, facecolors="white", edgecolors="k",
                     linewidths=0.7, zorder=2)


def _name(axes: Axes, name: str, place: Sequence[float], height: float | None) -> None:
    """Name a point: below it; or, at a height (points), beside the others among which it lies."""
    aside = 46 if place[0] < np.mean(axes.get_xlim()) else -46
    offset = (0, -13) if height is None else (aside, height)
    axes.annotate(name, tuple(place), xytext=offset, textcoords="offset points",
                  ha={0: "center", 46: "left", -46: "right"}[offset[0]], va="center", zorder=5,
                  arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6}
                  if offset[0] else None)


def _origin(axes: Axes) -> None:
    axes.axhline(0, color="0.9", linewidth=0.5, zorder=0)
    axes.axvline(0, color="0.9", linewidth=0.5, zorder=0)


def label_inpca_axes(axes: Axes, signs: NDArray, explained: NDArray) -> None:
    """Label the first two axes: whether they are imaginary, and the stress that they explain."""
    fractions = np.diff(explained[:2], prepend=0)
    for number, (sign, fraction, set_label) in enumerate(zip(
            signs, fractions, (axes.set_xlabel, axes.set_ylabel)), 1):
        set_label(f"InPCA {number}{', imaginary' if sign < 0 else ''} ({fraction:.0%} of stress)")


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
        The pretrained network is at (0, 0), which may lie outside of the panel.
    conditions : sequence of str
    """
    for condition in conditions:
        for group, part in table[table["condition"] == condition].groupby("group"):
            axes.scatter(part["change"], part["gain"], s=13, **_marker(condition, group))
    zero_lines(axes, "y")
    if axes.get_xlim()[1] < 0:
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.12 * (high - low), high)
        axes.text(1, 0.02, "pretrained: 0% →", transform=axes.transAxes, ha="right")
    else:
        zero_lines(axes, "x")
    percent_axis(axes.xaxis)


def interpolation_paths(axes: Axes, table: pd.DataFrame) -> None:
    """Draw gain and loss between pretrained and fine-tuned weights: means over regions, by group.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``donor, group, interpolation, gain, change``. Thin: participants; markers, with
        the interpolation coefficient (0, the pretrained network, is the origin): their mean.
        Early regions are open.
    """
    colour, marker = CONDITION_STYLES["contrastive"]
    for group, part in table.groupby("group"):
        line = "--" if group == "early" else "-"
        means = part.groupby(["interpolation", "donor"])[["change", "gain"]].mean()
        for _, one in means.groupby("donor"):
            axes.plot(one["change"], one["gain"], line, color=colour, linewidth=0.4, alpha=0.5)
        middle = means.groupby("interpolation").mean()
        axes.plot(middle["change"], middle["gain"], line, color=colour, marker=marker, markersize=4,
                  markerfacecolor=face_colour(group, colour), label=f"{group} regions")
        for interpolation, row in middle.iloc[1:].iterrows():
            axes.annotate(f"{interpolation:g}", (row["change"], row["gain"]),
                          xytext=(3, -10 if group == "early" else 4),
                          textcoords="offset points")
    zero_lines(axes)
    percent_axis(axes.xaxis)
