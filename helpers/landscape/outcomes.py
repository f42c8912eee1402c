"""What tuning cost: accuracies and distances compared, participants as the sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.finetuning.outcomes import by_seed

NETWORK = ["donor", "seed", "roi", "hemisphere", "group", "kind"]
"""What tells a network from others in a table."""


def changed(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Add the change of accuracy from the untuned network, task by task, as ``change``.

    Parameters
    ----------
    accuracies : DataFrame
        Of `helpers.landscape.reading.accuracies`, the kind "untuned" in it.
    """
    before = accuracies[accuracies["kind"] == "untuned"].set_index("task")["accuracy"]
    return accuracies.assign(change=accuracies["accuracy"] - accuracies["task"].map(before))


def by_person(table: pd.DataFrame, value: str, **where: str) -> pd.DataFrame:
    """Average a column over the networks of each participant, of rows ``where`` columns agree.

    Returns
    -------
    DataFrame
        Participants (rows) x trainings (columns).
    """
    rows = np.ones(len(table), bool)
    for column, wanted in where.items():
        rows &= (table[column] == wanted).to_numpy()
    return by_seed(table[rows], value, "donor")


def result_matrix(accuracies: pd.DataFrame, task: str, kind: str = "contrastive") -> pd.DataFrame:
    """Arrange accuracies as published: regions x participants, their mean, pooled networks.

    The first row is the untuned network, in the column ``mean``; NaN where there is no network.
    """
    part = accuracies[accuracies["task"] == task]
    side = part["hemisphere"].replace({"both": "", "none": ""})
    part = part.assign(region=(side + " " + part["roi"]).str.strip())
    wide = part[part["kind"] == kind].pivot_table(index="region", columns="donor",
                                                  values="accuracy", sort=False)
    wide["mean"] = wide.mean(axis=1)
    for pooled in part.loc[part["donor"] == "all", "kind"].unique():
        wide[pooled] = part[part["kind"] == pooled].groupby("region")["accuracy"].mean()
    before = part.loc[part["kind"] == "untuned", "accuracy"].iloc[0]
    first = pd.DataFrame({"mean": before}, index=["untuned"]).reindex(columns=wide.columns)
    return pd.concat([first, wide]).rename_axis(index=None, columns=None)


def gains_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each network's gain in r over the untuned network; pooled ones: participants' mean.

    Parameters
    ----------
    scores : DataFrame
        Of `helpers.finetuning.outcomes.region_scores`, the kind "untuned" in it.

    Returns
    -------
    DataFrame
        Columns `NETWORK` and ``gain``.
    """
    place = ["subject", "roi", "hemisphere", "group", "seed"]
    before = scores[scores["kind"] == "untuned"][[*place, "r"]]
    both = scores[scores["kind"] != "untuned"].merge(before, on=place, suffixes=("", "_untuned"))
    both["gain"] = both["r"] - both["r_untuned"]
    return both.groupby(NETWORK, sort=False)["gain"].mean().reset_index()


def bargain(paths: pd.DataFrame, share: float) -> pd.DataFrame:
    r"""Compare how much of the gain and how much of the loss some weights on the way have.

    .. math:: \frac{g_s\, l_1 - l_s\, g_1}{\bar g_1\, \bar l_1}

    With one participant this is :math:`g_s / g_1 - l_s / l_1`, the share of the gain minus that of
    the loss; participants count by what they gain and lose, so that none is divided by nearly 0.

    Parameters
    ----------
    paths : DataFrame
        Columns ``donor, seed, share, gain, change`` (of accuracy; the loss is minus this), one row
        a network.
    share : float
        Of the way, s.

    Returns
    -------
    DataFrame, participants x trainings
        Above 0: a bargain.
    """
    mean = paths.groupby(["share", "donor", "seed"])[["gain", "change"]].mean()
    some, whole = mean.loc[share], mean.loc[1.0]
    scale = whole["gain"].mean() * whole["change"].mean()
    return ((some["gain"] * whole["change"] - some["change"] * whole["gain"])
            / (scale or np.nan)).unstack("seed")


def opposite_minus_same(distances: NDArray, members: pd.DataFrame) -> pd.DataFrame:
    """Compare pairs of opposite hemispheres with pairs of the same one, of different regions.

    Parameters
    ----------
    distances : array, float, shape (n_members, n_members)
    members : DataFrame
        Columns ``donor, seed, roi, hemisphere``, in the order of ``distances``.

    Returns
    -------
    DataFrame, participants x trainings: mean distance of opposite minus that of same pairs
        Pairs within a participant's training only. NaN without both sorts of pairs; untuned
        networks, whose hemisphere is "none", are left out.
    """
    places = np.arange(len(members))
    found = {}
    for name, rows in members.assign(place=places).groupby(["donor", "seed"], sort=False):
        rows = rows[rows["hemisphere"].isin(["lh", "rh", "both"])]
        one, other = np.triu_indices(len(rows), 1)
        roi, side, place = (rows[name].to_numpy() for name in ("roi", "hemisphere", "place"))
        values, differ = distances[place[one], place[other]], roi[one] != roi[other]
        opposite = side[one] != side[other]
        sorts = values[differ & opposite], values[differ & ~opposite]
        if len(rows):
            found[name] = (sorts[0].mean() - sorts[1].mean() if all(map(len, sorts))
                            else np.nan)
    index = pd.MultiIndex.from_tuples(found, names=["donor", "seed"])
    return pd.Series(list(found.values()), index, dtype=float).unstack("seed")
