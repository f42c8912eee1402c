"""Panels of notebook 12: tests of shared concepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from helpers.concepts.merge_tree import Persistence
from helpers.core.intervals import mean_interval
from helpers.figures import style

FOUND = style.TRAINING["contrastive"]
NULLS = ((style.TRAINING["untrained"], "v", "--"), (style.TRAINING["shuffled"], "x", "-"))
"""Colour, marker and line of each null."""
RADIUS = "eps (cosine distance)"
NO_TRUTH = "real brains:\nno known truth"
MAX_LABELS = 25
"""Rows of a matrix up to which each has a label."""


def persistence_bars(axes: Axes, persistence: Persistence, selected: float, *,
                     longest: int = 40) -> None:
    """Plot a persistence barcode: a line for each cluster from birth to merger, longest first.

    Dark: clusters that exist at the selected radius. Thickness: core voxels when it ends.

    Parameters
    ----------
    axes : Axes
    persistence : Persistence
    selected : float
        Radius that is marked by a dotted line.
    longest : int
        Number of clusters.
    """
    end = np.where(np.isfinite(persistence.ended), persistence.ended, persistence.born.max() * 1.1)
    order = np.argsort(persistence.born - end, kind="stable")[:longest]
    size = np.log10(np.maximum(persistence.n_core[order], 1))
    alive = (persistence.born[order] < selected) & (selected <= end[order])
    axes.hlines(np.arange(1, len(order) + 1), persistence.born[order], end[order],
                colors=np.where(alive, FOUND, "0.7").tolist(), linewidth=0.7 + size / 1.5)
    axes.axvline(selected, color="k", linestyle=":", linewidth=0.8)
    axes.set(ylim=(len(order) + 1, 0), xlabel=RADIUS, ylabel="clusters, rank by persistence")


def null_lines(axes: Axes, eps: Sequence[float], observed: Sequence[float],
               nulls: Mapping[str, NDArray], selected: float, *, unit: str) -> None:
    """Plot counts against eps, on a logarithmic axis with 0, with the same of null models.

    Parameters
    ----------
    axes : Axes
    eps, observed : sequences of float, length n_eps
    nulls : dict, name -> array, float, shape (n_draws, n_eps)
        Their mean, and the central 95 % of the draws where there are several.
    selected : float
        Radius that is marked by a dotted line.
    unit : str
        What is counted.
    """
    axes.plot(eps, observed, "o-", color=FOUND, label="found")
    for (name, values), (colour, marker, line) in zip(nulls.items(), NULLS):
        if len(values) > 1:
            axes.fill_between(eps, *np.percentile(values, [2.5, 97.5], axis=0), color=colour,
                              alpha=0.3, linewidth=0)
        axes.plot(eps, values.mean(0), color=colour, marker=marker, linestyle=line, label=name)
    axes.axvline(selected, color="k", linestyle=":", linewidth=0.8)
    top = max(1, np.max(observed, initial=0), *(values.max() for values in nulls.values()))
    axes.set_yscale("symlog", linthresh=1, linscale=0.6)
    ticks = [0, *10 ** np.arange(np.ceil(np.log10(top)) + 1, dtype=int)]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set(xlabel=RADIUS, ylabel=unit, ylim=(-0.2, 2.5 * top))
    axes.minorticks_off()


def replication_dots(axes: Axes, groups: Mapping[str, Sequence[float]], bound: float) -> None:
    """Plot a dot for each participant (or half of the images), and the mean, by analysis.

    ``bound``: the fraction with which claims compare, a dotted line.
    """
    for place, values in enumerate(groups.values()):
        values = np.sort(np.asarray(list(values), float))
        offset = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(place + offset[:len(values)], values, "o", color=FOUND, markersize=3)
        if np.isfinite(values).any():
            axes.hlines(np.nanmean(values), place - 0.35, place + 0.35, color="k", linewidth=1.2)
    axes.axhline(bound, color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(range(len(groups)), [f"{name}\nn = {len(list(values))}"
                                         for name, values in groups.items()])
    axes.set(ylim=(0, 1.05), xlim=(-0.5, len(groups) - 0.5), ylabel="fraction of concepts")


def paired_lines(axes: Axes, pairs: Mapping[str, Sequence[float]], unit: str) -> None:
    """Join two values of each participant by a line; black: means and their 95 % intervals."""
    values = np.array([list(one) for one in pairs.values()], float)
    axes.plot(range(len(values)), values, "-", color="0.75", linewidth=0.7)
    axes.plot(range(len(values)), values, "o", color=FOUND, markersize=3)
    for place, one in enumerate(values):
        mean, low, high = mean_interval(one[np.isfinite(one)][:, None])
        axes.errorbar(place + 0.15 * (-1) ** (place == 0), mean, [[mean - low], [high - mean]],
                      fmt="_", color="k", capsize=2)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(range(len(values)), list(pairs))
    axes.set(xlabel=f"n = {values.shape[1]} participants", xlim=(-0.4, len(values) - 0.6),
             ylabel=unit)


def cosine_matrix(axes: Axes, similarity: NDArray) -> None:
    """Show the cosine similarity of centroids, ordered by hierarchical clustering."""
    order = (leaves_list(linkage(similarity, "average", optimal_ordering=True))
             if len(similarity) > 2 else np.arange(len(similarity)))
    if len(similarity):
        image = axes.imshow(similarity[np.ix_(order, order)], cmap=style.DIVERGING, vmin=-1, vmax=1)
        _colour_bar(axes, image, "cosine", [-1, 0, 1])
    _label(axes, order, order)
    axes.set(xlabel="concept", ylabel="concept")


def level_lines(axes: Axes, table: pd.DataFrame) -> None:
    """Plot each concept's mean response to the nearest, all and the farthest images.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``most, usual, least``, indexed by concept; response in percent signal change.
    """
    if table.empty:
        style.say_absent(axes, "no responses in percent signal change,\nor no concept")
        return
    x = np.arange(len(table))
    axes.vlines(x, table["least"].astype(float), table["most"].astype(float), color="0.7",
                linewidth=1)
    for column, marker, face, name in (("most", "^", "0.15", "nearest images"),
                                       ("usual", "_", "0.15", "all images"),
                                       ("least", "v", "white", "farthest images")):
        axes.plot(x, table[column].astype(float), marker, color="0.15", markerfacecolor=face,
                  markersize=4, label=name)
    _legend_above(axes, 3)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(x[::1 + len(x) // MAX_LABELS], table.index[::1 + len(x) // MAX_LABELS])
    axes.set(xlabel="concept", ylabel="response (% signal change)")


def recall_bars(axes: Axes, recovered: Mapping[str, pd.DataFrame]) -> None:
    """Plot, for each planted kind, the fraction of its voxels in concepts of that name.

    ``recovered``: name -> table of `helpers.concepts.statistics.recovery`, of decoder weights and
    of encoding weights.
    """
    recall = pd.DataFrame({name: table["recall"] for name, table in recovered.items()})
    recall = recall.sort_values(list(recall)[0], ascending=False, kind="stable")
    y = np.arange(len(recall))
    for number, (name, face) in enumerate(zip(recall, (FOUND, "white"))):
        axes.barh(y + 0.38 * number - 0.19, recall[name], 0.36, color=face, edgecolor=FOUND,
                  linewidth=0.8, label=name)
    axes.set_yticks(y, [style.display_name(kind) for kind in recall.index])
    axes.set(ylim=(len(recall) - 0.4, -0.6), xlim=(0, 1), xlabel="recall (fraction of voxels)")
    axes.tick_params(axis="y", length=0)
    _legend_above(axes, 2)


def ground_truth_matrix(axes: Axes, table: pd.DataFrame) -> None:
    """Show the fraction of each ground-truth concept's voxels in each cluster."""
    fraction = table.div(table.sum(axis=1), axis=0)
    image = axes.imshow(fraction, cmap=style.SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    _colour_bar(axes, image, "fraction of voxels", [0, 1])
    _label(axes, ["none" if name == -1 else name for name in table.columns], table.index)
    axes.set(xlabel="concept")


def null_histogram(axes: Axes, null: ArrayLike, observed: float, unit: str) -> None:
    """Plot how often draws of a null have each count, and the count of the data as a line."""
    value, n = np.unique(np.asarray(null, int), return_counts=True)
    axes.bar(value, n, color=NULLS[0][0])
    axes.axvline(observed, color=FOUND, linewidth=1.5)
    axes.annotate("found", (observed, 1), (3, -2), xycoords=("data", "axes fraction"),
                  textcoords="offset points", va="top", color=FOUND)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=unit, ylabel=f"draws (of {len(np.asarray(null))})")


