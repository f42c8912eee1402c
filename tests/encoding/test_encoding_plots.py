"""Panels of the encoding figures draw the numbers that they get."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.encoding import plots, supplement_plots
from helpers.encoding.cohort_features import WHOLE_LAYER
from helpers.encoding.regression import OLS, SPARSE_POSITIVE

NO_CEILINGS = pd.DataFrame({"roi": [], "value": []})
POOLS = pd.DataFrame([(subject, "PPA", domain, score) for subject in "ab" for domain, score in
                      (("scenes", 0.6), ("faces", 0.3), ("bodies", np.nan))],
                     columns=["subject", "roi", "domain", "score"])


@pytest.fixture
def axes():
    return Figure().add_subplot()


def test_every_participant_is_a_dot_and_the_region_states_their_number(axes):
    own = pd.DataFrame({"roi": "PPA", "subject": list("abc"), "score": [0.2, 0.4, np.nan]})
    ridge = own.assign(score=[0.5, 0.7, 0.6])
    ceilings = pd.DataFrame({"roi": ["PPA", "PPA"], "value": [0.8, 0.9]})
    chosen = own.assign(score=[0.3, 0.5, 0.4])
    plots.score_by_region(axes, own, chosen, ridge, ceilings, ["PPA"], {"PPA": "scenes"})
    assert axes.lines[0].get_ydata().tolist() == [0.2, 0.4]
    assert axes.lines[1].get_ydata() == pytest.approx([0.3])
    assert axes.lines[2].get_ydata() == pytest.approx([0.4])
    assert axes.lines[3].get_ydata() == pytest.approx([0.6])
    assert axes.get_xticklabels()[0].get_text() == "PPA\nn = 2"


def test_gains_stand_in_rows_with_their_means(axes):
    plots.gains_by_rival(axes, {"untrained": [0.1, 0.3], "Gabor": [np.nan, -0.1]})
    assert axes.lines[0].get_xdata().tolist() == [0.1, 0.3]
    assert axes.lines[1].get_xdata() == pytest.approx([0.2])
    assert axes.lines[2].get_xdata().tolist() == [-0.1]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["untrained", "Gabor"]


def test_pools_are_compared_with_the_best_one_and_the_own_one_is_framed(axes):
    image = plots.pool_matrix(axes, POOLS, ["PPA"], ["scenes", "faces", "bodies"],
                              {"PPA": "scenes"})
    assert image.get_array().tolist() == [[1.0, 0.5, 0.0]]
    assert [text.get_text() for text in axes.texts] == [".60", ".30", ".00"]
    (frame,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert frame.get_xy() == (-0.5, -0.5)


def test_the_advantage_is_paired_within_participants(axes):
    table = pd.DataFrame({"subject": list("ab"), "roi": "PPA", "advantage": [0.2, 0.4]})
    reverse = table.assign(advantage=[0.1, 0.0]).iloc[::-1]
    plots.pool_advantage_pairs(axes, {"sparse positive": table, "OLS": reverse}, ["PPA"],
                               {"PPA": "scenes"})
    assert axes.lines[0].get_ydata().tolist() == [0.2, 0.1]
    assert axes.lines[1].get_ydata().tolist() == [0.4, 0.0]
    assert [line.get_ydata()[0] for line in axes.lines[2:4]] == pytest.approx([0.3, 0.05])


def test_the_figure_counts_participants_for_whom_a_predictor_predicts_nothing(axes):
    scores = pd.DataFrame({"roi": "PPA", "predictor": "contrastive", "subject": list("ABCDE"),
                           "score": [0.4, 0.5, 0.3, 0.0, 0.0],
                           "predicts_nothing": [False] * 3 + [True] * 2})
    supplement_plots.predictor_scores(axes, scores, NO_CEILINGS, ["PPA"], ["contrastive"])
    assert [text.get_text() for text in axes.texts] == ["2 × 0"]
    assert axes.get_xticklabels()[0].get_text().endswith("n = 5")


def test_a_star_is_filled_where_the_first_predictor_is_better(axes):
    tests = pd.DataFrame({"roi": "PPA", "competitor": ["untrained", "Gabor", "GistPC"],
                          "difference": [0.2, -0.2, 0.3], "p_bonferroni": [0.01, 0.01, 0.5]})
    supplement_plots.significance_row(axes, tests, ["PPA"],
                                      ["contrastive", "untrained", "Gabor", "GistPC"], y=1.03)
    assert [line.get_markerfacecolor() for line in axes.lines] == ["0.2", "none"]


def test_layer_curves_are_of_the_own_pool_of_the_mean_of_the_others_and_of_whole_layers(axes):
    curves = pd.DataFrame(
        [("a", "fc6", domain, "OLS", value) for domain, value in
         (("scenes", 0.6), ("faces", 0.2), ("bodies", 0.4))]
        + [("a", layer, WHOLE_LAYER, SPARSE_POSITIVE, value) for layer, value in
           (("fc7", 0.8), ("relu5", 0.7))],
        columns=["subject", "layer", "domain", "method", "veUnivar"]).assign(
            n_nonzero_weights=[3.0, 9.0, 9.0, 9.0, 9.0])
    supplement_plots.own_and_other_curves(axes, curves, "veUnivar", "scenes",
                                          ["relu5", "fc6", "fc7"], [OLS])
    others, own, faces_only, _ = axes.lines
    assert [line.get_ydata()[1] for line in (others, own)] == pytest.approx([0.3, 0.6])
    # the network trained on faces lacks a layer: its curve goes on over it
    assert list(faces_only.get_xdata()) == [0, 2]
    assert list(faces_only.get_ydata()) == pytest.approx([0.7, 0.8])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "fc6 · 3.0" in labels and "fc7" in labels  # units of a vertex, own pool


@pytest.mark.parametrize("faces_only", [True, False])
def test_the_legend_of_layer_curves_names_whole_layers_where_there_are_some(axes, faces_only):
    axes.plot([0, 1], [0.1, 0.2])
    supplement_plots.curve_legend([axes], faces_only=faces_only)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert ("faces only" in labels) == faces_only
