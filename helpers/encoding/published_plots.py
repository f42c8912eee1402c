"""Panels of published scores of networks, and of this run's scores of the same networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from helpers.encoding.plots import marker_handle
from helpers.figures.style import TRAINING, TRAINING_MARKERS


def published_panel(axes: Axes, table: pd.DataFrame, measure: str, every: pd.Series,
                    ceilings: Mapping[int, float] | None) -> None:
    """Draw the published scores of some networks, one row each, in the order of the table.

    Light ticks below: all networks of the publication. Grey band: range of the participants' noise
    ceilings, where the measure has them.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `helpers.encoding.published_scores.select_published`.
    measure : str
        Column of the table.
    every : Series
        This score of all published networks.
    ceilings : mapping, participant -> float, optional
    """
    rows = np.arange(len(table))[::-1]
    if ceilings:
        axes.axvspan(min(ceilings.values()), max(ceilings.values()), color="0.88", zorder=0)
    axes.plot(every, np.full(len(every), -0.9), "|", color="0.6", markersize=5, alpha=0.6)
    for row, (_, network) in zip(rows, table.iterrows()):
        axes.plot([0, network[measure]], [row, row], color="0.85", linewidth=0.8, zorder=1)
        axes.plot(network[measure], row, TRAINING_MARKERS[network["training"]], markersize=4.5,
                  color=TRAINING[network["training"]], zorder=2)
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set(ylim=(-1.5, len(table) - 0.4), title=measure, xlabel="r, published")
    axes.set_yticks([*rows, -0.9], [*table["label"], f"all {len(every)} networks"])
    axes.tick_params(axis="y", length=0)


def training_handles(table: pd.DataFrame) -> list[Line2D]:
    """Return the entries of a legend of what the networks of a table were trained with."""
    return [marker_handle(name, TRAINING[name], TRAINING_MARKERS[name])
            for name in dict.fromkeys(table["training"])]


def beside_ours_panel(axes: Axes, table: pd.DataFrame,
                      ceilings: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    """Draw published scores (filled) and those of this run (open) of the same networks.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `helpers.encoding.published_scores.beside_ours`, with a column ``training``.
    ceilings : mapping, measure -> {"published", "ours"} -> (low, high)
        Noise ceilings, drawn as grey bars over the markers; those that are not known are left out.
    """
    measures = list(dict.fromkeys(table["measure"]))
    for place, measure in enumerate(measures):
        for shift, (origin, face) in zip((-0.2, 0.2), (("published", None), ("ours", "none"))):
            low, high = ceilings.get(measure, {}).get(origin, (np.nan, np.nan))
            axes.fill_between([place + shift - 0.15, place + shift + 0.15], low, high,
                              color="0.88", linewidth=0, zorder=0)
            for _, row in table[table["measure"] == measure].iterrows():
                colour = TRAINING[row["training"]]
                axes.plot(place + shift, row[origin], TRAINING_MARKERS[row["training"]],
                          color=colour, markerfacecolor=face or colour, markersize=5)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(measures)), [one.replace(" ", "\n", 1) for one in measures])
    axes.set(xlim=(-0.5, len(measures) - 0.5), ylabel="r")
    axes.set_ylim(top=1.2 * axes.get_ylim()[1])  # room for the legend
    axes.legend(handles=[
        marker_handle("published", "0.3", "^", markersize=None),
        marker_handle("this run, other brains", "0.3", "^", markersize=None,
                      markerfacecolor="none")], loc="upper left")