def baseline_dots(axes: Axes, table: pd.DataFrame) -> None:
    """Plot the response of voxels to two kinds of images, by what was planted in them.

    ``table``: column ``planted`` and one column a kind of images, in percent signal change.
    """
    names, groups = list(table.columns[1:]), list(table.groupby("planted"))
    for place, (_, own) in enumerate(groups):
        for number, (name, face) in enumerate(zip(names, ("0.15", "white"))):
            low, high = np.percentile(own[name], [5, 95])
            x = place + 0.3 * number - 0.15
            axes.vlines(x, low, high, color="0.6", linewidth=1)
            axes.plot(x, own[name].mean(), "o", color="0.15", markerfacecolor=face, markersize=4,
                      label=name if place == 0 else None)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(range(len(groups)), [f"{fill(planted, 17)}\nn = {len(own)}"
                                         for planted, own in groups])
    axes.set(xlim=(-0.5, max(1, len(groups)) - 0.5), ylabel="response (% signal change)")
    _legend_above(axes, 2)


def _name_panels(axes: Sequence[Axes], questions: Sequence[str], raised: Mapping[int, float]
                 ) -> None:
    """Write letters and questions; ``raised``: panel -> points, to clear a legend above it."""
    for number, (panel, question) in enumerate(zip(axes, questions)):
        height = raised.get(number, 5)
        for words, x, weight in ((question, 0, "normal"), ("ABCDEFGH"[number], -20, "bold")):
            panel.annotate(words, (0, 1), (x, height), xycoords="axes fraction", ha="left",
                           textcoords="offset points", va="bottom", fontweight=weight,
                           fontsize=9 if weight == "bold" else None)


