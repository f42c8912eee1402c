"""A map of one participant's regions on the flattened average cortex."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.brains.fsaverage import RegionMasks, fsaverage5_flat_map, on_map, sulci
from helpers.brains.nsd_files import HEMISPHERES
from helpers.brains.rois import DOMAINS, FAMILIES, domain_of
from helpers.figures import flat_maps
from helpers.figures.style import COLOURS, display_name

EARLY = FAMILIES["prf-visualrois"]


def region_table(masks: RegionMasks) -> pd.DataFrame:
    """Count the points of each region in both hemispheres, on fsaverage and on fsaverage5.

    Returns
    -------
    DataFrame
        ``roi, hemisphere, n_fsaverage, n_fsaverage5``.
    """
    return pd.DataFrame([
        (roi, hemisphere, masks.n_fsaverage[roi][hemisphere], len(vertices))
        for roi, sides in masks.vertices.items() for hemisphere, vertices in sides.items()],
        columns=["roi", "hemisphere", "n_fsaverage", "n_fsaverage5"])


def region_maps(figure: Figure, masks: RegionMasks, domains: Sequence[str] = tuple(DOMAINS.values())
                ) -> None:
    """Draw the regions of each domain on the flat maps of both hemispheres.

    Columns: early areas, then domains; rows: hemispheres. Early areas are outlined in every panel
    and named in the first. Left out are regions that this participant does not have, or that are
    too small for the resolution of fsaverage5.

    Parameters
    ----------
    figure : Figure
    masks : RegionMasks
    domains : sequence of str
        By default those whose contrasts define regions.
    """
    grid = figure.subplots(len(HEMISPHERES), 1 + len(domains), squeeze=False)
    for row, hemisphere in zip(grid, HEMISPHERES):
        surface = fsaverage5_flat_map(hemisphere)
        shade = sulci(hemisphere)[surface.place >= 0]
        regions = {roi: on_map(surface, masks.vertices[roi][hemisphere])
                   for roi in masks.vertices if roi in EARLY or domain_of(roi) in domains}
        early = {roi: regions[roi] for roi in EARLY if roi in regions}
        for axes, domain in zip(row, ("", *domains)):
            flat_maps.draw_sheet(axes, surface, sulci=shade)
            flat_maps.show_part(axes, surface, np.concatenate(list(regions.values())))
            own = {roi: vertices for roi, vertices in regions.items()
                   if domain and domain_of(roi) == domain}
            flat_maps.fill_regions(axes, surface, own,
                                   dict.fromkeys(own, COLOURS.get(domain)))
            flat_maps.outline_regions(axes, surface, early, names=not domain)
            flat_maps.outline_regions(axes, surface, own)
    for axes, name in zip(grid[0], ("early areas", *map(display_name, domains))):
        axes.set_title(f"{name}, left")
    for axes in grid[1]:
        axes.set_title("right")
