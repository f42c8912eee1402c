"""Panels of notebook 00: the images, the networks and their accuracies, the cohort's regions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.brains.rois import domain_of
from helpers.core.intervals import proportion_interval
from helpers.figures import style
from helpers.figures.panels import SIDE, tile_images
from helpers.networks.registry import NetworkEntry
from helpers.stimuli.image_sets import ImageSet

OBJECTIVE_NAMES = {"barlow_twins": "two views of an image", "simclr": "two views of an image",
                   "ipcl": "five views of an image", "supervised": "labels", "clip": "captions",
                   "targets": "text embeddings", "none": "nothing: random weights"}
PIXELS_MARKER = "s"
"""Of what is no network."""
GREY_LEVELS = 255
COLUMNS = (0.06, 0.40, 0.72)
"""Where the columns of the list of networks begin."""


def training_text(entry: NetworkEntry) -> str:
    """Return what a network was trained with, in words."""
    return OBJECTIVE_NAMES.get(entry.objective, entry.objective)


def _colour_and_marker(name: str, entries: Mapping[str, NetworkEntry]) -> tuple[str, str]:
    if name not in entries:
        return style.TRAINING["untrained"], PIXELS_MARKER
    training = style.training_of(entries[name].objective)
    return style.TRAINING[training], style.TRAINING_MARKERS[training].replace(".", "o")


def image_columns(axes: Axes, images: ImageSet, domains: Sequence[str], n: int) -> None:
    """Show the first ``n`` images of each category, one column per category, domains side by side.

    Parameters
    ----------
    axes : Axes
    images : ImageSet
    domains : sequence of str
        In order; their names stand below their categories.
    n : int
    """
    domain_of_category = dict(zip(images.categories, images.domains))
    categories = [c for d in domains for c in sorted(set(images.categories))
                  if domain_of_category[c] == d]
    canvas = tile_images(images, categories, n, in_columns=True)
    axes.imshow(canvas, interpolation="antialiased", aspect="auto")
    axes.set_xticks((np.arange(len(categories)) + 0.5) * SIDE, categories)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    for domain in domains:
        own = [i for i, c in enumerate(categories) if domain_of_category[c] == domain]
        if own:
            low, high = own[0] * SIDE + 3, (own[-1] + 1) * SIDE - 5
            axes.plot([low, high], [n * SIDE + 5] * 2, color=style.COLOURS[domain], linewidth=2.5,
                      clip_on=False, solid_capstyle="butt")
            axes.text((low + high) / 2, n * SIDE + 12, f"{style.display_name(domain)}\n"
                      f"(n = {images.domains.count(domain)})", ha="center", va="top")
    axes.set_ylim(n * SIDE, 0)


def network_names(axes: Axes, names: Sequence[str], entries: Mapping[str, NetworkEntry]) -> None:
    """Write one row for each representation: marker, name, what it was trained with, on what.

    Parameters
    ----------
    axes : Axes
        Shares its rows with the panels of accuracies.
    names : sequence of str
        From top to bottom; a name without an entry is no network.
    entries : mapping of str to NetworkEntry
    """
    for row, name in enumerate(names):
        entry = entries.get(name)
        colour, marker = _colour_and_marker(name, entries)
        axes.plot(0.02, row, marker, color=colour, markersize=4, clip_on=False)
        words = (style.display_name(name), training_text(entry) if entry else "–",
                 entry.diet.replace("none", "–") if entry else "–")
        for x, text in zip(COLUMNS, words):
            axes.text(x, row, textwrap.fill(text, 17, break_on_hyphens=False), va="center",
                      linespacing=0.95)
    for x, title in zip(COLUMNS, ("network", "trained with", "on")):
        axes.text(x, -0.85, title, fontweight="bold", va="center")
    for label, colour in (("k nearest neighbours", "0.2"), ("linear probe", "white")):
        axes.plot([], [], "o", color="0.2", markerfacecolor=colour, markersize=4, label=label)
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.04), ncols=2, title="accuracies:",
                alignment="left", title_fontsize="medium")
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -1.1))
    axes.axis("off")


def accuracy_points(axes: Axes, table: pd.DataFrame, entries: Mapping[str, NetworkEntry],
                    n_test: int) -> None:
    """Draw accuracies of the k-nearest-neighbour (filled) and linear (open) probes; dotted: chance.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `helpers.selectivity.linear_probes.probe_accuracies`, rows from top to bottom.
    entries : mapping of str to NetworkEntry
        Of the rows that are networks.
    n_test : int
        Images tested, for exact 95 % binomial intervals.
    """
    for column, shift, is_filled in (("knn", -0.17, True), ("linear", 0.17, False)):
        for row, (name, value) in enumerate(table[column].items()):
            colour, marker = _colour_and_marker(name, entries)
            axes.hlines(row + shift, *proportion_interval(round(value * n_test), n_test),
                        color=colour, linewidth=0.9)
            axes.plot(value, row + shift, marker, color=colour, markersize=4, markeredgewidth=0.9,
                      markerfacecolor=colour if is_filled else "white")
    chance = table["chance"].iloc[0]
    axes.axvline(chance, color="k", linestyle=":", linewidth=0.8)
    axes.text(chance + 0.015, -1.05, f"chance {chance:.0%}", ha="left", va="top")
    for row in range(len(table)):
        axes.axhline(row + 0.5, color="0.9", linewidth=0.5, zorder=0)
    axes.set(xlim=(0, 1), ylim=(len(table) - 0.4, -1.1), yticks=[],
             xlabel=f"accuracy (n = {n_test:,} images)")
    axes.spines["left"].set_visible(False)
    style.percent_axis(axes.xaxis)


def level_deviations(axes: Axes, levels: pd.DataFrame, domains: Sequence[str],
                     allowed: float) -> None:
    """Draw how far luminance (filled) and contrast (open) of each domain are from the mean domain.

    Parameters
    ----------
    axes : Axes
    levels : DataFrame
        Of `helpers.selectivity.linear_probes.luminance_and_contrast`, values from 0 to 1.
    domains : sequence of str
    allowed : float
        Largest difference between domains, on values from 0 to 1: a grey band.
    """
    axes.axhspan(-allowed * GREY_LEVELS / 2, allowed * GREY_LEVELS / 2, color="0.92", linewidth=0)
    axes.axhline(0, color="0.4", linestyle=":", linewidth=0.7)
    for column, shift, is_filled in (("luminance", -0.15, True), ("contrast", 0.15, False)):
        means = levels.groupby("domain")[column].mean() * GREY_LEVELS
        sd = levels.groupby("domain")[column].std() * GREY_LEVELS
        centre = means[list(domains)].mean()
        for x, domain in enumerate(domains):
            axes.errorbar(x + shift, means[domain] - centre, sd[domain], fmt=style.MARKERS[domain],
                          color=style.COLOURS[domain], markersize=4.5, linewidth=0.9,
                          markerfacecolor=style.COLOURS[domain] if is_filled else "white")
    limit = 1.25 * max(allowed * GREY_LEVELS / 2, *np.abs(axes.get_ylim()))
    axes.set_xticks(range(len(domains)), [
        f"{style.display_name(d)}\n{(levels['domain'] == d).sum()}" for d in domains])
    axes.set(ylim=(-limit, limit), xlabel="domain, number of images",
             ylabel="difference from the\nmean domain (grey levels)")


def region_dots(axes: Axes, table: pd.DataFrame, value: str, rois: Sequence[str]) -> None:
    """Draw one dot per participant and region, and the region's median.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Of `helpers.encoding.cohort_responses.roi_table`.
    value : str
        Its column on the y axis.
    rois : sequence of str
        In order; coloured by the domain that they prefer.
    """
    jitter = np.random.default_rng(0)
    labels = []
    for x, roi in enumerate(rois):
        rows = table[(table["roi"] == roi) & (table["n_vertices"] > 0)]
        values, domain = rows[value].dropna(), domain_of(roi)
        axes.plot(x + jitter.uniform(-0.2, 0.2, len(values)), values, linestyle="none",
                  marker=style.MARKERS.get(domain, "o"), color=style.COLOURS.get(domain, "0.4"),
                  markersize=3, alpha=0.75)
        if len(values):
            axes.hlines(values.median(), x - 0.35, x + 0.35, color="k", linewidth=1, zorder=3)
        labels.append(f"{roi} ({len(values)})")
    axes.set_xticks(range(len(rois)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_xlabel("region (number of participants)")
