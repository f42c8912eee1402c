"""Panels about conditions of matched models: by layer, threshold, seed and training step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from helpers.core.statistics import confidence_interval
from helpers.figures import style

CONDITIONS = (("shuffled", "shuffled"), ("untrained", "untrained"),
              ("embedding", "text embeddings"), ("caption", "captions"), ("clip", "captions"),
              ("view", "contrastive"), ("object label", "labels, variant"), ("label", "labels"),
              ("resnet", "labels"))
"""Word in a condition's name -> what its networks were trained with; the first that occurs."""
LINES = {"shuffled": "--", "untrained": ":"}
"""Lines of controls."""


def condition_styles(conditions: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return colour, marker and line of every condition: those of its training, in all figures.

    A condition whose name says nothing known gets the colour of a training that is not shown.
    """
    known = {condition: training for condition in conditions
             for word, training in reversed(CONDITIONS) if word in condition.casefold()}
    free = iter([training for training in style.TRAINING if training not in known.values()])
    chosen = {condition: known.get(condition) or next(free) for condition in conditions}
    return {condition: {"color": style.TRAINING[training], "linestyle": LINES.get(training, "-"),
                        "marker": style.TRAINING_MARKERS[training]}
            for condition, training in chosen.items()}


def condition_legend(figure: Figure, conditions: Sequence[str],
                     n_networks: Mapping[str, int] | None = None, **where: object) -> None:
    """Draw one legend of conditions along an edge of the figure, with their numbers of networks."""
    labels = {condition: f"{condition} (n = {n_networks[condition]})" if n_networks else condition
              for condition in conditions}
    style.top_legend(figure, [Line2D([], [], markersize=4, label=labels[condition], **line)
                              for condition, line in condition_styles(conditions).items()],
                     **{"columnspacing": 1.1} | where)


def draw_networks(axes: Axes, table: pd.DataFrame, by: str, groups: Sequence[str], value: str,
                  styles: Mapping[str, Mapping[str, object]], *, width: float,
                  mean: Mapping[str, object], dot: Mapping[str, object]) -> None:
    """Draw, at every group, the mean of each condition over its networks, and each network a dot.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``condition, seed``, that of the groups and ``value``; several rows of a network
        are averaged.
    by : str
        Column of the groups.
    groups : sequence of str
        From left to right.
    value : str
        Column of the y axis.
    styles : dict, condition -> keywords of a line
        Side by side, in order.
    width : float
        The first and the last condition are so far left and right of the group's place.
    mean, dot : dict
        Further keywords of the means and of the dots.
    """
    for shift, (condition, line) in zip(shifts(len(styles), width), styles.items()):
        by_seed = table[table["condition"] == condition].pivot_table(
            index=by, columns="seed", values=value).reindex(groups)
        x = np.arange(len(groups)) + shift
        axes.plot(x, by_seed.mean(axis=1), **line | mean)
        for _, network in by_seed.items():
            axes.plot(x, network, ".", color=line["color"], **dot)


def shifts(n: int, width: float) -> NDArray[np.float64]:
    """Return n places side by side, from -width to width."""
    return np.linspace(-width, width, n) if n > 1 else np.zeros(n)


def finite_values(values: Sequence[float]) -> NDArray[np.float64]:
    """Leave out NaN and infinities."""
    values = np.asarray(values, float)
    return values[np.isfinite(values)]


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
    draw_networks(axes, table, "layer", layers, value, condition_styles(conditions), width=0.15,
                  mean={"markersize": 3, "linewidth": 1}, dot={"markersize": 1.8, "alpha": 0.6})
    axes.set_xticks(range(len(layers)), layers, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(layers) - 0.6)


def fdr_alpha_lines(axes: Axes, table: pd.DataFrame, value: str, conditions: Sequence[str]) -> None:
    """Draw one line per condition over false discovery rates, both axes logarithmic."""
    for condition, line in condition_styles(conditions).items():
        means = table[table["condition"] == condition].groupby("fdr_alpha")[value].mean()
        axes.plot(means.index, means, markersize=3, linewidth=1, **line)
    axes.set_xscale("log")
    axes.set_xticks([1e-5, 1e-3, 1e-1])
    axes.minorticks_off()
    axes.set_xlabel("false discovery rate")
    logarithmic_proportions(axes)


def logarithmic_proportions(axes: Axes) -> None:
    """Make a y axis of proportions logarithmic; linear below 0.1 %, so that 0 can be drawn."""
    top = axes.get_ylim()[1]
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_yticks([0, 1e-3, 1e-2, 1e-1])
    axes.minorticks_off()
    axes.set_ylim(0, max(2 * top, 2e-3))


def condition_dots(axes: Axes, table: pd.DataFrame, groups: Mapping[str, str], value: str,
                   conditions: Sequence[str], *, by: str = "group") -> None:
    """Label groups on the x axis; per condition the mean over networks, and each network a dot.

    Parameters
    ----------
    axes, table, value, by
        As for `draw_networks`.
    groups : dict, group -> label
        From left to right.
    conditions : sequence of str
    """
    draw_networks(axes, table, by, list(groups), value, condition_styles(conditions), width=0.32,
                  mean={"markersize": 4, "linestyle": ""}, dot={"markersize": 2})
    axes.set_xticks(range(len(groups)), list(groups.values()))
    axes.set_xlim(-0.5, len(groups) - 0.5)


def difference_dots(axes: Axes, differences: Mapping[str, Sequence[float]], *,
                    colour: str = "0.2", label_width: int = 20) -> None:
    """Draw differences between two conditions: every seed a dot, mean and 95 % interval a bar.

    Parameters
    ----------
    axes : Axes
    differences : dict, label -> sequence of float
        From top to bottom; labels without values are left out.
    colour : str
    label_width : int
        Labels are broken into lines of so many characters.
    """
    finite = {label: finite_values(values) for label, values in differences.items()}
    shown = {label: values for label, values in finite.items() if len(values)}
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.8)
    if not shown:
        style.say_absent(axes, "no such networks")
        return
    for position, values in enumerate(shown.values()):
        low, high = confidence_interval(values)
        axes.plot(values, np.full(len(values), position + 0.22), ".", markersize=3, color="0.55")
        axes.plot(values.mean(), position, "o", markersize=3.5, color=colour)
        if np.isfinite(low):
            axes.hlines(position, low, high, color=colour, linewidth=1.2)
    axes.set_yticks(range(len(shown)), [textwrap.fill(label, label_width) for label in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)


def training_curves(axes: Axes, record: pd.DataFrame, value: str, by: str,
                    styles: Mapping[str, Mapping[str, object]],
                    untrained: Mapping[str, float] | None = None) -> None:
    """Draw a measure over training steps: one line per group, the mean over seeds; seeds thin.

    Parameters
    ----------
    axes : Axes
    record : DataFrame
        Columns ``seed, step``, that of the groups and ``value``; several rows of a network and
        step are averaged.
    value : str
    by : str
        Column of the groups: ``condition`` or ``domain``.
    styles : dict, group -> keywords of a line
        See `condition_styles` and `domain_styles`.
    untrained : dict, group -> float, optional
        Mean of the untrained networks: a dotted line in the colour of the group.
    """
    for group, line in styles.items():
        by_seed = record[record[by] == group].pivot_table(index="step", columns="seed",
                                                          values=value)
        if by_seed.empty:
            continue
        x = by_seed.index + 1
        axes.plot(x, by_seed, color=line["color"], linewidth=0.4, alpha=0.5)
        axes.plot(x, by_seed.mean(axis=1), **{"markersize": 3, "linewidth": 1.1} | line)
    for group, level in (untrained or {}).items():
        axes.axhline(level, color=styles[group]["color"], linestyle=":", linewidth=0.9)
    axes.set_xscale("log")
    if record["step"].max() <= 1:
        axes.set_xticks([1, 2], ["before", "after"])
        axes.minorticks_off()


def domain_styles(domains: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return colour, marker and label of every domain."""
    return {domain: {"color": style.COLOURS[domain], "marker": style.MARKERS[domain],
                     "label": style.display_name(domain)} for domain in domains}


def half_step_dots(axes: Axes, half_steps: pd.DataFrame, measures: Mapping[str, str],
                   conditions: Sequence[str]) -> None:
    """Draw half-maximum steps: measures from top to bottom, conditions side by side.

    A dot is a network, the mean over domains; a marker the geometric mean of the dots (step + 1).

    Parameters
    ----------
    axes : Axes
    half_steps : DataFrame
        Columns ``condition, seed, domain, measure, half_step``.
    measures : dict, measure -> label
    conditions : sequence of str
    """
    styles = condition_styles(conditions)
    for shift, (condition, line) in zip(shifts(len(styles), 0.27), styles.items()):
        its = half_steps[half_steps["condition"] == condition]
        by_seed = 1 + its.pivot_table(index="measure", columns="seed", values="half_step").reindex(
            list(measures)).astype(float)
        y = np.arange(len(measures)) + shift
        for _, one in by_seed.items():
            axes.plot(one, y, ".", markersize=2.5, color=line["color"])
        axes.plot(np.exp(np.log(by_seed).mean(axis=1)), y, markersize=4.5,
                  **line | {"linestyle": ""})
    if half_steps["half_step"].notna().any():
        axes.set_xscale("log")
        axes.minorticks_off()
        low, high = axes.get_xlim()
        ticks = [tick for tick in 25 * 2 ** np.arange(16) if low <= tick <= high]
        axes.set_xticks(ticks, list(map(str, ticks)))
    else:
        axes.text(0.5, 0.5, "no checkpoints", transform=axes.transAxes, ha="center", color="0.4")
        axes.set_xticks([])
    axes.set_yticks(range(len(measures)), list(measures.values()))
    axes.set_ylim(len(measures) - 0.5, -0.5)


def region_dots(axes: Axes, at_end: pd.DataFrame, regions: Mapping[str, str],
                untrained: Mapping[str, float], noise_ceilings: Mapping[str, float],
                conditions: Sequence[str]) -> None:
    """Draw the similarity of networks to regions, with two levels: untrained networks, one brain.

    Parameters
    ----------
    axes : Axes
    at_end : DataFrame
        Columns ``condition, seed, domain, similarity``; ``domain`` stands for its region.
    regions : dict, domain -> label
    untrained, noise_ceilings : dict, domain -> float
        Spearman's r of the untrained networks, and of one participant and the others.
    conditions : sequence of str
    """
    if not regions:
        style.say_absent(axes, "no regions")
        return
    x = np.arange(len(regions))
    for label, values, line in (
            ("noise ceiling", noise_ceilings, {"color": "0.2", "linewidth": 1.6}),
            ("untrained", untrained, {"color": "0.5", "linewidth": 1, "linestyle": ":"})):
        axes.hlines([values.get(domain, np.nan) for domain in regions], x - 0.42, x + 0.42,
                    label=label, **line)
    condition_dots(axes, at_end, regions, "similarity", conditions, by="domain")
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), 1.25 * high)
    axes.legend(loc="upper left", ncols=2, borderpad=0)
