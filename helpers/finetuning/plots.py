"""Panels of the fine-tuning figures: conditions by group, layers, cortical maps, donors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from helpers.brains.rois import domain_of
from helpers.brains.surfaces import Surface
from helpers.encoding.plots import dodge, marker_handle
from helpers.figures import flat_maps, style
from helpers.finetuning.statistics import select_group

CONDITION_STYLES = {
    "untrained": (style.TRAINING["untrained"], "."),
    "pretrained": (style.TRAINING["pretrained"], "*"),
    "shuffled": (style.TRAINING["shuffled"], "x"),
    "regression": (style.TRAINING["regression"], "v"),
    "regression, same head": (style.TRAINING["regression, variant"], "D"),
    "contrastive": (style.TRAINING["contrastive"], "o"),
    "contrastive, fixed z": (style.TRAINING["contrastive, variant"], "s"),
    "pooled, avg": (style.TRAINING["contrastive, variant"], "P"),
    "pooled, const": (style.TRAINING["contrastive, variant"], "X")}
"""Condition -> colour and marker, the same in every figure."""
GROUP_COLOURS = {"early": "0.6", "higher": "0.15"}
"""Early and higher regions: light and dark grey, open and filled where they are markers."""
GROUP_MARKERS = {"early": "o", "higher": "s", "all": "D"}


TILTED = {"ha": "right", "rotation_mode": "anchor"}
"""Options of tick labels that are rotated."""



def zero_lines(axes: Axes, which: str = "xy") -> None:
    """Draw dotted lines where x, y or both are 0."""
    for name, draw in (("x", axes.axvline), ("y", axes.axhline)):
        if name in which:
            draw(0, color="k", linestyle=":", linewidth=0.7)


def condition_dots(axes: Axes, scores: pd.DataFrame, value: str, groups: Sequence[str],
                   conditions: Sequence[str]) -> None:
    """Draw every participant's mean by group and condition, joined within a participant.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        Columns ``subject, group, condition`` and ``value``, one row for each region; "all": every
        region.
    value : str
    groups : sequence of str
    conditions : sequence of str
        In order, from left to right.
    """
    width = 0.8 / len(conditions)
    for place, group in enumerate(groups):
        means = select_group(scores, group).pivot_table(
            index="subject", columns="condition", values=value).reindex(columns=list(conditions))
        x = place + dodge(len(conditions), 0.8)
        for _, row in means.iterrows():
            axes.plot(x, row, color="0.8", linewidth=0.5, zorder=1)
        for where, condition in zip(x, conditions):
            colour, marker = CONDITION_STYLES[condition]
            values = means[condition].dropna()
            axes.plot(np.full(len(values), where), values, marker, color=colour, markersize=3,
                      zorder=2)
            if len(values):
                axes.hlines(values.mean(), where - 0.4 * width, where + 0.4 * width, color="k",
                            linewidth=1, zorder=3)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_xticks(range(len(groups)), groups)
    axes.tick_params(axis="x", length=0)


def difference_bars(axes: Axes, table: pd.DataFrame, groups: Sequence[str],
                    labels: Mapping[tuple[str, str], str]) -> None:
    """Draw differences between conditions with intervals, one row for each comparison, by group.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `helpers.finetuning.statistics.condition_differences`.
    groups : sequence of str
    labels : dict, (condition, baseline) -> text
    """
    colours = {**GROUP_COLOURS, "all": "k"}
    by_row = table.set_index(["condition", "baseline", "group"])
    for place, pair in enumerate(labels):
        for group, offset in zip(groups, dodge(len(groups), 0.7)):
            if (*pair, group) not in by_row.index:
                continue
            row, y = by_row.loc[(*pair, group)], place + offset
            axes.plot([row["low"], row["high"]], [y, y], color=colours[group], linewidth=1.4)
            axes.plot(row["difference"], y, GROUP_MARKERS[group], color=colours[group],
                      markersize=3.6,
                      markerfacecolor=colours[group] if row["p_holm"] < 0.05 else "white")
    axes.axvline(0, color="k", linestyle=":", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels.values())
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel("difference of r, 95 % interval")
    handles = [Line2D([], [], color=colours[group], marker=GROUP_MARKERS[group], markersize=3.6,
                      label=f"{group} regions") for group in groups]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.1, -0.2), ncols=len(groups),
                columnspacing=1)


def value_matrix(axes: Axes, table: pd.DataFrame, *, cmap: str = style.SEQUENTIAL,
                 centre: float | None = None, digits: int = 2, boxed: bool = False,
                 limits: tuple[float, float] | None = None) -> AxesImage:
    """Print a table of numbers as a heat map.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        NaN stays empty.
    cmap : str
    centre : float, optional
        Middle of a diverging map.
    digits : int
        Printed after the point.
    boxed : bool
        Frame the largest value of every row.
    limits : tuple of 2 float, optional
        Ends of the colour map, to compare several tables.

    Returns
    -------
    AxesImage, for a colour bar.
    """
    numbers = table.to_numpy(float)
    if centre is not None:
        reach = max(np.nanmax(np.abs(numbers - centre)), 1e-9)
        limits = (centre - reach, centre + reach)
    low, high = limits or (None, None)
    image = axes.imshow(numbers, cmap=cmap, aspect="auto", vmin=low, vmax=high)
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            dark = np.dot(image.cmap(image.norm(number))[:3], (0.3, 0.59, 0.11)) < 0.5
            axes.text(column, row, f"{number:.{digits}f}", ha="center", va="center",
                      fontsize=style.MIN_POINTS, color="white" if dark else "black")
    for row, row_numbers in enumerate(numbers):
        if boxed and np.isfinite(row_numbers).any():
            axes.add_patch(Rectangle((np.nanargmax(row_numbers) - 0.5, row - 0.5), 1, 1,
                                     fill=False, edgecolor="white", linewidth=1.6))
    axes.set_xticks(range(table.shape[1]), map(str, table.columns), rotation=45, **TILTED)
    axes.set_yticks(range(table.shape[0]), map(str, table.index))
    axes.tick_params(length=0)
    return image


def gain_map(axes: Axes, surface: Surface, voxels: pd.DataFrame, limit: float) -> None:
    """Colour the vertices of a cortical map by their gain in r; outline their regions.

    Regions that prefer a domain are outlined in its colour; others are named.

    A flat map is drawn in its plane. An inflated surface is drawn by nilearn, seen from below and
    behind, on axes that must be three-dimensional.

    Parameters
    ----------
    axes : Axes
    surface : Surface
    voxels : DataFrame
        Columns ``roi, vertex`` (by the cohort's numbers) and ``gain``.
    limit : float
        Colours saturate at plus and minus this.
    """
    place = surface.place[voxels["vertex"]]
    if surface.flat:
        flat_maps.draw_sheet(axes, surface)
        axes.scatter(*flat_maps.flat_points(surface)[place].T, c=voxels["gain"], s=9, linewidths=0,
                     cmap=style.DIVERGING, vmin=-limit, vmax=limit)
    else:
        # Imported here: it takes seconds, and only maps of folded cortex use it.
        from nilearn.plotting import plot_surf_stat_map
        vertex_values = np.full(len(surface.points), np.nan)
        vertex_values[place] = voxels["gain"]
        plot_surf_stat_map([surface.points, surface.faces], vertex_values, axes=axes,
                           cmap=style.DIVERGING, vmax=limit, view=(-45, -90), colorbar=False)
    for domain, part in voxels.groupby(voxels["roi"].map(domain_of), sort=False):
        own = {roi: vertex.to_numpy() for roi, vertex in part.groupby("roi", sort=False)["vertex"]}
        flat_maps.outline_regions(axes, surface, own, names=domain not in style.COLOURS,
                                  colour=style.COLOURS.get(domain, flat_maps.OUTLINE))


def gain_maps(figure: Figure, place: SubplotSpec, surfaces: Mapping[tuple[str, str], Surface],
              voxels: pd.DataFrame) -> None:
    """Draw the gains of up to eight hemispheres in a row, with one colour bar.

    Colours saturate at the 98th percentile of the gains' size.

    Parameters
    ----------
    figure : Figure
    place : SubplotSpec
    surfaces : mapping, (participant, hemisphere) -> Surface
        Empty: the panel says so.
    voxels : DataFrame
        As for `gain_map`, and ``subject, vertex_hemisphere``.
    """
    drawn = list(surfaces)[:8]
    rows = place.subgridspec(2, 1, height_ratios=[1, 0.05], hspace=0.06)
    if not drawn:
        style.say_absent(figure.add_subplot(rows[0]), "no cortical surfaces here: no map")
        return
    limit = float(np.nanpercentile(voxels["gain"].abs(), 98))
    maps = rows[0].subgridspec(1, len(drawn), wspace=0.02)
    for column, (subject, hemisphere) in enumerate(drawn):
        surface = surfaces[subject, hemisphere]
        axes = figure.add_subplot(maps[column], projection=None if surface.flat else "3d")
        gain_map(axes, surface, voxels[(voxels["subject"] == subject) & (
            voxels["vertex_hemisphere"] == hemisphere)], limit)
        axes.set_title(f"{subject} {hemisphere}")
    below = rows[1].subgridspec(1, 3)
    gain_colorbar(figure.add_subplot(below[1]), limit, "gain in r: contrastive − pretrained")
    handles = [Line2D([], [], color=style.COLOURS[domain], label=style.display_name(domain))
               for domain in voxels["roi"].map(domain_of).unique() if domain in style.COLOURS]
    if handles:
        key = figure.add_subplot(below[2])
        key.axis("off")
        key.legend(handles=handles, loc="upper right", ncols=4, title="regions that prefer",
                   handlelength=1)


def gain_colorbar(axes: Axes, limit: float, label: str) -> None:
    """Draw the colour bar of `gain_map`."""
    axes.imshow(np.linspace(-limit, limit, 256)[None], cmap=style.DIVERGING, aspect="auto",
                extent=(-limit, limit, 0, 1))
    axes.set_yticks([])
    axes.set_xlabel(label)


def group_handles(groups: Sequence[str]) -> list[Line2D]:
    """Return legend handles of groups of regions: open and filled markers."""
    return [marker_handle(f"{group} regions", style.REGION_GROUPS["higher"], "o",
                          markerfacecolor=style.REGION_GROUPS[group]) for group in groups]


def group_scatter(axes: Axes, x: Sequence[float], y: Sequence[float],
                  groups: Sequence[str]) -> None:
    """Draw one dot for each region, open and filled by group, with the line of equality."""
    low, high = min(*x, *y), max(*x, *y)
    margin = 0.05 * (high - low) or 0.05
    ends = [low - margin, high + margin]
    axes.plot(ends, ends, color="0.6", linewidth=0.7, zorder=0)
    axes.scatter(x, y, c=[style.REGION_GROUPS[group] for group in groups], s=12, linewidths=0.7,
                 edgecolors=style.REGION_GROUPS["higher"])
    axes.legend(handles=group_handles(dict.fromkeys(groups)), loc="upper center",
                bbox_to_anchor=(0.5, -0.2), ncols=2, handletextpad=0.1)


def condition_handles(conditions: Sequence[str]) -> list:
    """Return legend handles of conditions."""
    return [marker_handle(name, *CONDITION_STYLES[name]) for name in conditions]


def layer_curves(axes: Axes, table: pd.DataFrame, conditions: Sequence[str],
                 layers: Sequence[str]) -> None:
    """Draw the mean r of every layer by condition: mean and SEM over participants.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``subject, condition, layer, r``.
    """
    for condition in conditions:
        means = table[table["condition"] == condition].pivot_table(
            index="subject", columns="layer", values="r").reindex(columns=list(layers))
        if means.empty:
            continue
        colour, marker = CONDITION_STYLES[condition]
        axes.errorbar(range(len(layers)), means.mean(), means.sem() if len(means) > 1 else None,
                      color=colour, marker=marker, markersize=3, linewidth=1, elinewidth=0.7)
    axes.set_xticks(range(len(layers)), list(layers), rotation=60, **TILTED)


def within_and_cross_gains(axes: Axes, gains: pd.DataFrame, groups: Sequence[str]) -> None:
    """Draw each participant's gain with the within- and with cross-participant models.

    Parameters
    ----------
    axes : Axes
    gains : DataFrame
        Columns ``subject, group, model`` ("within_participant", "cross_participant") and ``gain``.
    groups : sequence of str
    """
    places = {"within_participant": -0.2, "cross_participant": 0.2}
    for place, group in enumerate(groups):
        means = gains[gains["group"] == group].pivot_table(
            index="subject", columns="model", values="gain").reindex(columns=list(places))
        x = [place + offset for offset in places.values()]
        for _, row in means.iterrows():
            axes.plot(x, row, "o-", color=GROUP_COLOURS[group], markersize=3, linewidth=0.6)
        for where, model in zip(x, places):
            axes.hlines(means[model].mean(), where - 0.12, where + 0.12, color="k", linewidth=1)
    zero_lines(axes, "y")
    axes.set_xticks([place + offset for place in range(len(groups)) for offset in places.values()],
                    [f"{group},\n{label}" for group in groups for label in ("within", "cross")],
                    rotation=45, **TILTED)
