"""Differences between conditions, with participants and trainings as the sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.core.errors import LabError
from helpers.core.statistics import confidence_interval, correct_p_values
from helpers.encoding.statistics import paired_t_test

REGION_COLUMNS = ["subject", "roi", "hemisphere", "group"]
GROUPS = ("early", "higher", "all")


def region_scores(voxels: pd.DataFrame) -> pd.DataFrame:
    """Average the voxels of every region.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.voxel_scores`.

    Returns
    -------
    DataFrame
        Columns ``donor, subject, roi, hemisphere, group, condition, seed, n_voxels, r, r_all,
        r_unseen, p2, normalised, layer``. ``normalised`` is the sum of r over the sum of the
        voxels' ceilings: voxels without signal have a ceiling near 0, by which no single r can be
        divided.
    """
    rows = []
    network = ["donor", *REGION_COLUMNS, "condition", "seed"]
    for values, part in voxels.groupby(network, sort=False):
        has_ceiling = part["noise_ceiling"] > 0
        rows.append({**dict(zip(network, values)), "n_voxels": len(part),
                     **part[["r", "r_all", "r_unseen", "p2"]].mean(),
                     "normalised": part.loc[has_ceiling, "r"].sum()
                     / part.loc[has_ceiling, "noise_ceiling"].sum()
                     if has_ceiling.any() else np.nan, "layer": part["layer"].iloc[0]})
    return pd.DataFrame(rows)


def fraction_improved(voxels: pd.DataFrame, condition: str, baseline: str) -> pd.DataFrame:
    """Return the fraction of voxels that one condition predicts better than another.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.voxel_scores`; may hold several
        donors of ``condition``.
    condition, baseline : str

    Returns
    -------
    DataFrame
        Columns ``donor`` (of ``condition``), ``subject, roi, hemisphere, group, seed, improved``
        (0 to 1), one row for each region, donor and training.

    Notes
    -----
    Mulrooney & Brockmeier (2024): 100 mean_v[r_A(v) > r_B(v)]; authors' analysis code. With pooled
    and cross-participant models both are compared on the images of `on_the_same_images`.
    """
    both = _pair_conditions(voxels, condition, baseline, "voxel")
    # Where both have donors, a network is compared with the one of the same donor.
    both = both[(both["donor_baseline"] == both["donor"])
                | ~both["donor_baseline"].isin(both["donor"].unique())]
    better = both.assign(improved=(both["gain"] > 0).astype(float))
    return better.groupby(["donor", *REGION_COLUMNS, "seed"],
                          sort=False)["improved"].mean().reset_index()


def on_the_same_images(table: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some conditions, all scored on the same held-out images.

    Where one of them has networks of other participants, ``r`` becomes ``r_unseen``: without the
    images that these networks were fine-tuned on (`FinetuningSpec.evaluate_shared`).

    Parameters
    ----------
    table : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.voxel_scores`, or of `region_scores`.
    conditions : sequence of str
    """
    part = table[table["condition"].isin(conditions)]
    return part.assign(r=part["r_unseen"]) if has_shared_networks(part) else part


def has_shared_networks(table: pd.DataFrame) -> bool:
    """Whether a network was fine-tuned to others than the participant whom it predicts."""
    return bool((~table["donor"].isin(["none"]) & (table["donor"] != table["subject"])).any())


def pivot_subject_by_seed(table: pd.DataFrame, value: str, row: str = "subject") -> pd.DataFrame:
    """Average a column over regions: participants (rows) x trainings (columns)."""
    return table.pivot_table(index=row, columns="seed", values=value, sort=False)


