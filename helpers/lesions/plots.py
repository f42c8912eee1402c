"""Panels of the lesion figure: deficits by class, by probe set, by layer and by domain."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageOps

from helpers.figures import style
from helpers.lesions.statistics import TestResult

JITTER = 0.5
"""Published SD of the jitter of points, percentage points."""

OTHER_CLASS, RANDOM, INK = "0.55", "0.45", "0.1"


def format_correlation(test: TestResult) -> str:
    """Write a correlation with its interval, for a panel."""
    if np.isnan(test.value):
        return "r unknown"
    return _minus(f"r = {test.value:.2f} [{test.low:.2f}, {test.high:.2f}]")


def _minus(text: str) -> str:
    return text.replace("-", "−")


def class_handles(domains: Sequence[str]) -> list[Line2D]:
    """Return the figure's legend: the lesions' colours, and the classes of panel A."""
    lesions = [Line2D([], [], **_marker(d), markersize=4, label=f"{style.display_name(d)} lesion")
               for d in domains]
    dots = [Line2D([], [], linestyle="", marker="o", markerfacecolor="white", markersize=size,
                   markeredgecolor=edge, label=label) for size, edge, label in (
        (3.5, OTHER_CLASS, "class of another domain"), (5, INK, "most impaired (B, C)"))]
    return [*lesions, *dots]


def _marker(domain: str) -> dict[str, str]:
    return {"color": style.COLOURS[domain], "marker": style.MARKERS[domain]}


def deficit_scatter(axes: Axes, activation: NDArray, change: NDArray, domain: str,
                    own: NDArray[np.bool_], most_impaired: Sequence[int], test: TestResult, *,
                    seed: int = 0) -> None:
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
    own : array, bool, shape (n_classes,)
        Classes of this domain, filled; others are open.
    most_impaired : sequence of int
        Classes with a dark edge: the probe set.
    test : TestResult
        Written above the panel.
    seed : int
        Of the vertical jitter of the points.
    """
    finite = np.isfinite(activation) & np.isfinite(change)
    y = change + np.random.default_rng(seed).normal(0, JITTER, len(change))
    probe = np.isin(np.arange(len(change)), most_impaired)
    colour = style.COLOURS[domain]
    for rows, face, edge in ((~own, "white", OTHER_CLASS), (own, colour, colour)):
        for edged, size in ((False, 10), (True, 24)):
            chosen = finite & rows & (probe == edged)
            axes.scatter(activation[chosen], y[chosen], s=size, marker=style.MARKERS[domain],
                         facecolors=face, linewidths=0.9 if edged else 0.6,
                         edgecolors=INK if edged else edge, zorder=3 if edged else 2)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_title(f"{style.display_name(domain)} lesion\n{format_correlation(test)}")
    axes.set_xlabel("mean activation (a.u.)")


def most_impaired_examples(axes: Axes, images: Sequence[Image.Image], names: Sequence[str],
                           domain: str) -> None:
    """Draw one image of each of the most impaired classes in a row, with their names below."""
    side, gap = 96, 3
    squares = [ImageOps.fit(image, (side - gap, side - gap)) for image in images]
    tiles = [ImageOps.expand(square, (0, 0, gap, gap), "white") for square in squares]
    axes.imshow(np.hstack(tiles), interpolation="antialiased")
    axes.set_xticks((np.arange(len(images)) + 0.5) * side,
                    [textwrap.fill(textwrap.shorten(name, 24, placeholder="…"), 10,
                                   break_long_words=False)
                     for name in names])
    axes.set_yticks([])
    _hide_frame(axes, pad=1)
    axes.set_title(f"{style.display_name(domain)} lesion", color=style.COLOURS[domain], pad=2)


def dissociation_bars(axes: Axes, mean: NDArray, sem: NDArray, domains: Sequence[str],
                      random: NDArray) -> None:
    """Draw the change of accuracy of every lesion's probe set under every lesion.

    The bar of a probe set's own lesion has a dark edge; the others are pale.

    Parameters
    ----------
    axes : Axes
    mean, sem : array, float, shape (n_lesions, n_probe_sets)
        Deficit and its standard error, as fractions.
    domains : sequence of str
    random : array, float, shape (n_random, n_lesions, n_probe_sets)
        Deficit under random lesions of as many units: a dash at their mean.
    """
    width, n = 0.8 / len(domains), len(domains)
    for lesion, domain in enumerate(domains):
        own = np.arange(n) == lesion
        x = np.arange(n) + (lesion - (n - 1) / 2) * width
        for chosen, look in ((own, {"edgecolor": INK, "linewidth": 1}),
                             (~own, {"edgecolor": "white", "alpha": 0.5})):
            axes.bar(x[chosen], -100 * mean[lesion, chosen], width * 0.88, **look,
                     color=style.COLOURS[domain], hatch=style.HATCHES[domain])
        axes.errorbar(x, -100 * mean[lesion], 100 * sem[lesion], fmt="none", ecolor=INK,
                      elinewidth=0.7)
        random_mean = random[:, lesion].mean(0) if len(random) else np.full(n, np.nan)
        axes.hlines(-100 * random_mean, x - width * 0.45, x + width * 0.45, color=INK,
                    linewidth=1.6, label="" if lesion else "as many random units")
    axes.axhline(0, color="k", linewidth=0.6)
    axes.set_xticks(range(n), [f"most impaired by\n{style.display_name(domain)} lesion"
                               for domain in domains])
    axes.margins(y=0.14)
    axes.legend(loc="lower right", borderaxespad=0)


