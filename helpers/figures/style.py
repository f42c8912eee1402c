"""One family of figures: palette, panels, and saving with provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance
from helpers.stimuli.image_sets import ImageSet

WIDTH = 7.2
"""Inches of a full-width figure; half width is 3.5."""

COLOURS = {"faces": "tomato", "bodies": "dodgerblue", "objects": "orange", "scenes": "limegreen",
           "characters": "purple", "scrambled": "grey", "rest": "0.9"}
MARKERS = {"faces": "o", "bodies": "s", "objects": "v", "scenes": "^", "characters": "D",
           "scrambled": "x"}
HATCHES = {"faces": "", "bodies": "////", "objects": "....", "scenes": "\\\\\\\\",
           "characters": "xxxx", "rest": ""}
DISPLAY_NAMES = {"characters": "words"}
"""Names that the paper's figures use instead of ours."""


def use_style() -> None:
    """Switch to the house style (one file, ``lab.mplstyle``)."""
    plt.style.use(Path(__file__).with_name("lab.mplstyle"))


def new_figure(height: float) -> Figure:
    """Begin a full-width figure of some inches of height.

    It is drawn over several cells, so pyplot must not show it half-made after the first: end
    the last cell with the figure itself.
    """
    figure = plt.figure(figsize=(WIDTH, height))
    plt.close(figure)
    return figure


def display_name(domain: str) -> str:
    """Return the word by which figures call a domain."""
    return DISPLAY_NAMES.get(domain, domain)


def panel_letter(axes: Axes, letter: str, *, x: float = -0.02, y: float = 1.04) -> None:
    """Put a bold letter at the upper left of a panel (in axes coordinates)."""
    axes.text(x, y, letter, transform=axes.transAxes, fontsize=9, fontweight="bold",
              ha="right", va="bottom")


def label_layers(axes: Axes, layers: Sequence[str], *, max_labels: int = 8) -> None:
    """Name layers on the x axis, thinned until they fit.

    The layers that learn (conv, fc) are named; where names are module paths (``features.3.…``),
    the first layer of each block.
    """
    named = {i: layer for i, layer in enumerate(layers) if layer.startswith(("conv", "fc"))}
    if len(named) < 2:
        blocks = [".".join(layer.split(".")[:2]) for layer in layers]
        named = {blocks.index(block): block for block in dict.fromkeys(blocks)}
    step = -(-len(named) // max_labels)
    axes.set_xticks(list(named)[::step], list(named.values())[::step], rotation=60, ha="right",
                    rotation_mode="anchor")


def image_grid(axes: Axes, images: ImageSet, categories: Sequence[str], n: int) -> None:
    """Show the first ``n`` images of each category, one row per category."""
    side = 72
    canvas = np.full((len(categories) * side, n * side, 3), 255, np.uint8)
    for row, category in enumerate(categories):
        image_idx = [i for i, c in enumerate(images.categories) if c == category][:n]
        for column, index in enumerate(image_idx):
            thumbnail = images.open(index).resize((side - 2, side - 2))
            canvas[row * side:(row + 1) * side - 2, column * side:(column
                                                                   + 1) * side - 2] = thumbnail
    axes.imshow(canvas, interpolation="antialiased", aspect="equal")
    axes.set_yticks((np.arange(len(categories)) + 0.5) * side, categories)
    axes.set_xticks([])
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)


def domain_legend(figure: Figure, domains: Sequence[str], *, loc: str = "upper center") -> None:
    """Put one legend of colours and markers along an edge of the figure."""
    top_legend(figure, [plt.Line2D([], [], color=COLOURS[d], marker=MARKERS[d], markersize=4,
                                   label=display_name(d)) for d in domains], loc=loc,
               columnspacing=2.5)


def top_legend(figure: Figure, handles: Sequence[Artist], *, loc: str = "upper center",
               ncols: int = 0, columnspacing: float = 1.4) -> None:
    """Put a legend along an edge of the figure, in one row unless ``ncols`` are asked for."""
    figure.legend(handles=handles, loc=loc, ncols=ncols or len(handles),
                  columnspacing=columnspacing)


def percent_axis(axis: Axis) -> None:
    """Write the ticks of an axis of shares in percent."""
    axis.set_major_formatter(lambda fraction, _position: f"{100 * fraction:g}%")


def save_figure(figure: Figure, provenance: Provenance,
                panels: dict[str, pd.DataFrame] | None = None) -> Path:
    """Write the figure as PNG and PDF, and one tidy CSV per panel, under the notebook's stem.

    The stamp at the lower edge says profile, REAL or SYNTHETIC, seed, device and code; the same
    stands in the files' metadata. Dates are left out, so equal figures are equal files. Infinite
    values cannot be drawn: their number by panel stands beside the stamp, and they in the CSV.

    Returns
    -------
    Path of the PNG.
    """
    folder, stem = figures_dir(provenance.profile), provenance.notebook
    figure.text(0.995, 0.004, f"{stem} · {provenance.line}", ha="right", va="bottom",
                fontsize=5, color="0.45")
    n_infinite = {panel: int(np.isinf(table.select_dtypes("number").to_numpy(float)).sum())
                  for panel, table in (panels or {}).items()}
    if any(n_infinite.values()):
        figure.text(0.005, 0.004, "infinite, not drawn: " + ", ".join(
            f"{n} in {panel}" for panel, n in n_infinite.items() if n), va="bottom", fontsize=5)
    metadata = {"Title": stem, "Creator": provenance.line}
    atomic_write(folder / f"{stem}.pdf", lambda part: figure.savefig(
        part, metadata={**metadata, "CreationDate": None, "ModDate": None, "Producer": None}))
    png = atomic_write(folder / f"{stem}.png", lambda part: figure.savefig(
        part, metadata={"Title": stem, "Description": provenance.line, "Software": None}))
    for panel, table in (panels or {}).items():
        atomic_write(folder / f"{stem}-{panel}.csv", lambda part, table=table: table.to_csv(
            part, index=False, float_format="%.4g", lineterminator="\n"))
    return png
