"""Style of all figures: palette, names, legends, and saving with provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance

WIDTH = 7.2
"""Inches of a full-width figure; half width is 3.5."""

COLOURS = {"faces": "tomato", "bodies": "dodgerblue", "objects": "orange", "scenes": "limegreen",
           "characters": "purple", "scrambled": "grey", "rest": "0.9"}
MARKERS = {"faces": "o", "bodies": "s", "objects": "v", "scenes": "^", "characters": "D",
           "scrambled": "x"}
HATCHES = {"faces": "", "bodies": "////", "objects": "....", "scenes": "\\\\\\\\",
           "characters": "xxxx", "rest": ""}
DISPLAY_NAMES = {"characters": "words"}
"""Domain -> its name in figures, where the papers' figures use another one."""


def use_style() -> None:
    """Use the style sheet ``lab.mplstyle``."""
    plt.style.use(Path(__file__).with_name("lab.mplstyle"))


def new_figure(height: float) -> Figure:
    """Return an empty full-width figure, ``height`` inches high.

    It is drawn over several cells and closed here, so that a notebook does not display it
    unfinished after the first: end the last cell with the figure itself.
    """
    figure = plt.figure(figsize=(WIDTH, height))
    plt.close(figure)
    return figure


def display_name(domain: str) -> str:
    """Return the name of a domain in figures."""
    return DISPLAY_NAMES.get(domain, domain)


def panel_letter(axes: Axes, letter: str, *, x: float = -0.02, y: float = 1.04) -> None:
    """Draw a bold letter at the upper left of a panel (in axes coordinates)."""
    axes.text(x, y, letter, transform=axes.transAxes, fontsize=9, fontweight="bold",
              ha="right", va="bottom")


def label_layers(axes: Axes, layers: Sequence[str], *, max_labels: int = 8) -> None:
    """Label at most ``max_labels`` layers on the x axis.

    Layers with weights (conv, fc) are labelled; where names are module paths (``features.3.…``),
    the first layer of each block.
    """
    named = {i: layer for i, layer in enumerate(layers) if layer.startswith(("conv", "fc"))}
    if len(named) < 2:
        blocks = [".".join(layer.split(".")[:2]) for layer in layers]
        named = {blocks.index(block): block for block in dict.fromkeys(blocks)}
    step = -(-len(named) // max_labels)
    axes.set_xticks(list(named)[::step], list(named.values())[::step], rotation=60, ha="right",
                    rotation_mode="anchor")


def domain_legend(figure: Figure, domains: Sequence[str], *, loc: str = "upper center") -> None:
    """Draw one legend of domains, colours and markers, along an edge of the figure."""
    top_legend(figure, [plt.Line2D([], [], color=COLOURS[d], marker=MARKERS[d], markersize=4,
                                   label=display_name(d)) for d in domains], loc=loc,
               columnspacing=2.5)


def top_legend(figure: Figure, handles: Sequence[Artist], *, loc: str = "upper center",
               ncols: int = 0, columnspacing: float = 1.4) -> None:
    """Draw a legend along an edge of the figure, in one row unless ``ncols`` is given."""
    figure.legend(handles=handles, loc=loc, ncols=ncols or len(handles),
                  columnspacing=columnspacing)


def percent_axis(axis: Axis) -> None:
    """Write the ticks of an axis of proportions in percent."""
    axis.set_major_formatter(lambda fraction, _position: f"{100 * fraction:g}%")


def save_figure(figure: Figure, provenance: Provenance,
                panels: dict[str, pd.DataFrame] | None = None) -> Path:
    """Write the figure as PNG and PDF, and one tidy CSV per panel, under the notebook's stem.

    The stamp at the lower edge states profile, REAL or SYNTHETIC, seed, device and code; so do the
    files' metadata. Dates are left out, so equal figures are equal files. Infinite values cannot be
    drawn: their number by panel is written beside the stamp, the values themselves in the CSV.

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
