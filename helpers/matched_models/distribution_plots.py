"""Panels about the distribution of selective units over feature maps, and about layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from helpers.core.statistics import confidence_interval
from helpers.figures.style import SEQUENTIAL
from helpers.matched_models import plots
from helpers.matched_models.plots import condition_styles

DARK = 0.6
"""Values below it are written in white on the colour map."""


def conditions_with_lines(table: pd.DataFrame, conditions: Sequence[str]) -> list[str]:
    """Return the conditions that have values in two layers or more, in order."""
    n_layers = table.groupby("condition")["layer"].nunique()
    return [condition for condition in conditions if n_layers.get(condition, 0) > 1]


def layer_lines(axes: Axes, table: pd.DataFrame, conditions: Sequence[str], layers: Sequence[str],
                *, chance: float) -> None:
    """Draw corrected values by layer: a line per condition, networks as dots, chance dotted.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``condition, seed, layer, corrected``, of one measure; several rows of a network and
        layer (domains) are averaged.
    conditions, layers : sequence of str
        In order. Conditions with values in one layer only are left out.
    chance : float
    """
    drawn, styles = conditions_with_lines(table, conditions), condition_styles(conditions)
    plots.draw_networks(axes, table, "layer", layers, "corrected",
                        {condition: styles[condition] for condition in drawn}, width=0.15,
                        mean={"markersize": 3.5, "linewidth": 1.2},
                        dot={"markersize": 2.5, "alpha": 0.7})
    axes.axhline(chance, color="k", linestyle=":", linewidth=0.8)
    axes.annotate("random units", (1, chance), xycoords=("axes fraction", "data"), ha="right",
                  va="bottom", xytext=(0, 1), textcoords="offset points")
    axes.set_xticks(range(len(layers)), layers)
    axes.set_xlim(-0.4, len(layers) - 0.6)


def condition_legend(figure: Figure, table: pd.DataFrame, conditions: Sequence[str]) -> None:
    """Draw one legend of the conditions of `layer_lines`, with their numbers of networks."""
    plots.condition_legend(figure, conditions_with_lines(table, conditions),
                           table.groupby("condition")["seed"].nunique().to_dict())


def position_maps(figure: Figure, place: SubplotSpec,
                  masks: Mapping[str, NDArray[np.bool_]]) -> Axes:
    """Draw where the selective units of layers lie, all on one scale.

    Parameters
    ----------
    figure : Figure
    place : SubplotSpec
    masks : dict, layer -> array, bool, shape (n_channels, height, width)

    Returns
    -------
    Axes
        Of the first layer.
    """
    grid = place.subgridspec(1, len(masks) + 2, width_ratios=[*[1] * len(masks), 0.07, 0.3],
                             wspace=0.2)
    fractions = {layer: mask.mean(0) for layer, mask in masks.items()}
    largest = max(float(fraction.max()) for fraction in fractions.values()) or 1.0
    panels = [figure.add_subplot(grid[column]) for column in range(len(masks) + 1)]
    for axes, (layer, mask) in zip(panels, masks.items()):
        drawn = axes.imshow(fractions[layer], cmap=SEQUENTIAL, vmin=0, vmax=largest)
        height, width = mask.shape[1:]
        axes.set(xticks=[], yticks=[], title=f"{layer}, {height} × {width}",
                 xlabel=f"{int(mask.sum()):,} of {mask.size:,} units")
    bar = figure.colorbar(drawn, cax=panels[-1], format=PercentFormatter(1, decimals=0))
    bar.set_label("of feature maps")
    return panels[0]


def consistency_matrix(axes: Axes, matrix: NDArray, layers: Sequence[str]) -> None:
    """Draw the consistency of each pair of layers (Spearman's ρ), with the numbers."""
    axes.imshow(matrix, vmin=0, vmax=1, cmap=SEQUENTIAL)
    for (row, column), rho in np.ndenumerate(matrix):
        if np.isfinite(rho) and row != column:
            axes.text(column, row, f"{rho:.2f}".replace("0.", "."), ha="center", va="center",
                      color="w" if rho < DARK else "k")
    axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(layers)), layers)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def consistency_dots(axes: Axes, table: pd.DataFrame, conditions: Sequence[str]) -> None:
    """Draw the mean consistency of every network, and the mean of each condition.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``condition, r, low, high`` (interval over images), one row per network.
    conditions : sequence of str
        Those without a value are left out.
    """
    styles = condition_styles(conditions)
    shown = [c for c in conditions if table.loc[table["condition"] == c, "r"].notna().any()]
    for place, condition in enumerate(shown):
        its = table[table["condition"] == condition].dropna(subset="r")
        x = place + plots.shifts(len(its), 0.2)
        colour = styles[condition]["color"]
        axes.vlines(x, its["low"], its["high"], color=colour, linewidth=1)
        axes.plot(x, its["r"], styles[condition]["marker"], color=colour, markersize=3.5)
        axes.hlines(its["r"].mean(), place - 0.32, place + 0.32, color="k", linewidth=1.2)
    axes.set_xticks(range(len(shown)), [c.replace("text-embedding targets", "text embeddings")
                                        for c in shown],
                    rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, max(len(shown), 1) - 0.5)
    axes.set_ylim(bottom=0)


def difference_rows(axes: Axes, differences: Mapping[str, Mapping[str, Sequence[float]]],
                    styles: Mapping[str, Mapping[str, object]], labels: Sequence[str]) -> None:
    """Draw differences between conditions, a row per measure: seeds as dots, mean and interval.

    Parameters
    ----------
    axes : Axes
    differences : dict, comparison -> dict, measure -> sequence of float
        One value per seed; 95 % interval of their mean (Student's t).
    styles : dict, comparison -> style of its marker
    labels : sequence of str
        Of the measures, from top to bottom.
    """
    n_values = 0
    for shift, (comparison, by_measure) in zip(plots.shifts(len(differences), 0.2),
                                               differences.items()):
        style = {key: styles[comparison][key] for key in ("color", "marker")}
        for place, values in enumerate(by_measure.values()):
            y, known = place + shift, plots.finite_values(values)
            n_values += len(known)
            if not len(known):
                axes.text(0.01, y, "no value", transform=axes.get_yaxis_transform(), va="center",
                          color="0.5")
                continue
            axes.plot(known, np.full(len(known), y + 0.14), ".", markersize=2.5, color="0.5")
            axes.hlines(y, *confidence_interval(known), color=style["color"], linewidth=1.3)
            axes.plot(known.mean(), y, markersize=4, **style)
    axes.axvline(0, color="k", linestyle=":", linewidth=0.8)
    if not n_values:
        axes.set_xticks([])
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
