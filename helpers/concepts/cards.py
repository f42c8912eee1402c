"""Cards of shared concepts: where each lies, in whom, and which images and words go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from helpers.brains.rois import DOMAINS, FAMILIES
from helpers.brains.surfaces import Surface, read_surface
from helpers.concepts.clustering import Clusters
from helpers.concepts.study import ConceptStudy
from helpers.figures import style
from helpers.figures.flat_maps import draw_sheet, flat_points

THUMBNAIL_SIZE = 64
"""Pixels of an image on a card."""
COLUMNS = 3
"""Images in a row of a card."""
ROW, HEAD = 1.0, 0.74
"""Inches of one card, and of the head of the figure."""
WIDTHS = [1.05, 0.42, 0.75, 0.1, 1.3, 0.12, 1.3, 0.18, 1.7]
"""Of the five columns of a card, and of the gaps between them."""
EARLY = "early visual"
GROUPS = {EARLY: FAMILIES["prf-visualrois"]} | {
    domain: FAMILIES[family] for family, domain in DOMAINS.items()}
"""Outlined group of regions -> its regions."""
OUTLINES = {EARLY: "0.35"} | {domain: style.COLOURS[domain] for domain in DOMAINS.values()}
BARS = "0.35"
PARTICIPANT_COLOURS = colormaps[f"{style.SEQUENTIAL}_r"]
"""Number of participants -> colour: dark where many have a voxel."""
Place = tuple[str, str]
"""Participant and hemisphere."""
Vertices = Mapping[Place, NDArray[np.int64]]


@dataclass(frozen=True)
class Cortex:
    """The sheets on which concepts are drawn.

    Attributes
    ----------
    subjects : tuple of str
        All participants.
    surfaces : mapping, (participant, hemisphere) -> Surface
        Empty: nothing is drawn.
    outlines : mapping, (hemisphere, group) -> array, float, shape (n_points,)
        Fraction of participants in whose regions of the group (`GROUPS`) a point lies, on the flat
        sheet of the first participant. Empty: no outlines.
    """

    subjects: tuple[str, ...]
    surfaces: Mapping[Place, Surface]
    outlines: Mapping[tuple[str, str], NDArray[np.float64]]

    @property
    def flat(self) -> bool:
        """Tell whether all sheets are flat maps."""
        return all(surface.flat for surface in self.surfaces.values())


@dataclass(frozen=True)
class Card:
    """What is shown of one concept.

    Attributes
    ----------
    title : str
    vertices : mapping, (participant, hemisphere) -> array of int
    counts : sequence of int, length n_participants
        Voxels that are shown, by participant.
    nearest, farthest : sequences of images
        Those with the embeddings most and least similar to the centroid.
    objects, near_words, far_words : sequences of str
    """

    title: str
    vertices: Vertices
    counts: Sequence[int]
    nearest: Sequence[Image.Image] = ()
    farthest: Sequence[Image.Image] = ()
    objects: Sequence[str] = ()
    near_words: Sequence[str] = ()
    far_words: Sequence[str] = ()


def open_cortex(study: ConceptStudy) -> Cortex:
    """Read the participants' sheets, and where their regions lie on flat ones."""
    surfaces = {(subject, side): surface for subject in study.subjects for side in ("lh", "rh")
                if (surface := read_surface(study.decoding.cohort, subject, side)) is not None}
    flat = all(surface.flat for surface in surfaces.values())
    return Cortex(study.subjects, surfaces, _outlines(study, surfaces) if flat else {})


def _outlines(study: ConceptStudy, surfaces: Mapping[Place, Surface]) -> dict:
    first, found = study.subjects[0], {}
    for side in {side for _, side in surfaces}:
        n_points = len(surfaces[first, side].points)
        own = [subject for subject in study.subjects
               if len(surfaces[subject, side].points) == n_points]
        for group, names in GROUPS.items():
            inside = np.zeros((len(own), n_points))
            for row, subject in zip(inside, own):
                trials = study.decoding.trials(subject)
                here = trials.in_regions(names) & (trials.hemisphere == side)
                row[surfaces[subject, side].place[trials.vertex[here]]] = 1
            found[side, group] = _smooth(inside.mean(0), surfaces[first, side].faces)
    return found


def _smooth(values: NDArray, faces: NDArray) -> NDArray[np.float64]:
    """Average over the triangles of each point, so that single vertices have no outline."""
    of_face = np.repeat(values[faces].mean(1), 3)
    n = np.bincount(faces.ravel(), minlength=len(values))
    return np.bincount(faces.ravel(), of_face, len(values)) / np.maximum(n, 1)


def member_vertices(study: ConceptStudy, clusters: Clusters, concept: int) -> dict[Place, NDArray]:
    """Return the vertices of a concept's members, before the expansion, at any radius."""
    return study.vertices_of([np.flatnonzero(labels == concept) for labels in clusters.labels])


