"""Panels of notebook 01: fractions of selective units by layer, and responses to other images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import NDArray

from helpers.figures import style

Interval = tuple[float, float, float]
"""An estimate and its 95 % interval."""
MANY = 500
"""Of more dots, vector files hold an image."""
MAX_LETTERS = 20
"""Of a layer's name below its bar."""


def layers_with_weights(layers: Sequence[str], preferred: Sequence[str]) -> list[str]:
    """Return the layers that a figure shows: before normalisation and before the ReLU.

    Parameters
    ----------
    layers : sequence of str
        Of a network, in order.
    preferred : sequence of str
        Taken where the network has them all; else its ``conv`` and ``fc`` layers; else, where
        names are module paths (``layer1.0.conv1``), the first layer of every block.
    """
    if set(preferred) <= set(layers):
        return list(preferred)
    named = [layer for layer in layers if layer.startswith(("conv", "fc"))]
    blocks = {".".join(layer.split(".")[:2]): layer for layer in reversed(layers)}
    return named if len(named) > 1 else list(blocks.values())[::-1]


def layer_bars(axes: Axes, table: pd.DataFrame, layers: Sequence[str],
               domains: Sequence[str]) -> None:
    """Draw the fraction of selective units of every layer as one bar, stacked by domain.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``layer, domain, proportion`` and ``n_units``.
    layers, domains : sequence of str
        From left to right, and from the bottom up.
    """
    fractions = table.pivot(index="layer", columns="domain", values="proportion").reindex(
        index=layers, columns=domains).fillna(0)
    bottoms = fractions.cumsum(axis=1) - fractions
    for domain in domains:
        axes.bar(np.arange(len(layers)), fractions[domain], 0.82, bottom=bottoms[domain],
                 **_bar_style(domain))
    n_units = table.drop_duplicates("layer").set_index("layer")["n_units"].reindex(layers)
    blocks = [".".join(layer.split(".")[:2]) for layer in layers]
    names = blocks if len(set(blocks)) == len(layers) else map(_shorten_path, layers)
    axes.set_xticks(np.arange(len(layers)), [f"{name} ({_short(n)})" for name, n in zip(
        names, n_units)], rotation=90)
    if not fractions.any(axis=None):
        axes.set_ylim(0, 0.01)
    style.percent_axis(axes.yaxis)


def _bar_style(domain: str) -> dict[str, object]:
    return {"facecolor": style.COLOURS[domain], "hatch": style.HATCHES[domain],
            "edgecolor": "white", "linewidth": 0.2}


def _shorten_path(layer: str) -> str:
    """Write the path of a deep module in few characters: stages.0…conv1."""
    parts = layer.split(".")
    return f"{'.'.join(parts[:2])}…{parts[-1]}" if len(layer) > MAX_LETTERS else layer


def _short(n: float) -> str:
    """Write a number of units in few characters: 512, 9.2k, 74k."""
    return f"{n:.0f}" if n < 1000 else f"{n / 1000:.1f}k" if n < 10_000 else f"{n / 1000:.0f}k"


def domain_patches(figure: Figure, domains: Sequence[str]) -> None:
    """Draw the legend of stacked bars at the upper edge of a figure."""
    style.top_legend(figure, [Patch(**_bar_style(d), label=style.display_name(d)) for d in domains],
                     ncols=min(len(domains), 8), columnspacing=2.5)


def unit_heat_map(axes: Axes, responses: NDArray, rows: Sequence[tuple[str, int, int]],
                  columns: Sequence[tuple[str, int]], *, limit: float = 1.5) -> AxesImage:
    """Draw the responses of units (rows) to images (columns), with lines between groups.

    Parameters
    ----------
    axes : Axes
    responses : array, float, shape (n_units, n_images)
        z values; colours saturate at +-``limit`` (the paper's 1.5).
    rows : sequence of (str, int, int)
        Group names, how many of their units are shown, and how many there are.
    columns : sequence of (str, int)
        Domains and numbers of images.

    Returns
    -------
    AxesImage, for a colour bar.
    """
    image = axes.imshow(responses, aspect="auto", cmap=style.DIVERGING, vmin=-limit, vmax=limit,
                        interpolation="nearest", rasterized=True)
    _group_axis(axes, "y", [(f"{style.display_name(name)} ({n})" if n == total
                             else f"{style.display_name(name)}\n({n} of {_short(total)})", n)
                            for name, n, total in rows])
    _group_axis(axes, "x", [(f"{style.display_name(name)}\n({n})", n) for name, n in columns])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _group_axis(axes: Axes, span: str, groups: Sequence[tuple[str, int]]) -> None:
    """Draw lines between groups, and label those with room for a label."""
    line = axes.axhline if span == "y" else axes.axvline
    edges = np.cumsum([0, *(size for _, size in groups)])
    for edge in edges[1:-1]:
        line(edge - 0.5, color="k", linewidth=0.7)
    visible = [(label, (low + high - 1) / 2) for (label, _), low, high
               in zip(groups, edges, edges[1:]) if high - low > 0.03 * edges[-1]]
    getattr(axes, f"set_{span}ticks")([centre for _, centre in visible],
                                      [label for label, _ in visible])


def _side_by_side(by_network: Mapping[str, Mapping[str, Any]], groups: Sequence[str],
                  shift: float) -> Iterator[tuple[float, Any, dict[str, str]]]:
    """Yield place, value and marker of every group, the first network filled, the second open."""
    for by_group, offset, is_filled in zip(by_network.values(), (-shift, shift), (True, False)):
        for x, group in enumerate(groups):
            colour = style.COLOURS.get(group, "0.2")
            yield x + offset, by_group[group], {
                "color": colour, "markerfacecolor": colour if is_filled else "white",
                "marker": style.MARKERS.get(group, "o"), "linestyle": ""}


