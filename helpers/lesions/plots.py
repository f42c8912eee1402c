"""Panels of the lesion figure: deficits by class, by probe set, by layer and by domain."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from helpers.figures.claims import format_p
from helpers.figures.style import COLOURS, HATCHES, MARKERS, display_name, label_layers
from helpers.lesions.statistics import TestResult

JITTER = 0.5
"""Published SD of the jitter of points, percentage points; lines are fitted without it."""


def format_correlation(test: TestResult) -> str:
    """Write a correlation with its interval and p value, for a panel."""
    if np.isnan(test.value):
        return "r unknown"
    return f"r = {test.value:.2f} [{test.low:.2f}, {test.high:.2f}], {format_p(test.p)}"


def deficit_scatter(axes: Axes, activation: NDArray, change: NDArray, domain: str,
                    most_impaired: Sequence[int], test: TestResult, *, seed: int = 0) -> None:
    """Draw the change of each class's accuracy against the lesioned units' activation to it.

    Parameters
    ----------
    axes : Axes
    activation : array, float, shape (n_classes,)
        Arbitrary units.
    change : array, float, shape (n_classes,)
        Percentage points; negative means impaired.
    domain : str
        Domain whose units were silenced.
    most_impaired : sequence of int
        Classes that are highlighted.
    test : TestResult
        Written above the panel.
    seed : int
        Of the vertical jitter of the points.
    """
    finite = np.isfinite(activation) & np.isfinite(change)
    jitter = np.random.default_rng(seed).normal(0, JITTER, len(change))
    highlighted = np.isin(np.arange(len(change)), most_impaired)
    for rows, colour, size in ((finite & ~highlighted, "0.65", 7),
                               (finite & highlighted, COLOURS[domain], 20)):
        axes.scatter(activation[rows], (change + jitter)[rows], s=size, color=colour,
                     marker=MARKERS[domain], linewidths=0.3, edgecolors="white")
    if np.isfinite(test.value):
        slope, intercept = np.polyfit(activation[finite], change[finite], 1)
        ends = np.array([activation[finite].min(), activation[finite].max()])
        axes.plot(ends, slope * ends + intercept, color="k", linewidth=0.9)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    correlation = format_correlation(test).replace("], ", "]\n")
    axes.set_title(f"{display_name(domain)}\n{correlation}", fontsize=6)
    axes.set_xlabel("mean activation")


def most_impaired_examples(axes: Axes, images: Sequence[Image.Image], names: Sequence[str],
                           domain: str) -> None:
    """Draw one image of each of the most impaired classes in a row, with their names below."""
    side = 96
    canvas = np.full((side, len(images) * side, 3), 255, np.uint8)
    for x, image in enumerate(images):
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        square = image.crop((left, top, left + edge, top + edge)).resize((side - 3, side - 3))
        canvas[:side - 3, x * side:(x + 1) * side - 3] = np.asarray(square)
    axes.imshow(canvas, interpolation="antialiased")
    axes.set_xticks((np.arange(len(images)) + 0.5) * side,
                    [textwrap.fill(name, 12, break_long_words=False) for name in names],
                    fontsize=4.8)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    axes.set_title(f"most impaired: {display_name(domain)} lesion", fontsize=6,
                   color=COLOURS[domain], pad=2)


def dissociation_bars(axes: Axes, mean: NDArray, sem: NDArray, domains: Sequence[str],
                      random: NDArray) -> None:
    """Draw the change of accuracy of every lesion's probe set under every lesion.

    Parameters
    ----------
    axes : Axes
    mean, sem : array, float, shape (n_lesions, n_probe_sets)
        Deficit and its standard error, as fractions.
    domains : sequence of str
    random : array, float, shape (n_random, n_lesions, n_probe_sets)
        Deficit under random lesions of as many units: a dash at their mean.
    """
    width = 0.8 / len(domains)
    for lesion, domain in enumerate(domains):
        x = np.arange(len(domains)) + (lesion - (len(domains) - 1) / 2) * width
        axes.bar(x, -100 * mean[lesion], width * 0.92, yerr=100 * sem[lesion],
                 color=COLOURS[domain], hatch=HATCHES[domain], edgecolor="white",
                 error_kw={"linewidth": 0.7})
        random_mean = random[:, lesion].mean(0) if len(random) else np.full(len(domains), np.nan)
        axes.hlines(-100 * random_mean, x - width * 0.45, x + width * 0.45, color="k",
                    linewidth=1.1, linestyle="-",
                    label="as many random units" if lesion == len(domains) - 1 else None)
    axes.axhline(0, color="k", linewidth=0.6)
    axes.set_xticks(range(len(domains)), [f"{display_name(d)}\nprobe set" for d in domains])
    axes.set_ylabel("change, half B (points)")


def similarity_matrix(axes: Axes, r: NDArray, domains: Sequence[str]):
    """Draw the correlations of deficit profiles; return the AxesImage, for a colour bar."""
    image = axes.imshow(r, cmap="RdBu_r", vmin=-1, vmax=1)
    names = [display_name(d) for d in domains]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(r.shape):
        if row != column and np.isfinite(r[row, column]):
            axes.text(column, row, f"{r[row, column]:.2f}", ha="center", va="center", fontsize=5.5,
                      color="white" if abs(r[row, column]) > 0.6 else "k")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def correlation_by_layer(axes: Axes, table: pd.DataFrame, domains: Sequence[str]) -> None:
    """Draw activation-deficit r over layers, per domain, and the mean of random lesions.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``layer`` (in order), ``domain, draw`` (0: selective units), ``r``.
    domains : sequence of str
    """
    layers = list(dict.fromkeys(table["layer"]))
    random = table[(table["draw"] > 0) & table["domain"].isin(domains)]
    if len(random):
        by_draw = random.groupby(["layer", "draw"], sort=False)["r"].mean().unstack()
        mean, sem = by_draw.mean(axis=1), by_draw.std(axis=1) / np.sqrt(by_draw.shape[1])
        x = [layers.index(layer) for layer in by_draw.index]
        axes.fill_between(x, mean - sem, mean + sem, color="0.8", linewidth=0)
        axes.plot(x, mean, color="0.45", linestyle="--", linewidth=0.9, label="random units")
        axes.legend(loc="lower left", fontsize=5.5)
    for domain in domains:
        selective_r = table[(table["draw"] == 0) & (table["domain"] == domain)].set_index(
            "layer")["r"]
        axes.plot(range(len(layers)), selective_r.reindex(layers), color=COLOURS[domain],
                  marker=MARKERS[domain], markersize=2.4, linewidth=1)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set(xlim=(-0.5, len(layers) - 0.5), ylim=(-1, 0.6), ylabel="activation–deficit r")
    label_layers(axes, layers)


def effect_intervals(axes: Axes, table: pd.DataFrame, domains: Sequence[str]) -> None:
    """Draw own-minus-other deficits with their intervals, one group of domains per network.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``network`` (in order), ``domain, value, low, high`` (points) and ``random``: a
        list of the random lesions' values.
    domains : sequence of str
    """
    networks = list(dict.fromkeys(table["network"]))
    for row in table.itertuples():
        offset = 0.2 * (domains.index(row.domain) - (len(domains) - 1) / 2)
        x = networks.index(row.network) + offset
        axes.plot([x] * len(row.random), row.random, "_", color="0.55", markersize=4,
                  markeredgewidth=0.6, zorder=1)
        axes.plot([x, x], [row.low, row.high], color=COLOURS[row.domain], linewidth=1)
        axes.plot(x, row.value, MARKERS[row.domain], color=COLOURS[row.domain], markersize=3.6)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(networks)), [name.replace("-", "\n", 1) for name in networks],
                    fontsize=5.5)
    axes.set_xlim(-0.6, len(networks) - 0.4)
    axes.set_ylabel("own − other deficit (points)")
