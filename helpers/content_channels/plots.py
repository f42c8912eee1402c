"""Panels of the content-channel figure: trajectories, sign flips, separability, tuning."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.quiver import Quiver
from numpy.typing import NDArray

from helpers.content_channels.tuning_reorientation import LinearFit
from helpers.figures import style

DOMAIN_OF = {"buildings": "scenes", "cats": "objects", "cars": "objects", "chairs": "objects",
             "hammers": "objects", "phones": "objects"}
"""Published category -> domain, where the category is not named after it (authors' notebook nb5).
"""

SHADES = (0.0, -0.55, 0.55, -0.8, 0.8)
"""Categories of one domain, in order: its colour, darker (below 0) and lighter (above 0)."""

OTHER_MARKERS = ("P", "X", "*", "p")

INK, FAINT = "0.15", "0.6"

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
        domain = domain if domain in style.MARKERS else DOMAIN_OF.get(category, "objects")
        rank = n_per_domain[domain] = n_per_domain.get(domain, -1) + 1
        marker = OTHER_MARKERS[(rank - 1) % len(OTHER_MARKERS)] if rank else style.MARKERS[domain]
        styles[category] = (_shaded(style.COLOURS[domain], SHADES[rank % len(SHADES)]), marker)
    return styles


def _shaded(colour: str, shade: float) -> tuple[float, float, float]:
    end = 1.0 if shade > 0 else 0.0
    return tuple(float(c + abs(shade) * (end - c)) for c in to_rgb(colour))


def mean_paths(axes: Axes, points: NDArray, categories: Sequence[str],
               styles: Mapping[str, tuple[tuple, str]]) -> None:
    """Draw the path of each category's mean through the layers, in a magnified part of the plane.

    A small map beside the panel shows all images of the last layer, and the magnified part.

    Parameters
    ----------
    axes : Axes
    points : ndarray, shape (n_layers, n_images, 2)
    categories : sequence of str, n_images
    styles : mapping
        Of `category_styles`. Numbers: layers. Crosses: standard errors over
        images.
    """
    names = np.asarray(categories)
    lows, highs = [], []
    for category, (colour, marker) in styles.items():
        own = points[:, names == category]
        mean, error = own.mean(1), own.std(1, ddof=1) / np.sqrt(own.shape[1])
        axes.errorbar(*mean.T, xerr=error[:, 0], yerr=error[:, 1], fmt="none", ecolor=colour,
                      elinewidth=0.6, alpha=0.45)
        axes.plot(*mean.T, color=colour, marker=marker, markersize=6, linewidth=1.4,
                  markeredgecolor="white", markeredgewidth=0.5)
        for layer, xy in enumerate(mean, 1):
            axes.annotate(layer, xy, xytext=(5, 2.5), textcoords="offset points", color=colour,
                          fontsize=7, fontweight="bold", zorder=4,
                          path_effects=[withStroke(linewidth=1.6, foreground="white")])
        lows.append((mean - error).min(0))
        highs.append((mean + error).max(0))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    centre, half = (low + high) / 2, 0.56 * (high - low).max()
    axes.set(xlim=centre[0] + half * np.array([-1, 1]), ylim=centre[1] + half * np.array([-1, 1]),
             xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, color=FAINT)
    _overview(axes, points[-1], names, styles, centre - half, 2 * half)


def _overview(axes: Axes, points: NDArray, names: NDArray,
              styles: Mapping[str, tuple[tuple, str]], corner: NDArray, side: float) -> None:
    inset = axes.inset_axes((1.04, 0.6, 0.3, 0.3))
    for category, (colour, _) in styles.items():
        inset.plot(*points[names == category].T, ".", color=colour, markersize=1.8,
                   markeredgewidth=0)
    inset.add_patch(Rectangle(tuple(corner), side, side, fill=False, edgecolor=INK, linewidth=0.9,
                              zorder=3))
    inset.set(xticks=[], yticks=[], aspect="equal")
    inset.spines[:].set_visible(False)
    inset.set_title("all images,\nlast layer", fontsize=6.5, pad=2)


def category_handles(styles: Mapping[str, tuple[tuple, str]],
                     layers: Sequence[str]) -> list[Line2D]:
    """Return the legend's entries: categories, then which number in the planes is which layer."""
    handles = [Line2D([], [], color=colour, marker=marker, markersize=5, label=category)
               for category, (colour, marker) in styles.items()]
    return [*handles, *(Line2D([], [], linestyle="", marker=f"${number}$", color=INK, markersize=4,
                               markeredgewidth=0.3, label=".".join(layer.split(".")[:2]))
                        for number, layer in enumerate(layers, 1))]


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
        for part, shift, colour in (("between", -0.17, INK), ("within", 0.17, FAINT)):
            r = table.loc[(table["embedding"] == embedding) & (table["part"] == part), "r"]
            axes.plot(r, row + shift + jitter.uniform(-0.1, 0.1, len(r)), ".", markersize=3,
                      color=colour, label="" if row else f"{part} layers")
    for number, (embedding, r) in enumerate(highlighted.items()):
        axes.plot(r, embeddings.index(embedding) - 0.17, "X", color=INK, markersize=7,
                  markeredgecolor="white", markeredgewidth=0.8,
                  label="" if number else "older scikit-learn")
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_yticks(range(len(embeddings)), [textwrap.fill(name, 11) for name in embeddings])
    axes.set(xlim=(-1.08, 1.08), ylim=(len(embeddings) - 0.5, -0.5), xticks=(-1, 0, 1))
    axes.set_xlabel("r of distances before\nand after sign flips")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.13, 1), ncols=2, handletextpad=0.2,
                columnspacing=0.6, borderaxespad=0.2)


