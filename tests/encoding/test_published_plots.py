"""The figure of published scores shows every number where it belongs."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.encoding.published_plots import (
    beside_ours_panel,
    published_panel,
    training_handles,
)
from helpers.encoding.published_scores import NETWORKS, beside_ours, select_published

MEASURE = "classical RSA"


@pytest.fixture
def table():
    scores = pd.DataFrame([{"network": one.published, MEASURE: 0.05 * i + 0.01}
                           for i, one in enumerate(NETWORKS)])
    return select_published(scores, 0.8, (MEASURE,))


@pytest.fixture
def axes():
    figure, panel = plt.subplots()
    yield panel
    plt.close(figure)


def test_each_network_is_drawn_at_its_score_and_all_as_ticks(axes, table):
    published_panel(axes, table, MEASURE, pd.Series([0.1, 0.2, 0.3]), {1: 0.7, 2: 0.8})
    ticks, *lines = axes.lines
    np.testing.assert_array_equal(ticks.get_xdata(), [0.1, 0.2, 0.3])
    points = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in lines
              if line.get_marker() not in ("None", None, "")}
    names = dict(zip(axes.get_yticks(), [text.get_text() for text in axes.get_yticklabels()]))
    drawn = {names[row]: score for row, score in points.items()}
    assert drawn == pytest.approx(dict(zip(table["label"], table[MEASURE])))
    band = axes.patches[0]
    assert (band.get_x(), band.get_width()) == pytest.approx((0.7, 0.1))


def test_a_measure_without_a_ceiling_has_no_band(axes, table):
    published_panel(axes, table, MEASURE, table[MEASURE], None)
    assert not axes.patches


def test_published_and_ours_are_drawn_side_by_side(axes, table):
    ours = {MEASURE: {"squeezenet1_0-imagenet": 0.33, "squeezenet1_0-imagenet-untrained": 0.04}}
    beside = beside_ours(table, ours).merge(table[["label", "training"]])
    beside_ours_panel(axes, beside, {MEASURE: {"published": (0.7, 0.8)}})
    drawn = {(round(float(line.get_xdata()[0]), 2), round(float(line.get_ydata()[0]), 3)):
             line.get_markerfacecolor() for line in axes.lines if len(line.get_xdata()) == 1}
    expected = {(-0.2, round(float(row.published), 3)) for row in beside.itertuples()} | {
        (0.2, round(float(row.ours), 3)) for row in beside.itertuples()}
    assert set(drawn) == expected
    assert all((face == "none") == (place > 0) for (place, _), face in drawn.items())


def test_the_legend_names_each_training_once(table):
    labels = [handle.get_label() for handle in training_handles(table)]
    assert sorted(labels) == ["captions", "contrastive", "labels", "untrained"]