def deficit_similarity(axes: Axes, r: NDArray, domains: Sequence[str], label: str) -> None:
    """Draw the correlations of deficit profiles, each pair once, with a colour bar.

    Parameters
    ----------
    axes : Axes
    r : array, float, shape (n_lesions, n_lesions)
    domains : sequence of str, n_lesions
    label : str
        Of the colour bar.
    """
    pairs = np.where(np.tri(*r.shape, k=-1), r, np.nan)[1:, :-1]
    image = _annotated_matrix(axes, pairs, 1, ".2f", fontsize=6.5)
    axes.set_aspect("equal")
    names = [style.display_name(d) for d in domains]
    axes.set_xticks(range(len(names) - 1), names[:-1], rotation=45, ha="right",
                    rotation_mode="anchor")
    axes.set_yticks(range(len(names) - 1), names[1:])
    axes.set_title("do the same classes suffer?")
    axes.figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], shrink=0.9, label=label)


def _annotated_matrix(axes: Axes, values: NDArray, limit: float, number_format: str,
                      **text: object) -> AxesImage:
    """Draw a matrix with its values, white or black on the colours from -limit to limit."""
    image = axes.imshow(values, cmap=style.DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        axes.text(column, row, _minus(f"{value:{number_format}}"), ha="center", va="center",
                  color="white" if abs(value) > 0.6 * limit else "k", **text)
    _hide_frame(axes)
    return image


def _hide_frame(axes: Axes, **ticks: float) -> None:
    axes.tick_params(length=0, **ticks)
    axes.spines[:].set_visible(False)


def correlation_by_layer(axes: Axes, table: pd.DataFrame, domains: Sequence[str],
                         marked: str) -> None:
    """Draw activation-deficit r over layers, per domain, and the mean of random lesions.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``layer`` (in order), ``domain, draw`` (0: selective units), ``r``.
    domains : sequence of str
    marked : str
        Layer of panel A: a vertical line.
    """
    layers = list(dict.fromkeys(table["layer"]))
    random = table[(table["draw"] > 0) & table["domain"].isin(domains)]
    if len(random):
        by_draw = random.groupby(["layer", "draw"], sort=False)["r"].mean().unstack()
        mean, sem = by_draw.mean(axis=1), by_draw.std(axis=1) / np.sqrt(by_draw.shape[1])
        x = [layers.index(layer) for layer in by_draw.index]
        axes.fill_between(x, mean - sem, mean + sem, color="0.8", linewidth=0)
        axes.plot(x, mean, color=RANDOM, linestyle="--", linewidth=1,
                  label=f"as many random units, {by_draw.shape[1]} draws")
    for domain in domains:
        rows = table[(table["draw"] == 0) & (table["domain"] == domain)]
        axes.plot(range(len(layers)), rows.set_index("layer")["r"].reindex(layers),
                  **_marker(domain), markersize=2.8, linewidth=1)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    if marked in layers:
        axes.axvline(layers.index(marked), color="0.4", linewidth=0.7, zorder=0, label="panel A")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylabel("r of activation\nand change of accuracy")
    style.label_layers(axes, layers)


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
        offset = min(0.2, 0.8 / len(domains)) * (
            domains.index(row.domain) - (len(domains) - 1) / 2)
        x = networks.index(row.network) + offset
        axes.plot([x] * len(row.random), row.random, "_", color=RANDOM, markersize=5,
                  markeredgewidth=0.7, zorder=1)
        axes.plot([x, x], [row.low, row.high], color=style.COLOURS[row.domain], linewidth=1)
        axes.plot(x, row.value, **_marker(row.domain), markersize=4)
    axes.plot([], [], "_", color=RANDOM, label="random lesions")
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(networks)),
                    [textwrap.fill(style.display_name(name), 12) for name in networks])
    axes.set_xlim(-0.6, len(networks) - 0.4)
    axes.set_ylabel("own − other classes' deficit\n(points)")
    axes.legend(loc="best", borderaxespad=0)


def effects_by_size(axes: Axes, table: pd.DataFrame, domains: Sequence[str]) -> None:
    """Draw own-minus-other deficits with their intervals against the size of the lesion.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``fraction`` (of the units of each layer), ``domain, value, low, high`` (points).
    domains : sequence of str
    """
    sizes = sorted(set(table["fraction"]))
    for idx, domain in enumerate(domains):
        rows = table[table["domain"] == domain].sort_values("fraction")
        x = np.arange(len(rows)) + 0.12 * (idx - (len(domains) - 1) / 2)
        axes.vlines(x, rows["low"], rows["high"], color=style.COLOURS[domain], linewidth=1)
        axes.plot(x, rows["value"], **_marker(domain), markersize=4, linewidth=0.8)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(sizes)), [f"{size:.0%}" for size in sizes])
    axes.set_xlabel("units silenced in each layer, of every domain")
    axes.set_ylabel("own − other classes' deficit\n(points)")


def deficits_by_domain(axes: Axes, table: pd.DataFrame) -> None:
    """Draw mean deficits (points) of lesions (index) by domain of the classes (columns)."""
    values = table.to_numpy()
    _annotated_matrix(axes, values, np.nanmax(np.abs(values)), ".0f")
    for row, column in np.argwhere(table.index.to_numpy()[:, None] == table.columns.to_numpy()):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK,
                                 linewidth=1.4))
    axes.set_xticks(range(table.shape[1]), [style.display_name(d) for d in table.columns])
    axes.set_yticks(range(len(table)), [f"{style.display_name(d)} lesion" for d in table.index])
    axes.set_xlabel("classes of the domain")