def separability_lines(axes: Axes, table: pd.DataFrame, measure: str, chance: float,
                       objectives: Mapping[str, str]) -> None:
    """Draw a measure of separability by layer, its error, and its null of permuted labels.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``network``, ``layer``, ``measure``, ``value``, ``se``, ``null_low``,
        ``null_high``.
    measure : str
        Which of the table's measures is drawn.
    chance : float
        A dotted line.
    objectives : mapping of str to str
        Network -> objective.
    """
    table = table[table["measure"] == measure]
    axes.axhline(chance, color="0.4", linestyle=":", linewidth=0.7)
    for rank, (network, rows) in enumerate(table.groupby("network", sort=False)):
        place = np.arange(len(rows)) + 0.1 * rank
        colour = style.TRAINING[style.training_of(objectives[network])]
        axes.fill_between(place, rows["null_low"], rows["null_high"], color=colour, alpha=0.2,
                          linewidth=0)
        axes.errorbar(place, rows["value"], 1.96 * rows["se"], color=colour,
                      marker="os"[rank % 2], markersize=3.5, linewidth=1.1, elinewidth=0.7,
                      label=style.display_name(network))
    layers = [".".join(layer.split(".")[:2]) for layer in dict.fromkeys(table["layer"])]
    label_rotation = {"rotation": 30, "ha": "right"} if max(map(len, layers)) > 7 else {}
    axes.set_xticks(range(len(layers)), layers, **label_rotation)
    axes.set_xlim(-0.3, len(layers) - 0.6)


def tuning_vectors(axes: Axes, fit: LinearFit, features: NDArray, target: NDArray) -> Quiver:
    """Draw a fit's features as arrows coloured by weight, and the target in black.

    Features without weight are thin and grey.

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
    common = {"angles": "xy", "scale_units": "xy", "scale": 1}
    used = fit.weights != 0
    axes.quiver(*np.zeros((2, (~used).sum())), *features[~used].T, color="0.85", width=0.006,
                **common)
    arrows = axes.quiver(*np.zeros((2, used.sum())), *features[used].T, fit.weights[used],
                         cmap=style.DIVERGING, clim=(-WEIGHT_LIMIT, WEIGHT_LIMIT), width=0.022,
                         edgecolor=FAINT, linewidth=0.2, **common)
    axes.quiver(0, 0, *target, color="k", zorder=5, width=0.016, **common)
    axes.annotate("target", target, xytext=(3, -3), textcoords="offset points")
    ends = np.vstack([features, target, np.zeros(2)])
    (left, low), (right, high) = ends.min(0) - 0.2, ends.max(0) + 0.2
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    axes.axis("off")
    axes.set_title(f"{'positive' if fit.positive else 'unconstrained'} {fit.model}\n"
                   f"{fit.n_nonzero} of {len(features)} features used", pad=3)
    return arrows


def reorientation_indices(axes: Axes, fits: Sequence[LinearFit]) -> None:
    """Draw the reorientation index of every model, unconstrained and positive."""
    models = list(dict.fromkeys(fit.model for fit in fits))
    for positive, marker, face in ((False, "o", "white"), (True, "o", INK)):
        index = {fit.model: fit.index for fit in fits if fit.positive is positive}
        axes.plot(range(len(models)), [index[model] for model in models], marker, color=INK,
                  markerfacecolor=face, markersize=5,
                  label="positive weights" if positive else "unconstrained")
    axes.axhline(1, color="0.4", linestyle=":", linewidth=0.7)
    axes.set_xticks(range(len(models)), [model.replace("cN", "c\nN") for model in models])
    axes.set(xlim=(-0.5, len(models) - 0.5), ylim=(0, 2.05), yticks=(0, 1, 2),
             ylabel="reorientation index")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1, borderaxespad=0.2,
                handletextpad=0.2)


def add_weight_bar(arrows: Quiver, axes: Axes) -> None:
    """Draw the colour bar of `tuning_vectors` at the right side of a panel."""
    bar = axes.inset_axes((1.06, 0.05, 0.05, 0.65))
    axes.figure.colorbar(arrows, cax=bar, extend="both", ticks=[-WEIGHT_LIMIT, 0, WEIGHT_LIMIT])
    bar.set_title("weight", loc="left", pad=8)
