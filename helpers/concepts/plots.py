"""Panels of notebooks 11 and 12: cards of shared concepts, and tests of the clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.tri import Triangulation
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import leaves_list, linkage

from helpers.brains.surfaces import Surface
from helpers.concepts.merge_tree import Persistence

SUBJECT_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown",
                   "tab:pink", "tab:olive")
"""Colours of participants, as in the authors' maps."""
THUMBNAIL_SIZE = 64
"""Pixels of an image on a card."""
Place = tuple[str, str]
"""Participant and hemisphere."""


def _all_flat(surfaces: Mapping[Place, Surface]) -> bool:
    return all(surface.flat for surface in surfaces.values())


def map_axes(surfaces: Mapping[Place, Surface]) -> dict[str, str]:
    """Return keyword arguments for the axes of `concept_map`: 3-D for folded surfaces."""
    return {} if _all_flat(surfaces) else {"projection": "3d"}


def concept_map(axes: Axes, surfaces: Mapping[Place, Surface], vertices: Mapping[Place, NDArray],
                subjects: Sequence[str]) -> None:
    """Draw a concept's voxels on the cortical surface.

    Flat maps of all participants are superimposed, a dot for each voxel and a colour for each
    participant, as in the authors' maps. Of folded surfaces only the one with most voxels is drawn,
    in ventral view.

    Parameters
    ----------
    axes : Axes
        With `map_axes`.
    surfaces : dict
        Empty: nothing is drawn.
    vertices : dict
        The concept's vertices, numbered as in the cohort.
    subjects : sequence of str
        All participants, in the order of `SUBJECT_COLOURS`.
    """
    colour = {subject: SUBJECT_COLOURS[number % len(SUBJECT_COLOURS)]
              for number, subject in enumerate(subjects)}
    known = {place: vertex for place, vertex in vertices.items() if place in surfaces}
    axes.axis("off")
    if not _all_flat(surfaces):
        largest = max(known, key=lambda place: len(known[place]), default=None)
        if largest:
            _folded(axes, surfaces[largest], known[largest], colour[largest[0]])
        return
    for surface in [surface for (subject, _), surface in surfaces.items()
                    if subject == subjects[0]]:
        across, along = _extent(surface)
        mesh = Triangulation(surface.points[:, across], surface.points[:, along], surface.faces)
        axes.triplot(mesh, color="0.88", linewidth=0.12, zorder=0)
    for (subject, side), vertex in known.items():
        surface = surfaces[subject, side]
        place = surface.points[surface.place[vertex]][:, _extent(surface)]
        axes.scatter(*place.T, s=2.5, alpha=0.75, linewidths=0, color=colour[subject])
    axes.set_aspect("equal")


def _extent(surface: Surface) -> list[int]:
    """Return the two axes in which a flat map extends, the shorter one first."""
    return np.argsort(np.ptp(surface.points, axis=0), kind="stable")[1:].tolist()


def _folded(axes: Axes, surface: Surface, vertex: NDArray, colour: str) -> None:
    # Imported here because the import takes seconds and few maps need it.
    from matplotlib.colors import ListedColormap
    from nilearn.plotting import plot_surf_roi
    mask = np.zeros(len(surface.points))
    mask[surface.place[vertex]] = 1
    plot_surf_roi([surface.points, surface.faces], mask, axes=axes, view=(-45, -90),
                  cmap=ListedColormap(["0.85", colour]), vmin=0, vmax=1, colorbar=False)