def _legend_above(axes: Axes, n_columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=n_columns, columnspacing=0.8,
                handletextpad=0.4, borderaxespad=0)


def _colour_bar(axes: Axes, image, label: str, ticks: list) -> None:
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.03, ticks=ticks)
    bar.set_label(label, labelpad=0)
    bar.ax.tick_params(length=0)


def _label(axes: Axes, columns: Sequence, rows: Sequence) -> None:
    """Label the columns and rows of a matrix, or some of many."""
    for put, names in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        step = 1 + len(names) // MAX_LABELS
        put(range(0, len(names), step), [str(name) for name in names[::step]])
    if len(columns) > 10:
        axes.tick_params(axis="x", labelrotation=90)
    axes.tick_params(length=0)


@dataclass(frozen=True)
class Evidence:
    """What the figures of notebook 12 show; None or empty where the data do not say.

    Attributes
    ----------
    eps : sequence of float
        All radii.
    selected : float
    persistence : Persistence
    shared : mapping, ``concepts`` and ``voxels`` -> array, shape (n_eps,)
    nulls : mapping, name -> the same of a null, each (n_draws, n_eps)
    again : mapping, analysis -> fractions of concepts
    held_out : mapping, voxels -> r, one for each participant
    bound : float
        Fraction of concepts with which claims compare.
    levels : DataFrame
        As for `level_lines`.
    recovered : mapping, name -> DataFrame
        As for `recall_bars`.
    """

    eps: Sequence[float]
    selected: float
    persistence: Persistence
    shared: Mapping[str, NDArray]
    nulls: Mapping[str, Mapping[str, NDArray]]
    again: Mapping[str, Sequence[float]]
    held_out: Mapping[str, Sequence[float]]
    bound: float
    levels: pd.DataFrame
    recovered: Mapping[str, pd.DataFrame]


