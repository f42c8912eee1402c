"""Changes of accuracy and distances between networks, with participants as the sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.finetuning.statistics import pivot_subject_by_seed

MODEL_COLUMNS = ["donor", "seed", "roi", "hemisphere", "group", "condition"]
"""Columns that identify a network in a table."""


def add_accuracy_change(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Add the change of accuracy from the pretrained network, task by task, as ``change``.

    Parameters
    ----------
    accuracies : DataFrame
        Of `helpers.landscape.study.task_accuracies`, with the condition "pretrained".
    """
    before = accuracies[accuracies["condition"] == "pretrained"].set_index("task")["accuracy"]
    return accuracies.assign(change=accuracies["accuracy"] - accuracies["task"].map(before))


def pivot_donor_by_seed(table: pd.DataFrame, value: str, **where: str) -> pd.DataFrame:
    """Average a column over the networks of each participant, of rows with the values ``where``.

    Returns
    -------
    DataFrame
        Participants (rows) x trainings (columns).
    """
    rows = (table[list(where)] == pd.Series(where)).all(axis=1)
    return pivot_subject_by_seed(table[rows], value, "donor")


def accuracy_matrix(accuracies: pd.DataFrame, task: str,
                    condition: str = "contrastive") -> pd.DataFrame:
    """Arrange accuracies as published: regions x participants, their mean, pooled networks.

    The first row is the pretrained network, in the column ``mean``; NaN where there is no network.
    """
    part = accuracies[accuracies["task"] == task]
    side = part["hemisphere"].replace({"both": "", "none": ""})
    part = part.assign(region=(side + " " + part["roi"]).str.strip())
    wide = part[part["condition"] == condition].pivot_table(
        index="region", columns="donor", values="accuracy", sort=False)
    wide["mean"] = wide.mean(axis=1)
    for pooled in part.loc[part["donor"] == "all", "condition"].unique():
        wide[pooled] = part[part["condition"] == pooled].groupby("region")["accuracy"].mean()
    before = part.loc[part["condition"] == "pretrained", "accuracy"].iloc[0]
    first = pd.DataFrame({"mean": before}, index=["pretrained"]).reindex(columns=wide.columns)
    return pd.concat([first, wide]).rename_axis(index=None, columns=None)


def encoding_gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each network's gain in r over the pretrained network; pooled ones: participants' mean.

    Parameters
    ----------
    scores : DataFrame
        Of `helpers.finetuning.statistics.region_scores`, with the condition "pretrained".

    Returns
    -------
    DataFrame
        Columns `MODEL_COLUMNS` and ``gain``.
    """
    place = ["subject", "roi", "hemisphere", "group", "seed"]
    before = scores[scores["condition"] == "pretrained"][[*place, "r", "r_unseen"]]
    both = scores[scores["condition"] != "pretrained"].merge(before, on=place,
                                                             suffixes=("", "_pretrained"))
    # A pooled network and the pretrained one: on images that no other participant's training had.
    both["gain"] = (both["r"] - both["r_pretrained"]).where(
        both["donor"] != "all", both["r_unseen"] - both["r_unseen_pretrained"])
    return both.groupby(MODEL_COLUMNS, sort=False)["gain"].mean().reset_index()


def interpolation_advantage(paths: pd.DataFrame, interpolation: float) -> pd.DataFrame:
    r"""Return the gain at an interpolation coefficient beyond its share of the loss.

    .. math:: \frac{g_s\, l_1 - l_s\, g_1}{\bar l_1}

    With one participant this is :math:`g_s - g_1\, l_s / l_1`: the gain minus what the same
    fraction of the loss would buy if gain and loss grew together. Nothing is divided by a gain,
    which may be nearly 0; participants are weighted by their loss.

    Parameters
    ----------
    paths : DataFrame
        Columns ``donor, seed, interpolation, gain, change`` (of accuracy; the loss is minus this),
        one row a network.
    interpolation : float
        The coefficient s.

    Returns
    -------
    DataFrame, participants x trainings
        In units of r. Above 0: a trade-off.
    """
    mean = paths.groupby(["interpolation", "donor", "seed"])[["gain", "change"]].mean()
    some, whole = mean.loc[interpolation], mean.loc[1.0]
    return ((some["gain"] * whole["change"] - some["change"] * whole["gain"])
            / (whole["change"].mean() or np.nan)).unstack("seed")


def change_where_gained(paths: pd.DataFrame, interpolation: float) -> pd.DataFrame:
    """Return the change of accuracy of networks that gained in r, at an interpolation coefficient.

    Parameters
    ----------
    paths, interpolation
        As of `interpolation_advantage`.

    Returns
    -------
    DataFrame, participants x trainings
        Means over networks; NaN where none gained, no row where no training of a participant did.
    """
    gained = paths[(paths["interpolation"] == interpolation) & (paths["gain"] > 0)]
    return pivot_subject_by_seed(gained, "change", "donor")


def hemisphere_distance_difference(distances: NDArray,
                                   finetuned_models: pd.DataFrame) -> pd.DataFrame:
    """Compare pairs of opposite hemispheres with pairs of the same one, of different regions.

    Parameters
    ----------
    distances : array, float, shape (n_networks, n_networks)
    finetuned_models : DataFrame
        Columns ``donor, seed, roi, hemisphere``, in the order of ``distances``.

    Returns
    -------
    DataFrame, participants x trainings: mean distance of opposite minus that of same pairs
        Pairs of one participant and training only. NaN without both sorts of pairs; pretrained
        networks, whose hemisphere is "none", are left out.
    """
    models = finetuned_models.assign(place=np.arange(len(finetuned_models)))
    models = models[models["hemisphere"].isin(["lh", "rh", "both"])]
    pairs = models.merge(models, on=["donor", "seed"], suffixes=("", "_other"))
    pairs = pairs[(pairs["place"] < pairs["place_other"]) & (pairs["roi"] != pairs["roi_other"])]
    values = pd.Series(distances[pairs["place"], pairs["place_other"]], pairs.index)
    is_opposite = pairs["hemisphere"] != pairs["hemisphere_other"]
    opposite, same = (values[kept].groupby([pairs["donor"], pairs["seed"]]).mean()
                      for kept in (is_opposite, ~is_opposite))
    trainings = pd.MultiIndex.from_frame(models[["donor", "seed"]].drop_duplicates())
    return (opposite - same).reindex(trainings).unstack("seed")
