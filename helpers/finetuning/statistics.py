"""What tuning bought: regions compared between kinds; participants and trainings as the sample."""

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
        Of `helpers.finetuning.study.FineTuningStudy.run`.

    Returns
    -------
    DataFrame
        Columns ``donor, subject, roi, hemisphere, group, kind, seed, n_voxels, r, p2, normalised,
        layer``. ``normalised`` is the sum of r over the sum of the voxels' ceilings: voxels
        without signal have a ceiling near 0, by which no single r can be divided.
    """
    rows = []
    network = ["donor", *REGION_COLUMNS, "condition", "seed"]
    for values, part in voxels.groupby(network, sort=False):
        has_ceiling = part["noise_ceiling"] > 0
        rows.append({**dict(zip(network, values)), "n_voxels": len(part),
                     "r": part["r"].mean(), "p2": part["p2"].mean(),
                     "normalised": part.loc[has_ceiling, "r"].sum()
                     / part.loc[has_ceiling, "noise_ceiling"].sum()
                     if has_ceiling.any() else np.nan, "layer": part["layer"].iloc[0]})
    return pd.DataFrame(rows)


def fraction_improved(voxels: pd.DataFrame, condition: str, baseline: str) -> pd.DataFrame:
    """Return the fraction of voxels that one condition predicts better than another.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.run`; may hold several donors of ``condition``.
    condition, baseline : str

    Returns
    -------
    DataFrame
        Columns ``donor`` (of ``condition``), ``subject, roi, hemisphere, group, seed, improved``
        (0 to 1), one row for each region, donor and training.

    Notes
    -----
    Mulrooney & Brockmeier (2024): 100 mean_v[r_A(v) > r_B(v)]; authors' analysis code.
    """
    scores_condition, scores_baseline = (voxels[voxels["condition"] == name] for name in (condition,
                                                                                          baseline))
    if scores_condition.empty or scores_baseline.empty:
        raise LabError(f"no scores of {condition if scores_condition.empty else baseline!r}",
                       expected="both kinds in the table", remedy="run both kinds first")
    scores_baseline = scores_baseline[[*REGION_COLUMNS, "seed", "voxel", "r",
                                       "donor"]].rename(columns={"donor": "baseline_donor"})
    both = scores_condition.merge(scores_baseline, on=[*REGION_COLUMNS, "seed", "voxel"],
                                  suffixes=("", "_over"))
    # Where both have donors, a network is compared with the one of the same donor.
    both = both[(both["baseline_donor"] == both["donor"]) | ~both["baseline_donor"].isin(
        both["donor"].unique())]
    better = both.assign(improved=(both["r"] > both["r_over"]).astype(float))
    return better.groupby(["donor", *REGION_COLUMNS, "seed"],
                          sort=False)["improved"].mean().reset_index()


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
    """Keep the rows of a group of regions; "all" keeps everything."""
    return table if group == "all" else table[table["group"] == group]


def condition_differences(voxels: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare conditions in each group of regions.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.FineTuningStudy.run`, every network with its own participant.
    pairs : sequence of (kind, over)

    Returns
    -------
    DataFrame
        One row per pair and group: ``condition, baseline, group, n`` (participants), ``difference``
        (of mean r, averaged over regions within participants), ``low, high`` (95 % interval over
        participants and trainings, shared ones where a network is not the participant's own), ``p,
        p_holm`` (two-sided, of the participants' means over trainings, corrected over all rows) and
        ``improved``.
    """
    scores, rows = region_scores(voxels), []
    for condition, baseline in pairs:
        improved_fraction = fraction_improved(voxels, condition, baseline)
        gains = _gains(scores, condition, baseline)
        part = voxels[voxels["condition"].isin([condition, baseline])]
        crossed = bool((~part["donor"].isin(["none"]) & (part["donor"] != part["subject"])).any())
        for group in GROUPS:
            wide = (pivot_shared_models if crossed
                    else pivot_subject_by_seed)(select_group(gains, group), "gain")
            gain_by_subject = wide.to_numpy()
            if not gain_by_subject.size:
                continue
            low, high = confidence_interval(gain_by_subject, crossed=crossed)
            gain_by_subject = gain_by_subject.mean(1)
            rows.append({"condition": condition, "baseline": baseline, "group": group,
                         "n": len(gain_by_subject),
                         "difference": gain_by_subject.mean(), "low": low, "high": high,
                         "p": paired_t_test(gain_by_subject, np.zeros(len(gain_by_subject)))[2],
                         "improved": pivot_subject_by_seed(select_group(improved_fraction, group),
                                                           "improved").mean(axis=None)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=correct_p_values(table["p"], "holm"))


def condition_differences_by_region(voxels: pd.DataFrame,
                                    pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare conditions in every region by paired t over participants, Holm over all rows.

    Participants without the region are left out (the published code gave them r = -1).
    """
    scores, rows = region_scores(voxels), []
    for condition, baseline in pairs:
        for (roi, hemisphere), part in _gains(scores, condition,
                                              baseline).groupby(["roi", "hemisphere"],
                                                                sort=False):
            gain = pivot_subject_by_seed(part, "gain").mean(axis=1).to_numpy()
            difference, t, p = paired_t_test(gain, np.zeros(len(gain)))
            rows.append({"condition": condition, "baseline": baseline, "roi": roi,
                         "hemisphere": hemisphere,
                         "n": len(gain), "difference": difference, "t": t, "p": p})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=correct_p_values(table["p"], "holm"))


def _gains(scores: pd.DataFrame, condition: str, baseline: str) -> pd.DataFrame:
    scores_condition, scores_baseline = (scores[scores["condition"] == name][[*REGION_COLUMNS,
                                                                              "seed", "r"]]
                                         for name in (condition, baseline))
    both = scores_condition.merge(scores_baseline, on=[*REGION_COLUMNS, "seed"],
                                  suffixes=("", "_over"))
    return both.assign(gain=both["r"] - both["r_over"])


def donor_matrix(improved_fraction: pd.DataFrame, group: str) -> pd.DataFrame:
    """Arrange the fraction of improved voxels as donors (rows) x receivers (columns).

    Means over the regions that *all* participants have, as published (authors' analysis code).

    Parameters
    ----------
    improved_fraction : DataFrame
        Of `improved`, every donor's network with every receiver.
    group : {"early", "higher", "all"}
    """
    part = select_group(improved_fraction, group)
    n_subjects = part["subject"].nunique()
    n_owners = part.groupby(["roi", "hemisphere"])["subject"].transform("nunique")
    return part[n_owners == n_subjects].pivot_table(index="donor", columns="subject",
                                                    values="improved", aggfunc="mean")


def within_and_cross_participant(improved_fraction: pd.DataFrame) -> pd.DataFrame:
    """Return ``own`` (the participant's network) and ``others`` (mean over donors).

    One row for every region and training.
    """
    own = improved_fraction["donor"] == improved_fraction["subject"]

    def mean(rows: pd.DataFrame) -> pd.Series:
        return rows.groupby([*REGION_COLUMNS, "seed"], sort=False)["improved"].mean()

    return pd.DataFrame({"within_participant": mean(improved_fraction[own]),
                         "cross_participant": mean(improved_fraction[~own])}).reset_index()
