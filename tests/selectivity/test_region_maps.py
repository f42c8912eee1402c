"""Maps of regions: a panel for each domain and hemisphere, and the sizes of regions in a table."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.brains.fsaverage import RegionMasks, fsaverage5_flat_map
from helpers.figures import style
from helpers.figures.flat_maps import flat_points
from helpers.selectivity.region_maps import region_maps, region_table


def patch(hemisphere, n, across):
    """The points of fsaverage5 that are nearest to a place on its flat map."""
    surface = fsaverage5_flat_map(hemisphere)
    distance = np.linalg.norm(flat_points(surface) - [across, 0.0], axis=1)
    return np.flatnonzero(np.isin(surface.place, np.argsort(distance)[:n]))


@pytest.fixture
def masks():
    """V1v and EBA on both sides, PPA on the left."""
    vertices = {roi: {side: patch(side, n, across) for side in ("lh", "rh")}
                for roi, n, across in (("V1v", 30, -60), ("PPA", 40, 0), ("EBA", 60, 60))}
    vertices["PPA"]["rh"] = np.empty(0, int)
    return RegionMasks("subj01", vertices, {
        roi: {side: 16 * len(points) for side, points in sides.items()}
        for roi, sides in vertices.items()})


def test_the_table_has_every_region_on_both_sides(masks):
    table = region_table(masks).set_index(["roi", "hemisphere"])
    assert len(table) == 6
    assert table.loc[("PPA", "rh")].tolist() == [0, 0]
    assert table.loc[("EBA", "lh")].tolist() == [960, 60]


def test_a_domain_has_its_own_panel_and_early_areas_are_named_once(masks):
    figure = style.new_figure(2.4, "maps of regions")
    region_maps(figure, masks)
    grid = np.array(figure.axes).reshape(2, 5)
    assert [axes.get_title() for axes in grid[0]] == [
        "early areas, left", "faces, left", "bodies, left", "scenes, left", "words, left"]
    names = [[[text.get_text() for text in axes.texts] for axes in row] for row in grid]
    assert names == [[["V1v"], [], ["EBA"], ["PPA"], []], [["V1v"], [], ["EBA"], [], []]]
    colours = {tuple(np.round(colour[:3], 3)) for axes in grid.ravel()
               for drawn in axes.collections if drawn.get_array() is not None
               for colour in drawn.to_rgba(np.unique(drawn.get_array()))}
    for domain, expected in (("bodies", True), ("scenes", True), ("faces", False)):
        assert (tuple(np.round(to_rgb(style.COLOURS[domain]), 3)) in colours) == expected, domain
