"""Panels of the information bound: batch statistics, conditions, region size, embedding size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.figures.style import REGION_GROUPS
from helpers.finetuning.plots import CONDITION_STYLES, zero_lines
from helpers.finetuning.statistics import REGION_COLUMNS

GROUP_OFFSETS = {"early": -0.17, "higher": 0.17}
"""Group of regions -> place beside the tick of its condition."""


def face_colour(group: str, colour: str) -> str:
    """Return the face of a marker: open for early regions, filled for higher ones."""
    return REGION_GROUPS["early"] if group == "early" else colour


def scatter_regions(axes: Axes, bounds: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Draw a marker for each participant's region, mean over trainings; return these means."""
    colour, marker = CONDITION_STYLES[bounds["condition"].iloc[0]]
    means = bounds.groupby(REGION_COLUMNS, sort=False)[[x, y]].mean().reset_index()
    for group, part in means.groupby("group", sort=False):
        axes.scatter(part[x], part[y], s=16, marker=marker, linewidths=0.8,
                     facecolors=face_colour(group, colour), edgecolors=colour)
    return means


def shared_against_own(axes: Axes, bounds: pd.DataFrame) -> None:
    """Draw the bound with modality-specific statistics against that with shared ones.

    Parameters
    ----------
    axes : Axes
    bounds : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.bounds`, one condition: one marker for each
        participant's region, mean over trainings; the line is that of equality. Nats.
    """
    means = scatter_regions(axes, bounds, "shared_batchnorm", "calibrated")
    top = 1.08 * means[["shared_batchnorm", "calibrated"]].max().max()
    axes.plot([0, top], [0, top], color="0.6", linewidth=0.7, zorder=0)
    axes.annotate("equal", (top, top), color="0.4", xytext=(-6, 0), textcoords="offset points",
                  ha="right", va="top")
    axes.set(xlim=(-0.04 * top, 1.15 * top), ylim=(-0.04 * top, top),
             xlabel="shared statistics, nats", ylabel="modality-specific, nats")


def bound_dots(axes: Axes, bounds: pd.DataFrame, conditions: Sequence[str]) -> None:
    """Draw each participant's mean bound by condition and group of regions, and their mean.

    Parameters
    ----------
    axes : Axes
    bounds : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.bounds`; ``cross_validated`` is drawn, nats.
    conditions : sequence of str
        From left to right; those without rows are left out.
    """
    shown = [name for name in conditions if name in set(bounds["condition"])]
    for place, condition in enumerate(shown):
        colour, marker = CONDITION_STYLES[condition]
        for group, part in bounds[bounds["condition"] == condition].groupby("group", sort=False):
            means = part.groupby("subject")["cross_validated"].mean()
            x = place + GROUP_OFFSETS[group]
            colours = {"color": colour} if marker == "x" else {
                "edgecolors": colour, "facecolors": face_colour(group, colour)}
            axes.scatter(np.full(len(means), x), means, s=16, marker=marker, linewidths=0.8,
                         **colours)
            axes.hlines(means.mean(), x - 0.14, x + 0.14, color="k", linewidth=1.2, zorder=3)
    zero_lines(axes, "y")
    axes.set_xticks(range(len(shown)), [name.replace(", ", ",\n") for name in shown])
    axes.set_xlim(-0.5, len(shown) - 0.5)


def bound_against_voxels(axes: Axes, bounds: pd.DataFrame, slope: str) -> None:
    """Draw the bound against the number of voxels: a marker for each participant's region.

    Parameters
    ----------
    axes : Axes
    bounds : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.bounds`, one condition; means over trainings.
    slope : str
        The slope within groups and participants with its interval, written below the markers.
    """
    scatter_regions(axes, bounds, "n_voxels", "cross_validated")
    axes.text(0.98, 0.05, slope, transform=axes.transAxes, ha="right", va="bottom")
    zero_lines(axes, "y")


def embedding_dim_lines(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the bound against the embedding dimension by region: mean, and participants.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``subject, roi, hemisphere, group, condition, embedding_dim, cross_validated``.
        Thin: a participant, mean over trainings.
    """
    colour, marker = CONDITION_STYLES[table["condition"].iloc[0]]
    for (roi, group), part in table.groupby(["roi", "group"], sort=False):
        wide = part.pivot_table(index="embedding_dim", columns="subject", values="cross_validated")
        axes.plot(wide.index, wide, color=colour, linewidth=0.5, alpha=0.7, zorder=1)
        mean = wide.mean(axis=1)
        axes.plot(mean.index, mean, color=REGION_GROUPS["higher"], marker=marker, linewidth=1.2,
                  markersize=4, markerfacecolor=REGION_GROUPS[group])
        axes.annotate(roi, (mean.index[-1], mean.iloc[-1]), xytext=(5, 0),
                      textcoords="offset points", va="center")
    sizes = sorted(table["embedding_dim"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes], minor=False)
    axes.set_xlim(0.8 * sizes[0], 2 * sizes[-1])  # room for the names
    zero_lines(axes, "y")
