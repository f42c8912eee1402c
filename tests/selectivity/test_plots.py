"""Panels of notebooks 00 and 01: what they show, not how they look."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.selectivity import overview_plots, plots

ALEXNET = ("conv1", "norm1", "relu1", "conv2", "fc6", "relu6")


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.mark.parametrize(("layers", "preferred", "shown"), [
    (ALEXNET, ["conv1", "fc6"], ["conv1", "fc6"]),
    (ALEXNET, ["features.0"], ["conv1", "conv2", "fc6"]),
    (("layer1.0.conv1", "layer1.0.bn1", "layer1.1.conv1", "layer2.0.conv1"), ["fc6"],
     ["layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1"])])
def test_the_layers_with_weights_are_shown(layers, preferred, shown):
    assert plots.layers_with_weights(layers, preferred) == shown


def test_bars_are_stacked_to_the_total_and_name_the_number_of_units(axes):
    table = pd.DataFrame({"layer": ["conv1", "conv1", "fc6", "fc6"],
                          "domain": ["faces", "scenes"] * 2,
                          "proportion": [0.1, 0, 0.2, 0.1], "n_units": [17_424, 17_424, 512, 512]})
    plots.layer_bars(axes, table, ["conv1", "fc6"], ["faces", "scenes"])
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert tops == pytest.approx([0.1, 0.2, 0.1, 0.3])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["conv1 (17k)", "fc6 (512)"]


def test_bars_of_one_block_have_the_full_names_of_their_layers(axes):
    layers = ["layer4.0.conv1", "layer4.0.conv2"]
    table = pd.DataFrame({"layer": layers, "domain": "faces", "proportion": 0.1, "n_units": 10})
    plots.layer_bars(axes, table, layers, ["faces"])
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "layer4.0.conv1 (10)", "layer4.0.conv2 (10)"]


def test_paths_of_deep_modules_are_shortened_and_bars_of_nothing_begin_at_zero(axes):
    layers = ["stages.0.blocks.0.token_mixer.conv1", "stages.0.blocks.1.token_mixer.conv2"]
    table = pd.DataFrame({"layer": layers, "domain": "faces", "proportion": 0.0, "n_units": 10})
    plots.layer_bars(axes, table, layers, ["faces"])
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "stages.0…conv1 (10)", "stages.0…conv2 (10)"]
    assert axes.get_ylim()[0] == 0


def test_groups_of_the_heat_map_carry_their_counts(axes):
    plots.unit_heat_map(axes, np.zeros((30, 10)), [("faces", 10, 10), ("rest", 20, 9_300)],
                        [("faces", 4), ("characters", 6)])
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "faces (10)", "rest\n(20 of 9.3k)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["faces\n(4)", "words\n(6)"]


def test_a_domain_without_units_is_counted_and_nothing_is_drawn_for_it(axes):
    plots.unit_strips(axes, {"a": {"faces": np.array([2.0, np.nan]), "bodies": np.array([])},
                             "b": {"faces": np.array([]), "bodies": np.array([1.0])}},
                      ["faces", "bodies"])
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "faces\n2\n0", "bodies\n0\n1"]
    assert sorted(len(line.get_xdata()) for line in axes.lines)[:2] == [0, 0]


def test_accuracies_have_exact_intervals_and_domains_their_difference(axes):
    table = pd.DataFrame({"knn": [0.5], "linear": [0.25], "chance": [0.2]}, index=["raw pixels"])
    overview_plots.accuracy_points(axes, table, {}, n_test=40)
    spans = [line.get_segments()[0][:, 0] for line in axes.collections]
    assert spans[0] == pytest.approx([0.338, 0.662], abs=1e-3), "Clopper-Pearson, 20 of 40"
    levels = pd.DataFrame({"domain": ["faces"] * 2 + ["bodies"] * 2,
                           "luminance": [0.5, 0.5, 0.6, 0.6], "contrast": 0.1})
    other = Figure().subplots()
    overview_plots.level_deviations(other, levels, ["faces", "bodies"], allowed=0.02)
    assert other.get_ylim()[1] > 0.05 * 255, "both domains are inside"


def test_every_objective_has_a_colour_and_a_name():
    from helpers.figures.style import TRAINING, training_of
    from helpers.networks.registry import registry
    for entry in registry().values():
        assert training_of(entry.objective) in TRAINING
        assert overview_plots.training_text(entry) != entry.objective or entry.objective in TRAINING
    assert training_of("none") == "untrained"
