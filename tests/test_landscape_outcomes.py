"""What tuning cost: tables compared by hand, and claims judged by an interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.figures.claims import Ledger
from helpers.ground.provenance import Provenance
from helpers.landscape import outcomes

ROWS = [("none", "none", "none", "none", "untuned", .8),
        ("a", "V1v", "lh", "early", "contrastive", .5),
        ("a", "PPA", "lh", "higher", "contrastive", .7),
        ("b", "V1v", "lh", "early", "contrastive", .3),
        ("all", "V1v", "lh", "early", "pooled, avg", .2)]
TABLE = pd.DataFrame(ROWS, columns=[*outcomes.NETWORK, "accuracy"]).assign(task="things")


def test_changes_are_from_the_untuned_network_of_the_same_task():
    other = TABLE.assign(task="places", accuracy=TABLE["accuracy"] / 2)
    found = outcomes.changed(pd.concat([TABLE, other]))
    np.testing.assert_allclose(found["change"], [0, -.3, -.1, -.5, -.6, 0, -.15, -.05, -.25, -.3])
    mean = outcomes.by_person(found, "change", kind="contrastive", task="things")
    np.testing.assert_allclose(mean[["a", "b"]], [-.2, -.5])


def test_the_matrix_has_untuned_people_mean_and_pooled():
    found = outcomes.result_matrix(TABLE, "things")
    assert list(found.index) == ["untuned", "lh V1v", "lh PPA"]
    assert list(found.columns) == ["a", "b", "mean", "pooled, avg"]
    np.testing.assert_allclose(found.to_numpy(), [[np.nan, np.nan, .8, np.nan],
                                                  [.5, .3, .4, .2], [.7, np.nan, .7, np.nan]])


def test_gains_are_paired_by_region_and_averaged_over_people_where_pooled():
    place = {"roi": "V1v", "hemisphere": "lh", "group": "early"}
    rows = [("none", "a", "untuned", .1), ("none", "b", "untuned", .3),
            ("a", "a", "contrastive", .2),
            ("all", "a", "pooled, avg", .4), ("all", "b", "pooled, avg", .4)]
    scores = pd.DataFrame(rows, columns=["donor", "subject", "kind", "r"]).assign(**place)
    found = outcomes.gains_of(scores).set_index("kind")["gain"]
    assert found["contrastive"] == pytest.approx(.1) and found["pooled, avg"] == pytest.approx(.2)


def test_opposite_pairs_minus_same_pairs_within_a_participant():
    rows = [("none", "none", "none"), ("a", "V1v", "lh"), ("a", "V1v", "rh"), ("a", "V2v", "lh"),
            ("a", "V2v", "rh"), ("b", "V1v", "lh")]
    members = pd.DataFrame(rows, columns=["donor", "roi", "hemisphere"])
    distances = np.arange(36.0).reshape(6, 6)
    distances = distances + distances.T
    found = outcomes.opposite_minus_same(distances, members)
    same = (distances[1, 3] + distances[2, 4]) / 2
    opposite = (distances[1, 4] + distances[2, 3]) / 2
    assert found["a"] == pytest.approx(opposite - same) and np.isnan(found["b"])
    assert list(found.index) == ["a", "b"]
    distances[1, 4] = distances[4, 1] = 99
    assert outcomes.opposite_minus_same(distances, members)["a"] > found["a"]


@pytest.mark.parametrize(("values", "expected", "verdict"), [
    ([1, 1.1, 1.2], "above 0", "supported"), ([1, 1.1, 1.2], "below 0", "contradicted"),
    ([-1, -1.1, -1.2], "below 0", "supported"), ([-1, 1, .1], "above 0", "inconclusive"),
    ([1, np.nan], "above 0", "not testable here"), ([], "above 0", "not testable here")])
def test_a_claim_is_judged_by_the_interval_of_its_mean(values, expected, verdict):
    ledger = Ledger(Provenance("00", "demo", "SYNTHETIC", 0, "cpu", "abc"))
    ledger.interval("claim", values, expected, of="a difference", source="s", paper="p")
    (claim,) = ledger.claims
    assert claim.verdict == verdict
    assert claim.rule == f"a difference, over participants, 95 % interval {expected}"
    if len(values) == 3:
        low, high = stats.t.interval(.95, 2, np.mean(values), stats.sem(values))
        assert claim.run == f"{np.mean(values):+.3f} [{low:.3f}, {high:.3f}], n = 3"