def draw_evidence(figure: Figure, shown: Evidence, *, longest: int) -> None:
    """Draw the main figure of notebook 12, panels A to F."""
    grid = figure.add_gridspec(3, 2, hspace=0.55, wspace=0.32, left=0.085, right=0.985, top=0.95,
                               bottom=0.075, height_ratios=[1, 0.85, 1.1])
    axes = [figure.add_subplot(grid[divmod(place, 2)]) for place in range(6)]
    persistence_bars(axes[0], shown.persistence, shown.selected, longest=longest)
    null_lines(axes[1], shown.eps, shown.shared["voxels"],
               {name: one["voxels"] for name, one in shown.nulls.items()}, shown.selected,
               unit="voxels in shared concepts")
    axes[1].legend(loc="lower right")
    replication_dots(axes[2], shown.again, shown.bound)
    paired_lines(axes[3], shown.held_out, "held-out r")
    level_lines(axes[4], shown.levels)
    if any(len(table) for table in shown.recovered.values()):
        recall_bars(axes[5], shown.recovered)
    else:
        style.say_absent(axes[5], NO_TRUTH)
    _name_panels(axes, (
        "Which clusters persist?", "More than chance?", "Found again?",
        "Held-out responses of the one left out?", "Does the opposite suppress?",
        "Which planted kinds are found?"), {4: 16, 5: 16})


def draw_details(figure: Figure, shown: Evidence, angles: NDArray, unrelated: ArrayLike,
                 n_pairs: int, truth: pd.DataFrame, writing: pd.DataFrame) -> None:
    """Draw the supplement of notebook 12, panels A to E.

    Parameters
    ----------
    figure : Figure
    shown : Evidence
    angles : array, float, shape (n_concepts, n_concepts)
        Cosines of the centroids.
    unrelated : array of int
        Numbers of antipodal pairs of unrelated concepts.
    n_pairs : int
        The same of the data.
    truth : DataFrame
        As for `ground_truth_matrix`; empty: not known.
    writing : DataFrame
        As for `baseline_dots`.
    """
    grid = figure.add_gridspec(2, 6, hspace=0.5, wspace=2.6, left=0.085, right=0.985, top=0.87,
                               bottom=0.12, height_ratios=[1, 1.15])
    axes = [figure.add_subplot(grid[row, columns]) for row, columns in (
        (0, slice(0, 2)), (0, slice(2, 4)), (0, slice(4, 6)), (1, slice(0, 4)), (1, slice(4, 6)))]
    null_lines(axes[0], shown.eps, shown.shared["concepts"],
               {name: one["concepts"] for name, one in shown.nulls.items()}, shown.selected,
               unit="concepts")
    _legend_above(axes[0], 1)
    cosine_matrix(axes[1], angles)
    null_histogram(axes[2], unrelated, n_pairs, "antipodal pairs of concepts")
    for panel, table, draw in ((axes[3], truth, ground_truth_matrix),
                               (axes[4], writing, baseline_dots)):
        draw(panel, table) if len(table) else style.say_absent(panel, NO_TRUTH)
    _name_panels(axes, ("How many concepts?", "How similar are concepts?",
                        "More opposites than chance?",
                        "Which concept holds what was planted?", "Below baseline?"), {0: 38, 4: 16})
