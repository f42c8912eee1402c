"""Panels of notebook 10: training, penalties, accuracy of image retrieval, retrieved images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from helpers.core.intervals import mean_interval
from helpers.decoding.ridge_decoder import PUBLISHED_ALPHAS
from helpers.decoding.study import CONTRAST, NOISELESS, RIDGE, WHITENED
from helpers.figures.style import TRAINING, TRAINING_MARKERS, new_figure

STYLES = {method: (TRAINING[trained], TRAINING_MARKERS[trained]) for method, trained in
          ((CONTRAST, "contrastive"), (NOISELESS, "contrastive, variant"),
           (RIDGE, "regression"), (WHITENED, "regression, variant"))}
"""Colour and marker of each decoder whose curve is drawn."""


def loss_curves(axes: Axes, losses: pd.DataFrame, batch_size: int) -> None:
    """Plot the training loss in nats, a line a participant, and chance.

    Parameters
    ----------
    axes : Axes
    losses : DataFrame, shape (n_steps, n_subjects)
        Mean over runs.
    batch_size : int
        Chance is its logarithm.
    """
    chance = np.log(batch_size)
    axes.plot(np.arange(len(losses)) + 1, losses, color=TRAINING["contrastive"], linewidth=0.6,
              alpha=0.6)
    axes.axhline(chance, color="k", linestyle=":", linewidth=0.8)
    axes.text(0.97, chance, "chance", ha="right", va="bottom",
              transform=axes.get_yaxis_transform())
    axes.set(xlabel="step", ylabel="loss (nats)", xscale="log",
             title=f"Is it trained? (n = {losses.shape[1]})")


def penalty_curves(axes: Axes, grid: pd.DataFrame, alphas: Sequence[float]) -> None:
    """Plot ridge's top-1 accuracy in validation over penalties, a line a participant.

    Parameters
    ----------
    axes : Axes
    grid : DataFrame, shape (n_alphas, n_subjects)
    alphas : sequence of float
    """
    axes.axvspan(*PUBLISHED_ALPHAS, color="0.88", linewidth=0)
    axes.plot(alphas, grid.to_numpy(), color=TRAINING["regression"], linewidth=0.8)
    axes.plot(alphas, grid.mean(axis=1).to_numpy(), color="k", linewidth=1.2)
    axes.text(np.sqrt(np.prod(PUBLISHED_ALPHAS)), 0.02, "published\ngrid", ha="center", va="bottom",
              transform=axes.get_xaxis_transform())
    axes.set(xscale="log", xlabel="penalty of ridge", ylabel="top-1, validation",
             title=f"Which penalty? (n = {grid.shape[1]})", ylim=(0, None))


def retrieval_curves(axes: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    """Plot top-k accuracy against k: mean and 95 % interval over participants, and chance.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``subject, method, k, accuracy, chance``.
    methods : sequence of str
        Keys of `STYLES`.
    """
    ks = sorted(set(table["k"]))
    for method in methods:
        colour, marker = STYLES[method]
        wide = table[table["method"] == method].pivot(index="subject", columns="k",
                                                      values="accuracy")[ks]
        mean, low, high = np.transpose([mean_interval(wide[k]) for k in ks])
        axes.vlines(ks, low, high, color=colour, linewidth=1)
        axes.plot(ks, wide.mean(), color=colour, marker=marker, markersize=3.5, linewidth=1)
    chance = table.groupby("k")["chance"].first()
    axes.plot(chance.index, chance, "k:", linewidth=0.8)
    axes.set(xscale="log", xlabel="k", ylim=(0, 1.04))
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()


def method_handles(methods: Sequence[str]) -> list[Line2D]:
    """Return legend handles of the methods and of chance."""
    return [Line2D([], [], color=STYLES[method][0], marker=STYLES[method][1], markersize=4,
                   linewidth=1, label=method) for method in methods] + [
        Line2D([], [], color="k", linestyle=":", linewidth=0.8, label="chance")]


def paired_differences(axes: Axes, differences: pd.DataFrame) -> None:
    """Plot differences between two decoders: participants, their mean and 95 % interval.

    Parameters
    ----------
    axes : Axes
    differences : DataFrame, participants × comparisons
        First decoder minus second.
    """
    for row, (_, values) in enumerate(differences.items()):
        values = np.asarray(values, float)
        axes.plot(values, np.full(len(values), row - 0.14), "o", color=TRAINING["contrastive"],
                  markersize=3, alpha=0.5, markeredgewidth=0)
        _, low, high = mean_interval(values)
        axes.hlines(row + 0.16, low, high, color="k", linewidth=1)
        axes.plot(values.mean(), row + 0.16, "|", color="k", markersize=6, markeredgewidth=1.4)
    axes.axvline(0, color="0.4", linestyle=":", linewidth=0.8)
    axes.set_yticks(range(differences.shape[1]), list(differences))
    axes.set_ylim(differences.shape[1] - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def above_chance(axes: Axes, tables: Mapping[str, pd.DataFrame]) -> None:
    """Plot each participant's top-k accuracy in each protocol, with its interval over images.

    Parameters
    ----------
    axes : Axes
    tables : dict, protocol -> DataFrame
        Columns ``subject, accuracy, low, high, chance``, a row a participant. The first protocol
        has filled markers, the second open ones.
    """
    colour, marker = STYLES[CONTRAST]
    for shift, face, (protocol, table) in zip((-0.15, 0.15), (colour, "white"), tables.items()):
        x = np.arange(len(table)) + shift
        axes.vlines(x, table["low"], table["high"], color=colour, linewidth=1)
        axes.plot(x, table["accuracy"], marker, color=colour, markersize=4, label=protocol,
                  markerfacecolor=face)
        axes.axhline(table["chance"].iloc[0], color="k", linestyle=":", linewidth=0.8)
    axes.set_xticks(range(len(table)), table["subject"], rotation=45, ha="right",
                    rotation_mode="anchor")
    axes.set_ylim(0, 1.3 * max(table["high"].max() for table in tables.values()))
    axes.legend(loc="upper center", ncols=2, borderaxespad=0)


def draw_retrieved(seen: Image.Image, nearest: Sequence[Image.Image], titles: Sequence[str],
                   alt: str) -> Figure:
    """Draw the image that was seen, and beside it the candidates nearest to the prediction.

    Parameters
    ----------
    seen : Image
    nearest : sequence of Image
    titles : sequence of str
        Above each of these.
    alt : str
        For readers who do not see it.
    """
    figure = new_figure(1.35, alt)
    panels = figure.subplots(1, 1 + len(nearest), gridspec_kw={
        "left": 0.01, "right": 0.99, "top": 0.82, "bottom": 0.03, "wspace": 0.1,
        "width_ratios": [1] * (1 + len(nearest))})
    for axes, image, title in zip(panels, [seen, *nearest], ["seen", *titles]):
        axes.imshow(np.asarray(image.convert("RGB")), interpolation="antialiased")
        axes.set_title(title)
        axes.set_axis_off()
    return figure
