"""What tuning bought: regions compared between kinds; participants and trainings as the sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.encoding.encoding_tests import paired
from helpers.ground.errors import LabError
from helpers.ground.stats import corrected, interval

REGION = ["subject", "roi", "hemisphere", "group"]
GROUPS = ("early", "higher", "all")


def region_scores(voxels: pd.DataFrame) -> pd.DataFrame:
    """Average the voxels of every region.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.Study.run`.

    Returns
    -------
    DataFrame
        Columns ``donor, subject, roi, hemisphere, group, kind, seed, n_voxels, r, p2, normalised,
        layer``. ``normalised`` is the sum of r over the sum of the voxels' ceilings: voxels
        without signal have a ceiling near 0, by which no single r can be divided.
    """
    rows = []
    network = ["donor", *REGION, "kind", "seed"]
    for values, part in voxels.groupby(network, sort=False):
        known = part["ceiling"] > 0
        rows.append({**dict(zip(network, values)), "n_voxels": len(part),
                     "r": part["r"].mean(), "p2": part["p2"].mean(),
                     "normalised": part.loc[known, "r"].sum() / part.loc[known, "ceiling"].sum()
                     if known.any() else np.nan, "layer": part["layer"].iloc[0]})
    return pd.DataFrame(rows)


def improved(voxels: pd.DataFrame, kind: str, over: str) -> pd.DataFrame:
    """Return the share of voxels that one kind of tuning predicts better than another.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.Study.run`; may hold several donors of ``kind``.
    kind, over : str

    Returns
    -------
    DataFrame
        Columns ``donor`` (of ``kind``), ``subject, roi, hemisphere, group, seed, improved``
        (0 to 1), one row for each region, donor and training.

    Notes
    -----
    Mulrooney & Brockmeier (2024): 100 mean_v[r_A(v) > r_B(v)]; spec 3.4.
    """
    ours, theirs = (voxels[voxels["kind"] == name] for name in (kind, over))
    if ours.empty or theirs.empty:
        raise LabError(f"no scores of {kind if ours.empty else over!r}",
                       expected="both kinds in the table", remedy="run both kinds first")
    theirs = theirs[[*REGION, "seed", "voxel", "r", "donor"]].rename(columns={"donor": "of"})
    both = ours.merge(theirs, on=[*REGION, "seed", "voxel"], suffixes=("", "_over"))
    # Where both have donors, a network is compared with the one of the same donor.
    both = both[(both["of"] == both["donor"]) | ~both["of"].isin(both["donor"].unique())]
    better = both.assign(improved=(both["r"] > both["r_over"]).astype(float))
    return better.groupby(["donor", *REGION, "seed"], sort=False)["improved"].mean().reset_index()


def by_seed(table: pd.DataFrame, value: str, row: str = "subject") -> pd.DataFrame:
    """Average a column over regions: participants (rows) x trainings (columns)."""
    return table.pivot_table(index=row, columns="seed", values=value, sort=False)


def by_training(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Arrange a column of networks that participants share: participants x (region, training).

    Regions that not all participants have are left out.
    """
    return table.pivot_table(index="subject", columns=["roi", "hemisphere", "seed"], values=value,
                             sort=False).dropna(axis=1)


def in_group(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Keep the rows of a group of regions; "all" keeps everything."""
    return table if group == "all" else table[table["group"] == group]


def compared(voxels: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare kinds of tuning in each group of regions.

    Parameters
    ----------
    voxels : DataFrame
        Of `helpers.finetuning.study.Study.run`, every network with its own participant.
    pairs : sequence of (kind, over)

    Returns
    -------
    DataFrame
        One row per pair and group: ``kind, over, group, n`` (participants), ``difference`` (of
        mean r, averaged over regions within participants), ``low, high`` (95 % interval over
        participants and trainings, shared ones where a network is not the participant's own),
        ``p, p_holm`` (two-sided, of the participants' means over
        trainings, corrected over all rows) and ``improved``.
    """
    scores, rows = region_scores(voxels), []
    for kind, over in pairs:
        share = improved(voxels, kind, over)
        gains = _gains(scores, kind, over)
        part = voxels[voxels["kind"].isin([kind, over])]
        shared = bool((~part["donor"].isin(["none"]) & (part["donor"] != part["subject"])).any())
        for group in GROUPS:
            arranged = (by_training if shared else by_seed)(in_group(gains, group), "gain")
            each = arranged.to_numpy()
            if not each.size:
                continue
            low, high = interval(each, shared=shared)
            each = each.mean(1)
            rows.append({"kind": kind, "over": over, "group": group, "n": len(each),
                         "difference": each.mean(), "low": low, "high": high,
                         "p": paired(each, np.zeros(len(each)))[2],
                         "improved": by_seed(in_group(share, group), "improved").mean(axis=None)})
    found = pd.DataFrame(rows)
    return found.assign(p_holm=corrected(found["p"], "holm"))


def compared_by_region(voxels: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Compare kinds of tuning in every region by paired t over participants, Holm over all rows.

    Participants without the region are left out (the published code gave them r = -1).
    """
    scores, rows = region_scores(voxels), []
    for kind, over in pairs:
        for (roi, side), part in _gains(scores, kind, over).groupby(["roi", "hemisphere"],
                                                                    sort=False):
            gain = by_seed(part, "gain").mean(axis=1).to_numpy()
            difference, t, p = paired(gain, np.zeros(len(gain)))
            rows.append({"kind": kind, "over": over, "roi": roi, "hemisphere": side,
                         "n": len(gain), "difference": difference, "t": t, "p": p})
    found = pd.DataFrame(rows)
    return found.assign(p_holm=corrected(found["p"], "holm"))


def _gains(scores: pd.DataFrame, kind: str, over: str) -> pd.DataFrame:
    ours, theirs = (scores[scores["kind"] == name][[*REGION, "seed", "r"]]
                    for name in (kind, over))
    both = ours.merge(theirs, on=[*REGION, "seed"], suffixes=("", "_over"))
    return both.assign(gain=both["r"] - both["r_over"])


def donor_matrix(share: pd.DataFrame, group: str) -> pd.DataFrame:
    """Arrange the share of improved voxels as donors (rows) x receivers (columns).

    Means over the regions that *all* participants have, as published (spec 3.4).

    Parameters
    ----------
    share : DataFrame
        Of `improved`, every donor's network with every receiver.
    group : {"early", "higher", "all"}
    """
    part = in_group(share, group)
    everyone = part["subject"].nunique()
    owned = part.groupby(["roi", "hemisphere"])["subject"].transform("nunique")
    return part[owned == everyone].pivot_table(index="donor", columns="subject",
                                               values="improved", aggfunc="mean")


def own_and_others(share: pd.DataFrame) -> pd.DataFrame:
    """Return ``own`` (the participant's network) and ``others`` (mean over donors).

    One row for every region and training.
    """
    own = share["donor"] == share["subject"]
    mean = lambda rows: rows.groupby([*REGION, "seed"], sort=False)["improved"].mean()  # noqa: E731
    return pd.DataFrame({"own": mean(share[own]), "others": mean(share[~own])}).reset_index()
