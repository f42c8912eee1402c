"""Panels of selective units: proportions by layer, responses of units to images, accuracies."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers.figures.style import (
    COLOURS,
    HATCHES,
    MARKERS,
    display_name,
    label_layers,
    percent_axis,
)


def layer_lines(axes: Axes, table: pd.DataFrame, value: str, domains: Sequence[str]) -> None:
    """Draw one line per domain over the layers.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``layer`` (in order), ``domain`` and ``value``.
    value : str
        Column on the y axis.
    domains : sequence of str
    """
    layers = list(dict.fromkeys(table["layer"]))
    for domain in domains:
        values = table[table["domain"] == domain].set_index("layer")[value].reindex(layers)
        axes.plot(np.arange(len(layers)), values, color=COLOURS[domain], marker=MARKERS[domain],
                  markersize=2.2, linewidth=1, label=display_name(domain))
    axes.set_xlim(-0.5, len(layers) - 0.5)
    label_layers(axes, layers)


def proportion_pie(axes: Axes, proportions: dict[str, float]) -> None:
    """Draw a pie of the proportion of units per domain; the remainder is "rest", in grey."""
    rest = max(0.0, 1 - sum(proportions.values()))
    names = [*proportions, "rest"]
    axes.pie([*proportions.values(), rest], startangle=90, counterclock=False,
             colors=[COLOURS[name] for name in names], hatch=[HATCHES[name] for name in names],
             wedgeprops={"linewidth": 0.3, "edgecolor": "white"})


def unit_heat_map(axes: Axes, responses: np.ndarray, rows: Sequence[tuple[str, int]],
                  columns: Sequence[tuple[str, int]], *, limit: float = 1.5):
    """Draw the responses of units (rows) to images (columns), with lines between groups.

    Parameters
    ----------
    axes : Axes
    responses : array, float, shape (n_units, n_images)
        z values; colours saturate at +-``limit`` (the paper's 1.5).
    rows, columns : sequence of (str, int)
        Group names and sizes, in order.

    Returns
    -------
    AxesImage, for a colour bar.
    """
    image = axes.imshow(responses, aspect="auto", cmap="magma", vmin=-limit, vmax=limit,
                        interpolation="nearest", rasterized=True)
    for groups, line, span in ((rows, axes.axhline, "y"), (columns, axes.axvline, "x")):
        edges = np.cumsum([0, *(size for _, size in groups)])
        for edge in edges[1:-1]:
            line(edge - 0.5, color="cyan", linewidth=0.5)
        visible = [(name, (low + high) / 2) for (name, _), low, high
                   in zip(groups, edges, edges[1:]) if high - low > 0.02 * edges[-1]]
        getattr(axes, f"set_{span}ticks")([centre for _, centre in visible],
                                          [display_name(name) for name, _ in visible])
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
    return image


def accuracy_bars(axes: Axes, table: pd.DataFrame) -> None:
    """Draw accuracy of the k-nearest-neighbour (dark) and linear (light) probes; dotted: chance."""
    position = np.arange(len(table))
    axes.barh(position - 0.2, table["knn"], 0.38, color="0.3", label="k-nearest neighbours")
    axes.barh(position + 0.2, table["linear"], 0.38, color="0.72", label="linear probe")
    chance = table["chance"].iloc[0]
    axes.axvline(chance, color="k", linestyle=":", linewidth=0.8)
    axes.text(chance + 0.01, -1.05, f"chance {chance:.0%}", fontsize=5.5, ha="left", va="top")
    axes.set_yticks(position, [textwrap.fill(name, 18) for name in table.index])
    axes.set(xlim=(0, 1), ylim=(len(table) - 0.4, -1.1), xlabel="accuracy")
    percent_axis(axes.xaxis)
    axes.legend(loc="upper right")


def domain_strips(axes: Axes, table: pd.DataFrame, value: str, domains: Sequence[str]) -> None:
    """Draw every image's value as a dot, by domain, with the domain's mean as a line."""
    jitter = np.random.default_rng(0)
    for position, domain in enumerate(domains):
        values = table.loc[table["domain"] == domain, value]
        axes.plot(position + jitter.uniform(-0.28, 0.28, len(values)), values, ".", markersize=1.2,
                  color=COLOURS[domain], alpha=0.6)
        axes.hlines(values.mean(), position - 0.36, position + 0.36, color="k", linewidth=1)
    axes.set_xticks(range(len(domains)), [display_name(d) for d in domains], rotation=20,
                    ha="right")
    axes.set_ylim(0, 1.15 * table[value].max())