def count_bars(axes: Axes, counts: Sequence[int], subjects: Sequence[str]) -> None:
    """Plot the number of a concept's voxels in each participant."""
    axes.barh(range(len(subjects)), counts, color=SUBJECT_COLOURS[:len(subjects)])
    axes.set_yticks(range(len(subjects)), subjects, fontsize=4.5)
    axes.invert_yaxis()
    for place, count in enumerate(counts):
        axes.text(count, place, f" {count}", fontsize=4.5, va="center")
    axes.set_xlim(0, 1.3 * max(1, *counts))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def image_strip(axes: Axes, images: Sequence[Image.Image], n_columns: int, colour: str) -> None:
    """Show thumbnails of images in rows, in a coloured frame."""
    n_rows = -(-len(images) // n_columns)
    canvas = np.full((n_rows * THUMBNAIL_SIZE, n_columns * THUMBNAIL_SIZE, 3), 255, np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, n_columns)
        canvas[row * THUMBNAIL_SIZE:(row + 1) * THUMBNAIL_SIZE - 2,
               column * THUMBNAIL_SIZE:(column + 1) * THUMBNAIL_SIZE - 2] = (
            image.convert("RGB").resize((THUMBNAIL_SIZE - 2, THUMBNAIL_SIZE - 2)))
    axes.imshow(canvas, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.2)


def word_list(axes: Axes, most: Sequence[str], least: Sequence[str],
              objects: Sequence[str]) -> None:
    """Write objects (black), and the most (green) and least (red) associated words."""
    axes.axis("off")
    for y, words, colour in ((1, objects, "k"), (0.68, most, "tab:green"),
                             (0.3, least, "tab:red")):
        axes.text(0, y, fill(", ".join(words), 34), fontsize=5, color=colour, va="top",
                  transform=axes.transAxes, linespacing=1.15)


def persistence_bars(axes: Axes, persistence: Persistence, *, longest: int = 60) -> None:
    """Plot a persistence barcode: a line for each cluster from birth to merger, longest first.

    Parameters
    ----------
    axes : Axes
    persistence : Persistence
    longest : int
        Number of clusters.
    """
    end = np.where(np.isfinite(persistence.ended), persistence.ended, persistence.born.max() * 1.1)
    order = np.argsort(persistence.born - end, kind="stable")[:longest]
    size = np.log10(np.maximum(persistence.n_core[order], 1))
    axes.hlines(np.arange(len(order)), persistence.born[order], end[order], colors="0.35",
                linewidth=0.4 + size / 1.5)
    axes.set(ylim=(len(order), -1), xlabel="eps, cosine distance")
    axes.set_yticks([])


def null_lines(axes: Axes, eps: Sequence[float], observed: Sequence[float],
               nulls: Mapping[str, NDArray], selected: float,
               n_concepts: Sequence[int] = ()) -> None:
    """Plot observed counts against eps, with mean and 95 % range of each null model.

    Parameters
    ----------
    axes : Axes
    eps, observed : sequences of float, length n_eps
    nulls : dict, name -> array, float, shape (n_draws, n_eps)
    selected : float
        Radius that is marked by a dotted line.
    n_concepts : sequence of int, length n_eps, optional
        Written above the observed counts.
    """
    axes.plot(eps, observed, "o-", color="tab:blue", markersize=2.5, linewidth=1, label="found")
    for (name, values), colour in zip(nulls.items(), ("0.35", "tab:red")):
        axes.fill_between(eps, *np.percentile(values, [2.5, 97.5], axis=0), color=colour, alpha=0.3,
                          linewidth=0)
        axes.plot(eps, values.mean(0), color=colour, linewidth=0.8, label=name)
    for place, value, n in zip(eps, observed, n_concepts):
        axes.annotate(f"{n}", (place, value), (0, 3), textcoords="offset points", fontsize=5,
                      ha="center")
    axes.axvline(selected, color="k", linestyle=":", linewidth=0.8)
    axes.set(xlabel="eps, cosine distance", ylim=(-0.5, 1.6 * max(1, *observed)))


def replication_dots(axes: Axes, groups: Mapping[str, Sequence[float]]) -> None:
    """Plot a dot for each participant (or half of the images), and the mean, by analysis."""
    for place, values in enumerate(groups.values()):
        values = pd.Series(list(values), dtype=float)
        offset = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(place + offset, values, "o", color="tab:blue", markersize=2.5)
        axes.hlines(values.mean(), place - 0.3, place + 0.3, color="k", linewidth=1)
    axes.set_xticks(range(len(groups)), list(groups), fontsize=5.5)
    axes.set_ylim(top=1.05)


def cosine_matrix(axes: Axes, similarity: NDArray) -> None:
    """Show the cosine similarity of centroids, ordered by hierarchical clustering."""
    if len(similarity) > 2:
        order = leaves_list(linkage(similarity, "average", optimal_ordering=True))
    else:
        order = np.arange(len(similarity))
    if len(similarity):
        axes.imshow(similarity[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(order)), order, fontsize=4.5)
    axes.set_yticks(range(len(order)), order, fontsize=4.5)
    axes.set_title("cosines of centroids, -1 (blue) to 1 (red)", fontsize=6.5)
    axes.tick_params(length=0)


def level_lines(axes: Axes, table: pd.DataFrame) -> None:
    """Plot each concept's mean response to the nearest, all and the farthest images.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``most, usual, least``, indexed by concept.
    """
    x = np.arange(len(table))
    if len(table):
        axes.vlines(x, table["least"].astype(float), table["most"].astype(float), color="0.7",
                    linewidth=1)
        for column, marker, colour in (("most", "^", "tab:green"), ("usual", "_", "k"),
                                       ("least", "v", "tab:red")):
            axes.plot(x, table[column].astype(float), marker, color=colour, markersize=4)
    axes.axhline(0, color="k", linestyle=":", linewidth=0.7)
    axes.set_xticks(x, table.index, fontsize=5)
    axes.set_xlabel("concept")


def ground_truth_matrix(axes: Axes, table: pd.DataFrame) -> None:
    """Show the fraction of each ground-truth concept's voxels in each cluster."""
    fraction = table.div(table.sum(axis=1), axis=0)
    axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(table.columns)), table.columns, fontsize=4.5)
    axes.set_yticks(range(len(table)), table.index, fontsize=5)
    axes.set_xlabel("cluster")
    axes.tick_params(length=0)