def concept_map(axes: Axes, cortex: Cortex, vertices: Vertices, *, size: float = 4.0) -> None:
    """Draw a concept's voxels on the cortical surface.

    Flat maps of all participants are superimposed: a dot's colour is the number of participants
    who have a voxel there; lines enclose regions of at least half of them. Of folded surfaces only
    the one with most voxels is drawn, in ventral view.

    Parameters
    ----------
    axes : Axes
        With the keyword arguments of `map_axes`.
    cortex : Cortex
    vertices : mapping, (participant, hemisphere) -> array of int
        Numbered as in the cohort.
    size : float
        Area of a dot, square points.
    """
    known = {place: vertex for place, vertex in vertices.items() if place in cortex.surfaces}
    axes.axis("off")
    if not cortex.flat:
        largest = max(known, key=lambda place: len(known[place]), default=None)
        if largest:
            _folded(axes, cortex.surfaces[largest], known[largest])
        return
    for (subject, side), surface in cortex.surfaces.items():
        if subject == cortex.subjects[0]:
            draw_sheet(axes, surface)
            _outline_groups(axes, surface, side, cortex)
    places = [flat_points(cortex.surfaces[place])[cortex.surfaces[place].place[vertex]]
              for place, vertex in known.items()]
    if places:
        spots, n = np.unique(np.concatenate(places).round(3), axis=0, return_counts=True)
        order = np.argsort(n, kind="stable")
        axes.scatter(*spots[order].T, s=size, linewidths=0.2, edgecolors="0.4", c=n[order],
                     norm=participant_norm(len(cortex.subjects)), cmap=PARTICIPANT_COLOURS,
                     zorder=2)
    axes.autoscale()
    axes.set_aspect("equal")


def map_axes(cortex: Cortex) -> dict[str, str]:
    """Return keyword arguments for the axes of `concept_map`: 3-D for folded surfaces."""
    return {} if cortex.flat else {"projection": "3d"}


def participant_norm(n_subjects: int) -> BoundaryNorm:
    """Return the norm that maps 1 to ``n_subjects`` participants to colours."""
    return BoundaryNorm(np.arange(0.5, n_subjects + 1), PARTICIPANT_COLOURS.N)


def _outline_groups(axes: Axes, surface: Surface, side: str, cortex: Cortex) -> None:
    for (where, group), inside in cortex.outlines.items():
        if where == side and (inside >= 0.5).any() and (inside < 0.5).any():
            axes.tricontour(*flat_points(surface).T, surface.faces, inside, levels=[0.49],
                            colors=OUTLINES[group], linewidths=0.8, zorder=3)


def _folded(axes: Axes, surface: Surface, vertex: NDArray) -> None:
    # Imported here because the import takes seconds and few maps need it.
    from matplotlib.colors import ListedColormap
    from nilearn.plotting import plot_surf_roi
    mask = np.zeros(len(surface.points))
    mask[surface.place[vertex]] = 1
    plot_surf_roi([surface.points, surface.faces], mask, axes=axes, view=(-45, -90),
                  cmap=ListedColormap(["0.85", "0.15"]), vmin=0, vmax=1, colorbar=False)


