"""Panels of the information bound: what is drawn is what the tables say."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from helpers.finetuning import bound_plots, plots
from helpers.finetuning.plots import CONDITION_STYLES

matplotlib.use("Agg")
ROWS = [("A", "V1v", "early", 0, 50, 0.1, 0.5, 0.4), ("A", "V1v", "early", 1, 50, 0.3, 0.7, 0.6),
        ("A", "PPA", "higher", 0, 80, 0.0, 0.2, 0.1), ("B", "V1v", "early", 0, 60, 0.2, 0.3, 0.2)]
BOUNDS = pd.DataFrame(ROWS, columns=["subject", "roi", "group", "seed", "n_voxels",
                                     "shared_batchnorm", "calibrated", "cross_validated"]).assign(
    hemisphere="both", condition="contrastive", embedding_dim=8)


@pytest.fixture
def axes():
    figure, made = plt.subplots()
    yield made
    plt.close(figure)


def points(axes) -> dict:
    """Return the colour of the face by place."""
    return {tuple(np.round(place, 6)): one.get_facecolors()[0] for one in axes.collections
            if hasattr(one, "get_sizes") and len(one.get_sizes()) for place in one.get_offsets()}


def test_both_statistics_are_means_over_trainings_and_early_regions_are_open(axes):
    bound_plots.shared_against_own(axes, BOUNDS)
    found = points(axes)
    assert set(found) == {(0.2, 0.6), (0.0, 0.2), (0.2, 0.3)}
    assert same_color(found[0.2, 0.6], "white")
    assert same_color(found[0.0, 0.2], CONDITION_STYLES["contrastive"][0])
    assert axes.get_xlabel() == "shared statistics, nats"


def test_a_marker_is_a_participant_and_the_bar_their_mean(axes):
    bound_plots.bound_dots(axes, BOUNDS, ["contrastive", "pooled, avg"])
    assert sorted(y for _, y in points(axes)) == pytest.approx([0.1, 0.2, 0.5])
    bars = sorted(one.get_segments()[0][0][1] for one in axes.collections
                  if hasattr(one, "get_segments"))
    assert bars == pytest.approx([0.1, 0.35])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["contrastive"]


def test_the_slope_is_written_beside_the_regions(axes):
    bound_plots.bound_against_voxels(axes, BOUNDS, "slope +0.10")
    assert set(points(axes)) == {(50, 0.5), (80, 0.1), (60, 0.2)}
    assert [text.get_text() for text in axes.texts] == ["slope +0.10"]


def test_lines_over_sizes_are_participants_and_a_mean_with_the_name_of_the_region(axes):
    both = pd.concat([BOUNDS, BOUNDS.assign(embedding_dim=64,
                                            cross_validated=BOUNDS["cross_validated"] + 1)])
    bound_plots.embedding_dim_lines(axes, both)
    means = {tuple(np.round(one.get_ydata(), 6)) for one in axes.lines
             if one.get_marker() == CONDITION_STYLES["contrastive"][1]}
    assert means == {(0.35, 1.35), (0.1, 1.1)}
    assert {text.get_text() for text in axes.texts} == {"V1v", "PPA"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["8", "64"]


def test_groups_are_open_and_filled_in_the_legend():
    early, higher = plots.group_handles(["early", "higher"])
    assert same_color(early.get_markerfacecolor(), "white")
    assert same_color(higher.get_markerfacecolor(), higher.get_color())
    assert (early.get_label(), higher.get_label()) == ("early regions", "higher regions")
