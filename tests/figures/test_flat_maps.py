"""Cortical surfaces in figures: the sheet, outlines and names of regions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.contour import ContourSet
from matplotlib.text import Annotation

from helpers.brains.surfaces import Surface
from helpers.figures import flat_maps, style

SIDE = 20


def sheet(depth=0.0) -> Surface:
    """A square sheet of 400 vertices whose cohort numbers them backwards."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    number = np.arange(SIDE**2).reshape(SIDE, SIDE)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3),
                            np.stack([b, d, c], -1).reshape(-1, 3)])
    points = np.column_stack([x, 1.5 * y, depth * (x - 9.5)**2]).astype(float)
    return Surface(points, faces, np.arange(SIDE**2)[::-1])


def block(surface, left, low, side=5):
    """Vertices, by the cohort's numbers, of a square whose corner is at column left, row low."""
    columns, rows = np.meshgrid(np.arange(left, left + side), np.arange(low, low + side))
    inside = np.zeros(len(surface.points), bool)
    inside[(rows * SIDE + columns).ravel()] = True
    return np.flatnonzero(inside[surface.place])


@pytest.fixture
def drawn():
    surface, figure = sheet(), style.new_figure(3, "a flat map with outlines of three regions")
    axes = figure.add_subplot()
    flat_maps.draw_sheet(axes, surface)
    regions = {"V1v": block(surface, 4, 2), "V2v": block(surface, 9, 2),
               "PPA": block(surface, 7, 14), "none": np.empty(0, int)}
    flat_maps.outline_regions(axes, surface, regions)
    figure.canvas.draw()
    return figure, axes


def test_every_region_is_enclosed_where_it_lies(drawn):
    _, axes = drawn
    extents = [contour.get_paths()[0].get_extents() for contour in axes.get_children()
               if isinstance(contour, ContourSet)]
    assert len(extents) == 3, "an empty region has no outline"
    np.testing.assert_allclose(extents[0].min, [3.5, 1.5 * 1.5], atol=0.01)
    np.testing.assert_allclose(extents[0].max, [8.5, 1.5 * 6.5], atol=0.01)
    np.testing.assert_allclose(extents[2].min, [6.5, 1.5 * 13.5], atol=0.01)


def test_names_cover_no_region_and_no_other_name(drawn):
    figure, axes = drawn
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [text.get_text() for text in names] == ["V1v", "V2v", "PPA"]
    boxes = [text.get_window_extent() for text in names]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    outlines = [contour for contour in axes.get_children() if isinstance(contour, ContourSet)]
    for contour in outlines:
        extent = contour.get_paths()[0].get_extents().transformed(axes.transData)
        assert not any(box.overlaps(extent) for box in boxes)


def test_triangles_with_two_corners_in_a_region_are_coloured_and_the_part_is_shown():
    surface, figure = sheet(), style.new_figure(3, "a flat map with a coloured region")
    axes = figure.add_subplot()
    flat_maps.draw_sheet(axes, surface, sulci=np.arange(SIDE**2) % 2 == 0)
    region = block(surface, 4, 2)
    n_before = len(axes.collections)
    flat_maps.fill_regions(axes, surface, {"PPA": region, "V1v": block(surface, 12, 12),
                                           "none": np.empty(0, int)},
                           {"PPA": "#117733", "none": "k"})
    coloured, = axes.collections[n_before:]
    inside = np.isin(surface.faces, surface.place[region]).sum(1) >= 2
    assert len(coloured.get_paths()) == inside.sum() > 0
    drawn = coloured.to_rgba(coloured.get_array())
    assert {tuple(np.round(colour[:3] * 255)) for colour in drawn} == {(0x11, 0x77, 0x33)}
    flat_maps.show_part(axes, surface, region, margin=0.1)
    np.testing.assert_allclose([axes.get_xlim(), axes.get_ylim()],
                               [[3.4, 8.6], [1.5 * 2 - 0.6, 1.5 * 6 + 0.6]])


def test_a_sheet_lies_in_its_plane_whatever_the_axis():
    flat = sheet()
    turned = Surface(flat.points[:, [2, 0, 1]], flat.faces, flat.place)
    np.testing.assert_array_equal(flat_maps.flat_points(turned), flat_maps.flat_points(flat))


def test_folded_surfaces_are_outlined_in_three_dimensions(tmp_path):
    from nilearn.plotting import plot_surf
    surface, figure = sheet(depth=0.1), style.new_figure(3, "a folded surface with one outline")
    axes = figure.add_subplot(projection="3d")
    plot_surf([surface.points, surface.faces], axes=axes)
    n_before = len(axes.collections)
    flat_maps.outline_regions(axes, surface, {"PPA": block(surface, 7, 14)})
    figure.savefig(tmp_path / "map.png")
    assert len(axes.collections) >= n_before and [text.get_text() for text in axes.texts] == ["PPA"]