def count_bars(axes: Axes, counts: Sequence[int], subjects: Sequence[str],
               chosen: Sequence[str] = ()) -> None:
    """Plot the number of a concept's voxels in each participant; ``chosen`` ones are darker."""
    colours = [BARS if not chosen or name in chosen else "0.8" for name in subjects]
    bars = axes.barh(range(len(subjects)), counts, color=colours)
    axes.bar_label(bars, [f" {count}" for count in counts], fontsize=style.MIN_POINTS)
    axes.set_yticks(range(len(subjects)), subjects, fontsize=style.MIN_POINTS)
    axes.set_ylim(len(subjects) - 0.4, -0.6)
    axes.set_xlim(0, 1.7 * max(1, *counts))
    axes.set_xticks([])
    axes.tick_params(length=0, pad=1)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def image_strip(axes: Axes, images: Sequence[Image.Image], n_columns: int = COLUMNS) -> None:
    """Show thumbnails of images in rows."""
    axes.axis("off")
    if not len(images):
        return
    size, n_rows = THUMBNAIL_SIZE, -(-len(images) // n_columns)
    canvas = Image.new("RGB", (n_columns * size, n_rows * size), "white")
    for place, image in enumerate(images):
        row, column = divmod(place, n_columns)
        canvas.paste(image.convert("RGB").resize((size - 2, size - 2)), (column * size, row * size))
    axes.imshow(canvas, interpolation="antialiased")


def word_list(axes: Axes, card: Card) -> None:
    """Write the objects of a card, and its nearest and farthest words."""
    axes.axis("off")
    lines = [("\n".join(card.objects), "normal")]
    lines += [(fill(f"{what}: {', '.join(words)}", 30), "italic")
              for what, words in (("near", card.near_words), ("far", card.far_words)) if len(words)]
    y = 1.0
    for text, slant in lines:
        axes.text(0, y, text, va="top", transform=axes.transAxes, linespacing=1.05,
                  fontsize=style.MIN_POINTS, fontstyle=slant)
        y -= 0.125 * (text.count("\n") + 1) + 0.06


def draw_cards(figure: Figure, cards: Sequence[Card], cortex: Cortex) -> None:
    """Draw cards in rows, with a legend of the maps above them.

    Parameters
    ----------
    figure : Figure
        Of the height `card_height`.
    cards : sequence of Card
    cortex : Cortex
    """
    height = figure.get_figheight()
    grid = figure.add_gridspec(
        max(1, len(cards)), 9, width_ratios=WIDTHS, hspace=0.22, wspace=0, left=0.005, right=0.995,
        top=1 - HEAD / height, bottom=0.2 / height)
    for row, card in enumerate(cards):
        axes = _draw_card(figure, [grid[row, column] for column in range(0, 9, 2)], card, cortex)
        if row == 0:
            titles = ("concept: where", "voxels", "nearest images", "farthest images",
                      "objects (AUC); words")
            for panel, title in zip(axes, titles):
                box = panel.get_position()
                figure.text((box.x0 + box.x1) / 2, 1 - 0.44 / height, title, ha="center",
                            va="center", fontweight="bold")
    map_legend(figure, cortex)


def card_height(n_cards: int) -> float:
    """Return the height, in inches, of a figure of some cards."""
    return HEAD + 0.2 + ROW * max(1, n_cards)


def _draw_card(figure: Figure, cells: Sequence[SubplotSpec], card: Card,
               cortex: Cortex) -> list[Axes]:
    where = figure.add_subplot(cells[0], **map_axes(cortex))
    others = [figure.add_subplot(cell) for cell in cells[1:]]
    concept_map(where, cortex, card.vertices)
    where.set_title(card.title, fontsize=style.MIN_POINTS, pad=2)
    count_bars(others[0], card.counts, cortex.subjects)
    image_strip(others[1], card.nearest)
    image_strip(others[2], card.farthest)
    word_list(others[3], card)
    return [where, *others]


def map_legend(figure: Figure, cortex: Cortex) -> None:
    """Draw the key of the maps along the upper edge: outlines, and the colours of dots."""
    height = figure.get_figheight()
    groups = [group for group in OUTLINES if any(name == group for _, name in cortex.outlines)]
    if groups:
        figure.legend(handles=[Line2D([], [], color=OUTLINES[group], linewidth=1.2,
                                      label=style.display_name(group)) for group in groups],
                      loc="upper left", ncols=len(groups), columnspacing=1.2, handlelength=1.2,
                      bbox_to_anchor=(0.0, 1.0))
    if cortex.surfaces and cortex.flat:
        bar = figure.add_axes((0.79, 1 - 0.2 / height, 0.2, 0.07 / height))
        n = len(cortex.subjects)
        figure.colorbar(ScalarMappable(participant_norm(n), PARTICIPANT_COLOURS), cax=bar,
                        orientation="horizontal",
                        ticks=sorted({1, (n + 1) // 2, n})).minorticks_off()
        bar.tick_params(length=0, pad=1, labelsize=style.MIN_POINTS)
        figure.text(0.78, 1 - 0.165 / height, "participants with a voxel there", ha="right",
                    va="center")


def explore_card(card: Card, cortex: Cortex, chosen: str) -> Figure:
    """Draw one concept large: map, voxels by participant, nearest images.

    Parameters
    ----------
    card : Card
    cortex : Cortex
    chosen : str
        Participant whose voxels the map shows; any other word: all.
    """
    names = [chosen] if chosen in cortex.subjects else []
    figure = style.new_figure(3.0, f"Flat map with outlines of regions and the voxels of one "
                              f"concept ({card.title}), bars of voxels by participant, and the six "
                              "nearest images.")
    grid = figure.add_gridspec(1, 3, width_ratios=[2.4, 1, 2.2], left=0.01, right=0.99, top=0.8,
                               bottom=0.06, wspace=0.18)
    axes = [figure.add_subplot(grid[0], **map_axes(cortex)),
            *(figure.add_subplot(grid[place]) for place in (1, 2))]
    concept_map(axes[0], cortex, {place: vertex for place, vertex in card.vertices.items()
                                  if not names or place[0] in names}, size=14)
    count_bars(axes[1], card.counts, cortex.subjects, names)
    image_strip(axes[2], card.nearest)
    for panel, title in zip(axes, (card.title, "voxels", "nearest images")):
        panel.set_title(title, pad=3)
    map_legend(figure, cortex)
    return figure