def pivot_shared_models(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Arrange a column of networks that participants share: participants x (region, training).

    Regions that not all participants have are left out.
    """
    return table.pivot_table(index="subject", columns=["roi", "hemisphere", "seed"], values=value,
                             sort=False).dropna(axis=1)


def select_group(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the rows of a group of regions; "all": all rows."""
    return table if group == "all" else table[table["group"] == group]


def condition_differences(voxels: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare conditions in each group of regions.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.voxel_scores`, every network with its
        own participant.
    pairs : sequence of (condition, baseline)

    Returns
    -------
    DataFrame
        One row per pair and group: ``condition, baseline, group, n`` (participants), ``difference``
        (of mean r, averaged over regions within participants), ``low, high`` (95 % interval over
        participants and trainings, crossed where participants share the networks) with its
        degrees of freedom ``df`` (`helpers.figures.verdicts.interval_p`), ``p, p_holm``
        (two-sided, of the participants' means over trainings, corrected over all rows) and
        ``improved``.
    """
    scores, rows = region_scores(voxels), []
    for condition, baseline in pairs:
        crossed = has_shared_networks(scores[scores["condition"].isin([condition, baseline])])
        improved_fraction = fraction_improved(voxels, condition, baseline)
        gains = _pair_conditions(scores, condition, baseline)
        for group in GROUPS:
            pivot = pivot_shared_models if crossed else pivot_subject_by_seed
            gain_by_training = pivot(select_group(gains, group), "gain").to_numpy()
            if not gain_by_training.size:
                continue
            low, high = confidence_interval(gain_by_training, crossed=crossed)
            gain = gain_by_training.mean(1)
            improved = pivot_subject_by_seed(select_group(improved_fraction, group), "improved")
            rows.append({"condition": condition, "baseline": baseline, "group": group,
                         "n": len(gain), "difference": gain.mean(), "low": low, "high": high,
                         "df": (min(gain_by_training.shape) if crossed else len(gain)) - 1,
                         "p": paired_t_test(gain, np.zeros(len(gain)))[2],
                         "improved": improved.mean(axis=None)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=correct_p_values(table["p"], "holm"))


def condition_differences_by_region(voxels: pd.DataFrame,
                                    pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare conditions in every region by paired t over participants, Holm over all rows.

    Participants without the region are left out (the published code gave them r = -1).
    """
    scores, rows = region_scores(voxels), []
    for condition, baseline in pairs:
        for (roi, hemisphere), part in _pair_conditions(scores, condition, baseline).groupby(
                ["roi", "hemisphere"], sort=False):
            gain = pivot_subject_by_seed(part, "gain").mean(axis=1).to_numpy()
            difference, t, p = paired_t_test(gain, np.zeros(len(gain)))
            rows.append({"condition": condition, "baseline": baseline, "roi": roi,
                         "hemisphere": hemisphere, "n": len(gain), "difference": difference,
                         "t": t, "p": p})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=correct_p_values(table["p"], "holm"))


def _pair_conditions(scores: pd.DataFrame, condition: str, baseline: str,
                     *keys: str) -> pd.DataFrame:
    """Put the scores of two conditions side by side: ``r, r_baseline, gain``, and both donors."""
    keys, scores = [*REGION_COLUMNS, "seed", *keys], on_the_same_images(scores,
                                                                        (condition, baseline))
    one, other = (scores[scores["condition"] == name] for name in (condition, baseline))
    if one.empty or other.empty:
        raise LabError(f"no scores of {condition if one.empty else baseline!r}",
                       expected="both conditions in the table",
                       remedy="evaluate both conditions first")
    both = one.merge(other[[*keys, "r", "donor"]], on=keys, suffixes=("", "_baseline"))
    return both.assign(gain=both["r"] - both["r_baseline"])


def donor_matrix(improved_fraction: pd.DataFrame, group: str) -> pd.DataFrame:
    """Arrange the fraction of improved voxels as donors (rows) x receivers (columns).

    Means over the regions that *all* participants have, as published (authors' analysis code).

    Parameters
    ----------
    improved_fraction : DataFrame
        Of `fraction_improved`, of every donor's network and every receiver.
    group : {"early", "higher", "all"}
    """
    part = select_group(improved_fraction, group)
    n_subjects = part["subject"].nunique()
    n_owners = part.groupby(["roi", "hemisphere"])["subject"].transform("nunique")
    return part[n_owners == n_subjects].pivot_table(index="donor", columns="subject",
                                                    values="improved", aggfunc="mean")


def within_and_cross_participant(improved_fraction: pd.DataFrame) -> pd.DataFrame:
    """Return improved fractions with one's own network and, mean over donors, with others'.

    One row for every region and training: columns ``within_participant, cross_participant``.
    """
    own = improved_fraction["donor"] == improved_fraction["subject"]

    def mean(rows: pd.DataFrame) -> pd.Series:
        return rows.groupby([*REGION_COLUMNS, "seed"], sort=False)["improved"].mean()

    return pd.DataFrame({"within_participant": mean(improved_fraction[own]),
                         "cross_participant": mean(improved_fraction[~own])}).reset_index()
