"""Panels of image retrieval draw the numbers that they get."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.decoding import plots
from helpers.decoding.study import CONTRAST, METHODS, RIDGE

TABLE = pd.DataFrame([(subject, method, k, share, 0.01 * k) for method, share in
                      ((CONTRAST, 0.5), (RIDGE, 0.25)) for subject in "ab" for k in (1, 5)],
                     columns=["subject", "method", "k", "share", "chance"])


def test_retrieval_curves_hold_every_participant_the_mean_and_chance():
    axes = Figure().add_subplot()
    plots.retrieval_curves(axes, TABLE, [CONTRAST, RIDGE])
    values = [line.get_ydata().tolist() for line in axes.lines]
    assert values[:6] == [[0.5, 0.5]] * 3 + [[0.25, 0.25]] * 3
    assert values[6] == pytest.approx([0.01, 0.05])


def test_bars_stand_side_by_side_for_each_participant():
    axes = Figure().add_subplot()
    table = TABLE[TABLE["k"] == 1].assign(low=0.1, high=0.9)
    plots.participant_bars(axes, table, [CONTRAST, RIDGE])
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.5, 0.25, 0.25]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]


def test_every_method_and_chance_have_a_legend_entry():
    labels = [handle.get_label() for handle in plots.method_handles(METHODS)]
    assert labels == [*METHODS, "chance"]
