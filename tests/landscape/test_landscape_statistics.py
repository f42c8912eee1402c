"""What tuning cost: tables compared by hand, and claims judged by an interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.landscape import statistics

ROWS = [("none", 0, "none", "none", "none", "pretrained", .8),
        ("a", 0, "V1v", "lh", "early", "contrastive", .5),
        ("a", 0, "PPA", "lh", "higher", "contrastive", .7),
        ("b", 0, "V1v", "lh", "early", "contrastive", .3),
        ("all", 0, "V1v", "lh", "early", "pooled, avg", .2)]
TABLE = pd.DataFrame(ROWS, columns=[*statistics.MODEL_COLUMNS, "accuracy"]).assign(task="things")


def test_changes_are_from_the_untuned_network_of_the_same_task():
    other = TABLE.assign(task="places", accuracy=TABLE["accuracy"] / 2)
    found = statistics.add_accuracy_change(pd.concat([TABLE, other]))
    np.testing.assert_allclose(found["change"], [0, -.3, -.1, -.5, -.6, 0, -.15, -.05, -.25, -.3])
    mean = statistics.pivot_donor_by_seed(found, "change", condition="contrastive", task="things")
    np.testing.assert_allclose(mean.loc[["a", "b"]], [[-.2], [-.5]])
    again = found.assign(seed=1, change=found["change"] - 1)
    both = statistics.pivot_donor_by_seed(pd.concat([found, again]), "change",
                                          condition="contrastive",
                                          task="things")
    np.testing.assert_allclose(both, [[-.2, -1.2], [-.5, -1.5]])


def test_the_matrix_has_untuned_people_mean_and_pooled():
    found = statistics.accuracy_matrix(TABLE, "things")
    assert list(found.index) == ["pretrained", "lh V1v", "lh PPA"]
    assert list(found.columns) == ["a", "b", "mean", "pooled, avg"]
    np.testing.assert_allclose(found.to_numpy(), [[np.nan, np.nan, .8, np.nan],
                                                  [.5, .3, .4, .2], [.7, np.nan, .7, np.nan]])


def test_gains_are_paired_by_region_and_averaged_over_people_where_pooled():
    place = {"roi": "V1v", "hemisphere": "lh", "group": "early", "seed": 0}
    rows = [("none", "a", "pretrained", .1), ("none", "b", "pretrained", .3),
            ("a", "a", "contrastive", .2),
            ("all", "a", "pooled, avg", .4), ("all", "b", "pooled, avg", .4)]
    scores = pd.DataFrame(rows, columns=["donor", "subject", "condition", "r"]).assign(**place)
    scores["r_unseen"] = scores["r"] + [.1, .1, 9, .3, .3]  # pooled: on images that nobody's had
    found = statistics.encoding_gains(scores).set_index("condition")["gain"]
    assert found["contrastive"] == pytest.approx(.1) and found["pooled, avg"] == pytest.approx(.4)
    other = scores.assign(seed=1, r=scores["r"] * 2)
    both = statistics.encoding_gains(pd.concat([scores, other])).set_index(["condition",
                                                                            "seed"])["gain"]
    assert both["contrastive", 0] == pytest.approx(.1), "each training with its own"
    assert both["contrastive", 1] == pytest.approx(.2)


def test_half_the_way_is_a_bargain_where_the_gain_comes_sooner():
    """With one participant: the gain minus its part that belongs to the loss; no gain divides."""
    rows = [("a", 0, 0.5, 0.3, -0.1), ("a", 0, 1.0, 0.4, -0.4),
            ("b", 0, 0.5, 0.1, -0.1), ("b", 0, 1.0, 0.0, -0.2)]
    paths = pd.DataFrame(rows, columns=["donor", "seed", "interpolation", "gain", "change"])
    alone = statistics.interpolation_advantage(paths[paths["donor"] == "a"], 0.5)
    np.testing.assert_allclose(alone, [[0.3 - 0.4 * 0.1 / 0.4]])
    both = statistics.interpolation_advantage(paths, 0.5)
    np.testing.assert_allclose(both.loc["b"], 0.1 * 0.2 / 0.3)
    proportional = paths.assign(gain=[0.1, 0.4, 0.1, 0.2], change=[-0.1, -0.4, -0.1, -0.2])
    np.testing.assert_allclose(statistics.interpolation_advantage(proportional, 0.5), 0, atol=1e-12)
    no_gain = paths.assign(gain=[0.01, 1e-9, 0.01, -1e-9])
    assert (statistics.interpolation_advantage(no_gain, 0.5).to_numpy() < 0.02).all()


def test_opposite_pairs_minus_same_pairs_within_a_participant():
    rows = [("none", "none", "none"), ("a", "V1v", "lh"), ("a", "V1v", "rh"), ("a", "V2v", "lh"),
            ("a", "V2v", "rh"), ("b", "V1v", "lh")]
    finetuned_models = pd.DataFrame(rows, columns=["donor", "roi", "hemisphere"]).assign(seed=0)
    distances = np.arange(36.0).reshape(6, 6)
    distances = distances + distances.T
    found = statistics.hemisphere_distance_difference(distances, finetuned_models)
    same = (distances[1, 3] + distances[2, 4]) / 2
    opposite = (distances[1, 4] + distances[2, 3]) / 2
    assert found.loc["a", 0] == pytest.approx(opposite - same) and np.isnan(found.loc["b", 0])
    assert list(found.index) == ["a", "b"]
    distances[1, 4] = distances[4, 1] = 99
    assert statistics.hemisphere_distance_difference(
        distances, finetuned_models).loc["a", 0] > found.loc["a", 0]
    finetuned_models.loc[finetuned_models["roi"] == "V2v", "seed"] = 1
    apart = statistics.hemisphere_distance_difference(distances, finetuned_models)
    assert apart.loc["a"].isna().all(), "no pairs of two trainings"


def test_the_change_where_gained_leaves_out_networks_that_did_not_gain():
    rows = [("a", 0, 0.5, 0.3, -0.1), ("a", 0, 0.5, 0.1, -0.3), ("a", 0, 0.5, -0.1, -0.9),
            ("a", 1, 0.5, 0.2, 0.05), ("a", 0, 1.0, 0.4, -0.8), ("b", 0, 0.5, 0.2, -0.4),
            ("b", 1, 0.5, 0.0, -0.5), ("c", 0, 0.5, -0.2, -0.5)]
    paths = pd.DataFrame(rows, columns=["donor", "seed", "interpolation", "gain", "change"])
    found = statistics.change_where_gained(paths, 0.5)
    assert list(found.index) == ["a", "b"], "c gained nothing"
    np.testing.assert_allclose(found, [[-0.2, 0.05], [-0.4, np.nan]])
    assert statistics.change_where_gained(paths.assign(gain=-1.0), 0.5).empty