def unit_strips(axes: Axes, t_values: Mapping[str, Mapping[str, NDArray]],
                domains: Sequence[str]) -> None:
    """Draw every unit's t as a dot, by domain, one column per network, and the mean as a line.

    Parameters
    ----------
    axes : Axes
    t_values : mapping of str to mapping of str to array, float, shape (n_units,)
        Network (the first filled, the second open) -> domain -> mean t of its selective units.
    domains : sequence of str
    """
    jitter, n_units = np.random.default_rng(0), 0
    for x, t, marker in _side_by_side(t_values, domains, 0.2):
        n_units += len(t)
        values = t[np.isfinite(t)]
        axes.plot(x + jitter.uniform(-0.12, 0.12, len(values)), values, **marker, markersize=2.6,
                  markeredgewidth=0.6, alpha=0.8, rasterized=len(values) > MANY)
        if len(values):
            axes.hlines(values.mean(), x - 0.17, x + 0.17, color="k", linewidth=1.2, zorder=3)
    _count_labels(axes, domains, [{d: len(by_domain[d]) for d in domains}
                                  for by_domain in t_values.values()])
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.8)
    if not n_units:
        axes.set_ylim(-1, 1)


def preference_points(axes: Axes, estimates: Mapping[str, Mapping[str, Interval]],
                      n_units: Sequence[Mapping[str, int]], groups: Sequence[str],
                      chance: float) -> None:
    """Draw the fraction of units that prefer their domain again, with 95 % intervals.

    Parameters
    ----------
    axes : Axes
    estimates : mapping of str to mapping of str to (fraction, low, high)
        Network (the first filled, the second open) -> domain, or ``all`` -> its estimate.
    n_units : sequence of mapping of str to int
        The same for the number of units, in the order of the networks.
    groups : sequence of str
        Domains, or ``all``.
    chance : float
        A dotted line.
    """
    for x, (value, low, high), marker in _side_by_side(estimates, groups, 0.14):
        axes.vlines(x, low, high, color=marker["color"], linewidth=1.1)
        axes.plot(x, value, **marker, markersize=4.5)
    axes.axhline(chance, color="k", linestyle=":", linewidth=0.8)
    axes.text(len(groups) - 0.45, chance + 0.02, f"chance {chance:.0%}", ha="right", va="bottom")
    _count_labels(axes, groups, n_units)
    axes.set_ylim(0, 1.04)
    style.percent_axis(axes.yaxis)


def _count_labels(axes: Axes, groups: Sequence[str], n_units: Sequence[Mapping[str, int]]) -> None:
    axes.set_xticks(range(len(groups)), ["\n".join([style.display_name(group), *(
        str(by_group[group]) for by_group in n_units)]) for group in groups])
    axes.set_xlim(-0.5, len(groups) - 0.4)


def fill_legend(axes: Axes, names: Sequence[str]) -> None:
    """Name the networks of filled and of open markers."""
    for name, colour in zip(names, ("0.2", "white")):
        axes.plot([], [], "o", color="0.2", markerfacecolor=colour, markersize=4.5,
                  label=style.display_name(name))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)


def threshold_explorer(n_selective: Mapping[str, Mapping[str, int]], min_t: NDArray,
                       t_independent: NDArray, selected: NDArray[np.bool_], domains: Sequence[str],
                       axis_range: tuple[float, float], rule: str, alt: str) -> Figure:
    """Draw how many units pass a threshold, and what they do on independent images.

    Parameters
    ----------
    n_selective : mapping of str to mapping of str to int
        Network (the first filled, the second open) -> domain -> number of units that pass.
    min_t, t_independent : array, float, shape (n_domains, n_units)
        Of the first network: each unit's smallest t on the localizer, and its mean t on the
        independent images.
    selected : array, bool, shape (n_domains, n_units)
        The units that pass.
    domains : sequence of str
    axis_range : tuple of float
        Of t on the independent images, whatever is selected.
    rule, alt : str
        In words: the threshold, and what is seen.
    """
    figure = style.new_figure(2.7, alt)
    left, right = figure.subplots(1, 2, gridspec_kw={
        "width_ratios": [1, 1.25], "left": 0.08, "right": 0.98, "top": 0.86, "bottom": 0.2,
        "wspace": 0.28})
    for x, n, marker in _side_by_side(n_selective, domains, 0.2):
        left.bar(x, n, 0.36, edgecolor=marker["color"], linewidth=1,
                 color=marker["markerfacecolor"])
        left.text(x, n, f" {n}", ha="center", va="bottom")
    left.set_xticks(range(len(domains)), [style.display_name(d) for d in domains])
    names = [f"{style.display_name(name)} ({fill})"
             for name, fill in zip(n_selective, ("filled", "open"))]
    left.set(title=f"units that pass: {', '.join(names)}", ylabel="number of units")
    for row, domain in enumerate(domains):
        others = (min_t[row] > 0) & ~selected[row]
        for units, marker, colour, size in ((others, ".", "0.75", 2.5), (
                selected[row], style.MARKERS[domain], style.COLOURS[domain], 3.2)):
            right.plot(min_t[row, units], t_independent[row, units], marker, color=colour,
                       markersize=size)
    right.axhline(0, color="0.4", linestyle=":", linewidth=0.8)
    right.set(xlim=(0, 1.05 * np.nanmax(min_t)), ylim=axis_range,
              xlabel="smallest t of the contrasts, localizer",
              ylabel="mean t, independent images", title=f"{rule}: units that pass (coloured)")
    return figure
