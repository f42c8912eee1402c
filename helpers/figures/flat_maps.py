"""Cortical surfaces in figures: the sheet, and outlines and names of regions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from helpers.brains.surfaces import Surface
from helpers.figures.style import MIN_POINTS

OUTLINE = "0.25"
PLACES = {"above": (0, 1, "center", "bottom"), "below": (0, -1, "center", "top"),
          "left": (-1, 0, "right", "center"), "right": (1, 0, "left", "center")}
"""Where a name may stand -> its direction from the region, and its alignment."""


def flat_points(surface: Surface) -> NDArray[np.float64]:
    """Return the points of a flat map in its plane, (n_points, 2): across, along."""
    return surface.points[:, np.argsort(np.ptp(surface.points, axis=0), kind="stable")[1:]]


def draw_sheet(axes: Axes, surface: Surface, *, margin: float = 0.02,
               sulci: NDArray[np.bool_] | None = None) -> None:
    """Draw a flat map as a light grey sheet, with a margin as a fraction of its longer side.

    ``sulci``: one truth value a point, drawn in a darker grey.
    """
    points = flat_points(surface)
    grey = np.full(len(points), 0.05) if sulci is None else np.where(sulci, 0.2, 0.05)
    axes.tripcolor(Triangulation(*points.T, surface.faces), grey,
                   cmap="Greys", vmin=0, vmax=1, shading="gouraud", zorder=0)
    _set_limits(axes, points, margin)
    axes.set_aspect("equal")
    axes.axis("off")


def _set_limits(axes: Axes, points: NDArray[np.float64], margin: float) -> None:
    """Show some points, with a margin as a fraction of their longer side."""
    margin = margin * np.ptp(points, axis=0).max()
    (left, low), (right, high) = points.min(0) - margin, points.max(0) + margin
    axes.set(xlim=(left, right), ylim=(low, high))


def fill_regions(axes: Axes, surface: Surface, regions: Mapping[str, NDArray[np.int64]],
                 colours: Mapping[str, str]) -> None:
    """Colour the triangles of a flat map that have two corners or more in a region.

    Parameters
    ----------
    axes : Axes
    surface : Surface
    regions : mapping, name -> array of int
        As for `outline_regions`; where regions share triangles, the later one is drawn.
    colours : mapping, name -> colour
        Regions without a colour are left out.
    """
    points = flat_points(surface)
    for name, vertex in regions.items():
        n_corners = _inside(surface, surface.place[vertex])[surface.faces].sum(axis=1)
        if name in colours and (n_corners >= 2).any():
            axes.tripcolor(Triangulation(*points.T, surface.faces[n_corners >= 2]),
                           np.zeros(len(points)), cmap=ListedColormap([colours[name]]),
                           shading="flat", zorder=1)


def show_part(axes: Axes, surface: Surface, vertices: NDArray[np.int64], *,
              margin: float = 0.08) -> None:
    """Show the part of a flat map that holds some vertices, with a margin around it."""
    _set_limits(axes, flat_points(surface)[surface.place[vertices]], margin)


def outline_regions(axes: Axes, surface: Surface, regions: Mapping[str, NDArray[np.int64]], *,
                    names: bool = True, colour: str = OUTLINE) -> None:
    """Draw a line around every region, and write its name beside it.

    On a flat map after `draw_sheet`, each name where it covers fewest vertices; on a folded
    surface after nilearn has drawn it on three-dimensional axes.

    Parameters
    ----------
    axes : Axes
    surface : Surface
    regions : mapping, name -> array of int
        Vertices, by the cohort's numbers. Regions may share vertices; an empty one is left out.
    names : bool
    colour : str
    """
    places = {name: surface.place[vertex] for name, vertex in regions.items() if len(vertex)}
    if surface.flat:
        covered = {name: _outline_flat(axes, surface, place, colour)
                   for name, place in places.items()}
        if names and covered:
            _write_names(axes, covered)
        return
    for name, place in places.items():
        _outline_folded(axes, surface, place, colour)
        if names:
            axes.text(*surface.points[place].mean(0), name, fontsize=MIN_POINTS)


def _outline_flat(axes: Axes, surface: Surface, place: NDArray,
                  colour: str) -> NDArray[np.float64]:
    """Draw a line halfway to the next vertices; return the points of region and line."""
    points = flat_points(surface)
    line = axes.tricontour(Triangulation(*points.T, surface.faces), _inside(surface, place),
                           levels=[0.5], colors=colour, linewidths=0.7, zorder=3)
    return np.concatenate([points[place], *(path.vertices for path in line.get_paths())])


def _outline_folded(axes: Axes, surface: Surface, place: NDArray, colour: str) -> None:
    # Imported here: it takes seconds, and only maps of folded cortex use it.
    from nilearn.plotting import plot_surf_contours
    plot_surf_contours([surface.points, surface.faces], _inside(surface, place), levels=[1],
                       colors=[colour], axes=axes, figure=axes.figure)


def _inside(surface: Surface, place: NDArray) -> NDArray[np.float64]:
    return np.isin(np.arange(len(surface.points)), place).astype(float)


def _write_names(axes: Axes, regions: Mapping[str, NDArray]) -> None:
    """Write each name on the side of its region where it covers fewest points and names."""
    axes.apply_aspect()
    point = axes.figure.dpi / 72  # pixels
    every = axes.transData.transform(np.concatenate(list(regions.values())))
    page, boxes = np.array([axes.bbox.min, axes.bbox.max]), []
    for name, region in regions.items():
        pixels = axes.transData.transform(region)
        middle, reach = (pixels.min(0) + pixels.max(0)) / 2, np.ptp(pixels, axis=0) / 2
        size = np.array([0.62 * len(name), 1.0]) * MIN_POINTS * point
        candidates = []
        for place, (x, y, *_) in PLACES.items():
            centre = middle + (x, y) * (reach + size / 2 + 3 * point)
            low, high = centre - size / 2, centre + size / 2
            covered = ((every > low) & (every < high)).all(1).sum()
            names = sum(bool(((low < other[1]) & (high > other[0])).all()) for other in boxes)
            outside = bool((low < page[0]).any() or (high > page[1]).any())
            candidates.append((covered + len(every) * names + 3 * outside, place, (low, high)))
        _, place, box = min(candidates, key=lambda candidate: candidate[0])
        x, y, across, along = PLACES[place]
        boxes.append(box)
        axes.annotate(name, axes.transData.inverted().transform(middle + (x, y) * reach),
                      xytext=(3 * x, 3 * y), textcoords="offset points", ha=across, va=along,
                      fontsize=MIN_POINTS, zorder=4, annotation_clip=False)
