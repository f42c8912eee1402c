"""Schematic of a notebook: what goes in, through which system, into which statistic, into which
panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, Polygon, Rectangle
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from helpers.core.provenance import Provenance
from helpers.figures.style import COLOURS, FORMULA, MIN_POINTS, SEQUENTIAL, new_figure, show_figure

Icon = Callable[[Axes], None]
"""Draws into axes from 0 to 1 in both directions."""

HEIGHT = 1.55
INK = "0.25"


@dataclass(frozen=True)
class Step:
    """One step of a schematic.

    Attributes
    ----------
    title : str
        Two or three words, above the drawing.
    icon : callable
        Draws into axes from 0 to 1: `images`, `network`, `brain`, `formula`, `bars`, `matrix`,
        `points` or `curve`.
    detail : str
        One or two short lines below the drawing: sizes, the unit, the letter of the panel.
    """

    title: str
    icon: Icon
    detail: str = ""


def draw_schematic(steps: Sequence[Step], provenance: Provenance, alt: str) -> None:
    """Draw three to five steps in a row, joined by arrows, and display them.

    Parameters
    ----------
    steps : sequence of Step
    provenance : Provenance
        REAL or SYNTHETIC is marked at the lower edge.
    alt : str
        The same in words, for readers who do not see it.
    """
    figure = new_figure(HEIGHT, alt)
    axes = figure.subplots(1, len(steps), gridspec_kw={
        "wspace": 0.38, "left": 0.02, "right": 0.98, "top": 0.84, "bottom": 0.24})
    for panel, step in zip(axes, steps):
        panel.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        panel.set_title(step.title, pad=4, fontweight="bold")
        panel.set_xlabel(step.detail, labelpad=3)
        panel.spines[:].set_visible(False)
        step.icon(panel)
    for left, right in zip(axes, axes[1:]):
        begin, end = left.get_position(), right.get_position()
        height = (begin.y0 + begin.y1) / 2
        figure.add_artist(FancyArrowPatch(
            (begin.x1 + 0.008, height), (end.x0 - 0.008, height), transform=figure.transFigure,
            arrowstyle="-|>", mutation_scale=9, linewidth=1, color=INK, shrinkA=0, shrinkB=0))
    figure.text(0.995, 0.01, f"schematic · {provenance.data_kind} data", ha="right", va="bottom",
                fontsize=MIN_POINTS, color="0.45")
    show_figure(figure)


def images(examples: Sequence[Image.Image]) -> Icon:
    """Show up to four images, two in a row."""
    def draw(axes: Axes) -> None:
        box = axes.get_position()
        ratio = box.width * axes.figure.get_figwidth() / (box.height * axes.figure.get_figheight())
        height = 0.48
        width = height / ratio
        for number, example in enumerate(examples[:4]):
            x = 0.5 + (number % 2 - 1) * (width + 0.02) + 0.01
            y = (1 - number // 2) * 0.52
            axes.imshow(np.asarray(example.convert("RGB")), extent=(x, x + width, y, y + height),
                        aspect="auto", interpolation="antialiased")
        axes.set(xlim=(0, 1), ylim=(0, 1))
    return draw


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Turn pixels, uint8 (3, height, width), as networks get them, into an image."""
    return Image.fromarray(np.moveaxis(pixels, 0, -1))


def network(n_layers: int = 5, selected: Sequence[int] = (), colour: str = COLOURS["faces"]
            ) -> Icon:
    """Draw a feed-forward network as slabs; ``selected`` layers carry marked units."""
    def draw(axes: Axes) -> None:
        rng = np.random.default_rng(0)
        width = 0.8 / n_layers
        for layer in range(n_layers):
            x, height = 0.08 + layer * width * 1.1, 0.9 - 0.55 * layer / max(n_layers - 1, 1)
            axes.add_patch(Rectangle((x, 0.5 - height / 2), width * 0.6, height, facecolor="0.85",
                                     edgecolor=INK, linewidth=0.7))
            if layer in selected:
                axes.plot(np.full(3, x + width * 0.3), 0.5 + height * (rng.random(3) - 0.5) * 0.8,
                          "o", color=colour, markersize=3.5)
    return draw


def brain(regions: Sequence[tuple[float, float, str]] = ((0.68, 0.32, COLOURS["faces"]),)) -> Icon:
    """Draw a hemisphere from the side; each region is its x, y (0 to 1) and a colour."""
    def draw(axes: Axes) -> None:
        outline = np.array([(.06, .42), (.08, .66), (.22, .86), (.45, .95), (.7, .9), (.88, .72),
                            (.94, .5), (.88, .34), (.74, .27), (.6, .2), (.42, .14), (.3, .2),
                            (.24, .32), (.14, .32)])
        axes.add_patch(Polygon(outline, closed=True, facecolor="0.9", edgecolor=INK, linewidth=1,
                               joinstyle="round"))
        axes.plot([.24, .42, .62, .72], [.4, .5, .56, .62], color="0.65", linewidth=1)
        axes.plot([.45, .5, .5], [.93, .8, .62], color="0.65", linewidth=1)
        for x, y, colour in regions:
            axes.add_patch(Ellipse((x, y), 0.13, 0.12, facecolor=colour, edgecolor="white",
                                   linewidth=0.6, zorder=3))
    return draw


def formula(*lines: str) -> Icon:
    """Write one to three lines of mathematics."""
    def draw(axes: Axes) -> None:
        for number, line in enumerate(lines):
            axes.text(0.5, (len(lines) - number - 0.5) / len(lines), line, ha="center", va="center",
                      fontsize=9, gid=FORMULA)
    return draw


def bars(values: Sequence[float], colours: Sequence[str], chance: float | None = None) -> Icon:
    """Draw a small bar chart, values from 0 to 1; ``chance`` is a dotted line."""
    def draw(axes: Axes) -> None:
        x = (np.arange(len(values)) + 0.5) / len(values)
        axes.bar(x, np.asarray(values) * 0.9, 0.7 / len(values), color=list(colours))
        if chance is not None:
            axes.axhline(chance * 0.9, color=INK, linestyle=":", linewidth=0.9)
        _frame(axes)
    return draw


def matrix(values: ArrayLike) -> Icon:
    """Draw a small matrix in colours."""
    def draw(axes: Axes) -> None:
        axes.imshow(np.asarray(values), cmap=SEQUENTIAL, extent=(0.12, 0.88, 0, 1), aspect="auto")
        axes.set(xlim=(0, 1), ylim=(0, 1))
    return draw


def points(x: ArrayLike, y: ArrayLike, colours: Sequence[str] | str = INK) -> Icon:
    """Draw a scatter of points, coordinates from 0 to 1."""
    def draw(axes: Axes) -> None:
        axes.scatter(x, y, c=colours, s=10, linewidths=0)
        _frame(axes)
    return draw


def curve(*lines: tuple[ArrayLike, ArrayLike, str]) -> Icon:
    """Draw curves; each is its x and y (0 to 1) and a colour."""
    def draw(axes: Axes) -> None:
        for x, y, colour in lines:
            axes.plot(x, y, color=colour)
        _frame(axes)
    return draw


def _frame(axes: Axes) -> None:
    axes.spines[["left", "bottom"]].set_visible(True)
    axes.set(xlim=(0, 1), ylim=(0, 1))
