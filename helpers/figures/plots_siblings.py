"""Panels about networks that were told different things: by stage, by rate, by seed, in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from helpers.figures.plots import COLOURS, MARKERS, shown, top_legend
from helpers.ground.stats import interval

MARKS = "osD^vPX*"


def kind_style(kinds: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return colour, marker and line of every kind, in the order given; the last one dotted."""
    colours = sns.color_palette("colorblind", len(kinds))
    return {kind: {"color": colour, "marker": MARKS[place % len(MARKS)],
                   "linestyle": ":" if place == len(kinds) - 1 else "-"}
            for place, (kind, colour) in enumerate(zip(kinds, colours))}


def kind_legend(figure: Figure, kinds: Sequence[str], **where: object) -> None:
    """Put one legend of kinds along an edge of the figure."""
    top_legend(figure, [Line2D([], [], markersize=4, label=kind, **style)
                        for kind, style in kind_style(kinds).items()], **where)


def kind_lines(axes: Axes, table: pd.DataFrame, value: str, kinds: Sequence[str],
               layers: Sequence[str]) -> None:
    """Draw one line per kind, the mean over its seeds, and every seed as a small dot.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``kind, seed, layer`` and ``value``; several rows of a layer are averaged.
    value : str
        Column of the y axis.
    kinds, layers : sequence of str
        In order.
    """
    for shift, (kind, style) in zip(np.linspace(-0.15, 0.15, len(kinds)),
                                    kind_style(kinds).items()):
        its = table[table["kind"] == kind]
        wide = its.pivot_table(index="layer", columns="seed", values=value).reindex(layers)
        x = np.arange(len(layers)) + shift
        axes.plot(x, wide.mean(axis=1), markersize=3, linewidth=1, **style)
        for _, one in wide.items():
            axes.plot(x, one, ".", markersize=1.8, color=style["color"], alpha=0.6)
    axes.set_xticks(range(len(layers)), layers, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(layers) - 0.6)


def rate_lines(axes: Axes, table: pd.DataFrame, value: str, kinds: Sequence[str]) -> None:
    """Draw one line per kind over false discovery rates, on a logarithmic axis."""
    for kind, style in kind_style(kinds).items():
        means = table[table["kind"] == kind].groupby("rate")[value].mean()
        axes.plot(means.index, means, markersize=3, linewidth=1, **style)
    axes.set_xscale("log")
    axes.set_xlabel("false discovery rate")


def difference_dots(axes: Axes, differences: Mapping[str, Sequence[float]], *,
                    colour: str = "0.2") -> None:
    """Draw differences between two kinds: every seed a dot, mean and 95 % interval a bar.

    Parameters
    ----------
    axes : Axes
    differences : dict, label -> sequence of float
        From top to bottom; a label without values keeps its place.
    colour : str
    """
    for place, values in enumerate(differences.values()):
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        if not len(known):
            continue
        low, high = interval(known)
        axes.plot(known, np.full(len(known), place + 0.22), ".", markersize=3, color="0.55")
        axes.plot(known.mean(), place, "o", markersize=3.5, color=colour)
        if np.isfinite(low):
            axes.hlines(place, low, high, color=colour, linewidth=1.2)
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.8)
    if not any(np.isfinite(np.asarray(values, float)).any() for values in differences.values()):
        axes.text(0.5, 0.5, "no such networks", transform=axes.transAxes, ha="center", color="0.5")
        axes.set_xticks([])
    axes.set_yticks(range(len(differences)), list(differences))
    axes.set_ylim(len(differences) - 0.5, -0.5)


def layer_matrix(axes: Axes, matrix: NDArray, layers: Sequence[str]) -> AxesImage:
    """Draw how much each pair of layers agrees (Spearman's r), with the numbers."""
    image = axes.imshow(matrix, vmin=0, vmax=1, cmap="mako")
    for (row, column), r in np.ndenumerate(matrix):
        if np.isfinite(r):
            axes.text(column, row, f"{r:.2f}".lstrip("0"), ha="center", va="center", fontsize=5.5,
                      color="k" if r > 0.6 else "w")
    axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(layers)), layers)
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
    return image


def moment_lines(axes: Axes, record: pd.DataFrame, value: str, domains: Sequence[str]) -> None:
    """Draw a measure over training steps, a line per domain, the mean over seeds; seeds faint.

    Parameters
    ----------
    axes : Axes
    record : DataFrame
        Columns ``seed, step, domain`` and ``value``, of one kind and layer.
    value : str
    domains : sequence of str
        Others (a region that prefers no domain) are grey.
    """
    for domain in domains:
        wide = record[record["domain"] == domain].pivot_table(index="step", columns="seed",
                                                              values=value)
        if wide.empty:
            continue
        x, colour = wide.index + 1, COLOURS.get(domain, "0.5")
        axes.plot(x, wide, color=colour, linewidth=0.4, alpha=0.4)
        axes.plot(x, wide.mean(axis=1), color=colour, marker=MARKERS.get(domain, "."),
                  markersize=2.5, linewidth=1.1, label=shown(domain))
    axes.set_xscale("log")
