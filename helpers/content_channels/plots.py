"""Panels of the content-channel figure: trajectories, sign flips, separability, tuning."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from helpers.content_channels.tuning_reorientation import LinearFit
from helpers.figures.style import COLOURS, MARKERS

DOMAIN_OF = {"buildings": "scenes", "cats": "objects", "cars": "objects", "chairs": "objects",
             "hammers": "objects", "phones": "objects"}
"""Published category -> domain, where the category is not named after it (authors' notebook nb5).
"""

SHADES = (0.0, -0.55, 0.55, -0.8, 0.8)
"""Categories of one domain, in order: its colour, darker (below 0) and lighter (above 0)."""

OTHER_MARKERS = ("P", "X", "*", "p")

WEIGHT_LIMIT = 0.03
"""Weights at which the colours of the tuning panels saturate (authors' TuningReorientation.html).
"""


def category_styles(domain_of: Mapping[str, str]) -> dict[str, tuple[tuple, str]]:
    """Return for every category a shade of its domain's colour and a marker, each used once.

    Parameters
    ----------
    domain_of : mapping of str to str
        Category -> domain; a category whose domain has no colour is looked up in ``DOMAIN_OF``,
        and is an object if it is missing there.

    Returns
    -------
    dict of str to (colour, marker)
    """
    n_per_domain: dict[str, int] = {}
    styles = {}
    for category, domain in domain_of.items():
        domain = domain if domain in MARKERS else DOMAIN_OF.get(category, "objects")
        rank = n_per_domain[domain] = n_per_domain.get(domain, -1) + 1
        marker = OTHER_MARKERS[(rank - 1) % len(OTHER_MARKERS)] if rank else MARKERS[domain]
        styles[category] = (_shaded(COLOURS[domain], SHADES[rank % len(SHADES)]), marker)
    return styles


def _shaded(colour: str, shade: float) -> tuple[float, float, float]:
    end = 1.0 if shade > 0 else 0.0
    return tuple(float(c + abs(shade) * (end - c)) for c in to_rgb(colour))


def trajectory_paths(axes: Axes, points: NDArray, categories: Sequence[str],
                     styles: Mapping[str, tuple[tuple, str]]) -> None:
    """Draw every image's path through the layers, and the path of each category's mean.

    Parameters
    ----------
    axes : Axes
    points : ndarray, shape (n_layers, n_images, 2)
    categories : sequence of str, n_images
    styles : mapping
        Of `category_styles`. Open small dots: first layer; filled markers: last layer.
    """
    names = np.asarray(categories)
    for category, (colour, marker) in styles.items():
        paths = points[:, names == category]
        axes.add_collection(LineCollection(paths.swapaxes(0, 1), colors=[colour], linewidths=0.35,
                                           alpha=0.35))
        axes.plot(*paths[0].T, "o", markersize=1.8, markerfacecolor="white",
                  markeredgecolor=colour, markeredgewidth=0.5)
        axes.plot(*paths[-1].T, marker, markersize=3, markerfacecolor=colour,
                  markeredgecolor="white", markeredgewidth=0.25)
    for category, (colour, marker) in styles.items():
        mean = points[:, names == category].mean(1)
        axes.plot(*mean.T, color="white", linewidth=3.2)
        axes.plot(*mean.T, color=colour, linewidth=1.8)
        axes.plot(*mean[-1], marker, markersize=6.5, markerfacecolor=colour, markeredgecolor="k",
                  markeredgewidth=0.8)
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.axis("off")


def category_handles(styles: Mapping[str, tuple[tuple, str]], first: str,
                     last: str) -> list[Line2D]:
    """Return the legend's entries: categories, then the markers of the first and last layer."""
    handles = [Line2D([], [], color=colour, marker=marker, markersize=4, label=category)
               for category, (colour, marker) in styles.items()]
    return [*handles,
            Line2D([], [], color="0.4", linestyle="", marker="o", markersize=2.5,
                   markerfacecolor="white", label=f"{first} (start)"),
            Line2D([], [], color="0.4", linestyle="", marker="o", markersize=4,
                   label=f"{last} (end); thick: mean")]


def sign_flip_strips(axes: Axes, table: pd.DataFrame, *, highlighted: Mapping[str, float]) -> None:
    """Draw the correlation of distances before and after each sign flip, one row per variant.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``embedding`` (the variant of the MDS plane), ``part`` (between or within layers),
        ``r``.
    highlighted : mapping of str to float
        Variant -> correlation with the signs of another version of scikit-learn; a cross.
    """
    jitter = np.random.default_rng(0)
    embeddings = list(dict.fromkeys(table["embedding"]))
    for row, embedding in enumerate(embeddings):
        for part, shift, colour in (("between", -0.17, "k"), ("within", 0.17, "0.6")):
            r = table.loc[(table["embedding"] == embedding) & (table["part"] == part), "r"]
            axes.plot(r, row + shift + jitter.uniform(-0.1, 0.1, len(r)), ".", markersize=2.5,
                      color=colour, label=f"{part} layers" if not row else None)
    for number, (embedding, r) in enumerate(highlighted.items()):
        axes.plot(r, embeddings.index(embedding) - 0.17, "x", color="crimson", markersize=5,
                  markeredgewidth=1.3, label=None if number else "signs of scikit-learn < 1.5")
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_yticks(range(len(embeddings)), [textwrap.fill(name, 12) for name in embeddings])
    axes.set(xlim=(-1.05, 1.05), ylim=(len(embeddings) - 0.5, -0.5),
             xlabel="r of distances before and after")


def separability_lines(axes: Axes, table: pd.DataFrame, measure: str,
                       colours: Mapping[str, str]) -> None:
    """Draw a measure of separability by layer, its error, and its null of permuted labels.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``network``, ``layer``, ``measure``, ``value``, ``se``, ``null_low``,
        ``null_high``.
    measure : str
        Which of the table's measures is drawn.
    colours : mapping of str to str
        Network -> colour.
    """
    table = table[table["measure"] == measure]
    for rank, (network, rows) in enumerate(table.groupby("network", sort=False)):
        place = np.arange(len(rows)) + 0.1 * rank
        axes.fill_between(place, rows["null_low"], rows["null_high"], color=colours[network],
                          alpha=0.2, linewidth=0)
        axes.errorbar(place, rows["value"], 1.96 * rows["se"], color=colours[network],
                      marker="os"[rank % 2], markersize=3, linewidth=1, elinewidth=0.7,
                      label=network)
    layers = [".".join(layer.split(".")[:2]) for layer in dict.fromkeys(table["layer"])]
    label_rotation = {"rotation": 30, "ha": "right"} if max(map(len, layers)) > 7 else {}
    axes.set_xticks(range(len(layers)), layers, **label_rotation)
    axes.set(xlim=(-0.3, len(layers) - 0.6), ylabel=measure)


def tuning_vectors(axes: Axes, fit: LinearFit, features: NDArray, target: NDArray):
    """Draw a fit's features as arrows coloured by weight, the target in green.

    Parameters
    ----------
    axes : Axes
    fit : LinearFit
    features : ndarray, shape (n_features, 2)
    target : ndarray, shape (2,)

    Returns
    -------
    Quiver, for a colour bar.
    """
    order = np.argsort(np.abs(fit.weights))
    start = np.zeros(len(order))
    common = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.012}
    arrows = axes.quiver(start, start, *features[order].T, fit.weights[order], cmap="coolwarm",
                         clim=(-WEIGHT_LIMIT, WEIGHT_LIMIT), **common)
    axes.quiver(0, 0, *target, color="green", zorder=5, **{**common, "width": 0.022})
    ends = np.vstack([features, target, np.zeros(2)])
    (left, low), (right, high) = ends.min(0) - 0.2, ends.max(0) + 0.2
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    axes.axis("off")
    sign = "positive " if fit.positive else ""
    axes.set_title(f"{sign}{fit.model} {fit.index:.3f}\n{fit.n_nonzero} features used",
                   fontsize=6.5, pad=2)
    return arrows
