"""Panels of image retrieval draw the numbers that they get."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.decoding import plots
from helpers.decoding.study import CONTRAST, RIDGE

TABLE = pd.DataFrame([(subject, method, k, accuracy, 0.01 * k) for method, accuracy in
                      ((CONTRAST, 0.5), (RIDGE, 0.25)) for subject in "ab" for k in (1, 5)],
                     columns=["subject", "method", "k", "accuracy", "chance"])


@pytest.fixture
def axes():
    return Figure().add_subplot()


def test_retrieval_curves_hold_the_means_and_chance(axes):
    plots.retrieval_curves(axes, TABLE, [CONTRAST, RIDGE])
    values = [line.get_ydata().tolist() for line in axes.lines]
    assert values[:2] == [[0.5, 0.5], [0.25, 0.25]]
    assert values[2] == pytest.approx([0.01, 0.05])


def test_differences_stand_in_rows_with_their_means(axes):
    plots.paired_differences(axes, pd.DataFrame({"one − two": [0.1, 0.3],
                                                 "one − three": [0, -0.2]}))
    assert axes.lines[0].get_xdata().tolist() == [0.1, 0.3]
    assert axes.lines[1].get_xdata() == pytest.approx([0.2])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one − two", "one − three"]


def test_each_participant_has_a_marker_for_each_protocol(axes):
    table = TABLE[(TABLE["k"] == 1) & (TABLE["method"] == CONTRAST)].assign(low=0.4, high=0.6)
    plots.above_chance(axes, {"single trials": table, "averaged": table.assign(accuracy=0.7)})
    shown = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(shown["single trials"]) == [0.5, 0.5] and list(shown["averaged"]) == [0.7, 0.7]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]


def test_losses_and_penalties_have_a_line_a_participant(axes):
    plots.loss_curves(axes, pd.DataFrame({"a": [4.0, 2.0], "b": [5.0, 1.0]}), 128)
    assert [line.get_ydata().tolist() for line in axes.lines[:2]] == [[4, 2], [5, 1]]
    assert axes.lines[2].get_ydata()[0] == pytest.approx(np.log(128))
    other = Figure().add_subplot()
    plots.penalty_curves(other, pd.DataFrame({"a": [0.1, 0.2], "b": [0.3, 0.4]}), [1e2, 1e4])
    assert other.lines[2].get_ydata() == pytest.approx([0.2, 0.3])


def test_every_method_and_chance_have_a_legend_entry():
    labels = [handle.get_label() for handle in plots.method_handles(list(plots.STYLES))]
    assert labels == [*plots.STYLES, "chance"]


def test_retrieved_images_stand_beside_the_one_that_was_seen():
    image = Image.new("RGB", (8, 8))
    figure = plots.draw_retrieved(image, [image, image], ["1: 0.50", "2: 0.40"], alt="what is seen")
    assert [axes.get_title() for axes in figure.axes] == ["seen", "1: 0.50", "2: 0.40"]
    assert figure.get_label() == "what is seen"
