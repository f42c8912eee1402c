"""Panels about conditions of matched models: by layer, threshold, seed and training step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.core.statistics import confidence_interval
from helpers.figures.style import (
    COLOURS,
    MARKERS,
    TRAINING,
    TRAINING_MARKERS,
    display_name,
    top_legend,
)

CONDITIONS = (("shuffled", "shuffled"), ("untrained", "untrained"),
              ("embedding", "text embeddings"), ("caption", "captions"), ("clip", "captions"),
              ("view", "contrastive"), ("label", "labels"), ("resnet", "labels"))
"""Word in a condition's name -> what its networks were trained with; the first that occurs."""
LINES = {"shuffled": "--", "untrained": ":"}
"""Lines of controls."""


def condition_styles(conditions: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return colour, marker and line of every condition: those of its training, in all figures.

    A condition whose name says nothing known gets the colour of a training that is not shown.
    """
    known = {condition: training for condition in conditions
             for word, training in reversed(CONDITIONS) if word in condition.casefold()}
    free = iter([training for training in TRAINING if training not in known.values()])
    chosen = {condition: known.get(condition) or next(free) for condition in conditions}
    return {condition: {"color": TRAINING[training], "marker": TRAINING_MARKERS[training],
                        "linestyle": LINES.get(training, "-")}
            for condition, training in chosen.items()}


def condition_legend(figure: Figure, conditions: Sequence[str], **where: object) -> None:
    """Draw one legend of conditions along an edge of the figure."""
    top_legend(figure, [Line2D([], [], markersize=4, label=condition, **style)
                        for condition, style in condition_styles(conditions).items()], **where)


def condition_lines(axes: Axes, table: pd.DataFrame, value: str, conditions: Sequence[str],
                    layers: Sequence[str]) -> None:
    """Draw one line per condition, the mean over its seeds, and every seed as a small dot.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``condition, seed, layer`` and ``value``; several rows of a layer are averaged.
    value : str
        Column of the y axis.
    conditions, layers : sequence of str
        In order.
    """
    for shift, (condition, style) in zip(np.linspace(-0.15, 0.15, len(conditions)),
                                         condition_styles(conditions).items()):
        by_seed = table[table["condition"] == condition].pivot_table(
            index="layer", columns="seed", values=value).reindex(layers)
        x = np.arange(len(layers)) + shift
        axes.plot(x, by_seed.mean(axis=1), markersize=3, linewidth=1, **style)
        for _, one in by_seed.items():
            axes.plot(x, one, ".", markersize=1.8, color=style["color"], alpha=0.6)
    axes.set_xticks(range(len(layers)), layers, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(layers) - 0.6)


def fdr_alpha_lines(axes: Axes, table: pd.DataFrame, value: str, conditions: Sequence[str]) -> None:
    """Draw one line per condition over false discovery rates, on a logarithmic axis."""
    for condition, style in condition_styles(conditions).items():
        means = table[table["condition"] == condition].groupby("fdr_alpha")[value].mean()
        axes.plot(means.index, means, markersize=3, linewidth=1, **style)
    axes.set_xscale("log")
    axes.set_xlabel("false discovery rate")


def difference_dots(axes: Axes, differences: Mapping[str, Sequence[float]], *,
                    colour: str = "0.2", label_width: int = 20) -> None:
    """Draw differences between two conditions: every seed a dot, mean and 95 % interval a bar.

    Parameters
    ----------
    axes : Axes
    differences : dict, label -> sequence of float
        From top to bottom; a label without values keeps its row.
    colour : str
    label_width : int
        Labels are broken into lines of so many characters.
    """
    for position, values in enumerate(differences.values()):
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        if not len(known):
            continue
        low, high = confidence_interval(known)
        axes.plot(known, np.full(len(known), position + 0.22), ".", markersize=3, color="0.55")
        axes.plot(known.mean(), position, "o", markersize=3.5, color=colour)
        if np.isfinite(low):
            axes.hlines(position, low, high, color=colour, linewidth=1.2)
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.8)
    if not any(np.isfinite(np.asarray(values, float)).any() for values in differences.values()):
        axes.text(0.5, 0.5, "no such networks", transform=axes.transAxes, ha="center", color="0.5")
        axes.set_xticks([])
    axes.set_yticks(range(len(differences)),
                    [textwrap.fill(label, label_width) for label in differences])
    axes.set_ylim(len(differences) - 0.5, -0.5)


def training_curves(axes: Axes, record: pd.DataFrame, value: str, domains: Sequence[str]) -> None:
    """Draw a measure over training steps: a line per domain (mean over seeds), faint per seed.

    Parameters
    ----------
    axes : Axes
    record : DataFrame
        Columns ``seed, step, domain`` and ``value``, of one condition and layer.
    value : str
    domains : sequence of str
        Others (a region that prefers no domain) are grey.
    """
    for domain in domains:
        by_seed = record[record["domain"] == domain].pivot_table(index="step", columns="seed",
                                                                 values=value)
        if by_seed.empty:
            continue
        x, colour = by_seed.index + 1, COLOURS.get(domain, "0.5")
        axes.plot(x, by_seed, color=colour, linewidth=0.4, alpha=0.4)
        axes.plot(x, by_seed.mean(axis=1), color=colour, marker=MARKERS.get(domain, "."),
                  markersize=2.5, linewidth=1.1, label=display_name(domain))
    axes.set_xscale("log")
