"""Panels of notebook 10: accuracy of image retrieval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from helpers.decoding.study import CONTRAST, FIRST, NARROW, NOISELESS, RIDGE, WHITENED

STYLES = {CONTRAST: ("tab:blue", "o"), FIRST: ("skyblue", "s"), NOISELESS: ("0.6", "D"),
          RIDGE: ("tab:orange", "^"), NARROW: ("wheat", "v"), WHITENED: ("tab:red", "P")}
"""Colour and marker of each decoder."""


def retrieval_curves(axes: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    """Plot top-k accuracy against k: the mean over participants, each participant, and chance.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``subject, method, k, share, chance``.
    methods : sequence of str
    """
    for method in methods:
        colour, marker = STYLES[method]
        wide = table[table["method"] == method].pivot(index="subject", columns="k", values="share")
        for _, row in wide.iterrows():
            axes.plot(wide.columns, row, color=colour, linewidth=0.3, alpha=0.6)
        axes.plot(wide.columns, wide.mean(), color=colour, marker=marker, markersize=3, linewidth=1)
    chance = table.groupby("k")["chance"].first()
    axes.plot(chance.index, chance, "k:", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="k", ylim=(chance.min() * 0.7, 1.15))
    axes.set_xticks(chance.index, [str(k) for k in chance.index])
    axes.minorticks_off()


def method_handles(methods: Sequence[str]) -> list[Line2D]:
    """Return legend handles of the methods and of chance."""
    return [Line2D([], [], color=STYLES[method][0], marker=STYLES[method][1], markersize=3.5,
                   linewidth=1, label=method) for method in methods] + [
        Line2D([], [], color="k", linestyle=":", linewidth=0.8, label="chance")]


def participant_bars(axes: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    """Plot a bar for each participant and method, its 95 % interval over images, and chance.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``subject, method, share, low, high, chance``, one row each.
    methods : sequence of str
    """
    subjects = list(dict.fromkeys(table["subject"]))
    width = 0.8 / len(methods)
    for place, method in enumerate(methods):
        rows = table[table["method"] == method].set_index("subject").reindex(subjects)
        x = np.arange(len(subjects)) + (place - (len(methods) - 1) / 2) * width
        axes.bar(x, rows["share"], width * 0.9, color=STYLES[method][0])
        axes.vlines(x, rows["low"], rows["high"], color="k", linewidth=0.6)
    axes.axhline(table["chance"].iloc[0], color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(range(len(subjects)), subjects, rotation=45, ha="right", rotation_mode="anchor")
