"""DeepNSD (Conwell et al. 2024): published scores of 224 networks on human occipitotemporal cortex.

``results_summary.csv`` (a score of each network and measure), ``noise_ceilings.csv`` (five
simulations for each of NSD's participants 1, 2, 5 and 7); ``voxel_metadata_OTC.csv`` (regions and
ncsnr of 29,480 voxels) belongs to the release and is not read. The networks' scores are those of
the authors' analysis: half of 1,000 images fits and selects the layer, the other half tests; mean
over the four participants, all of whose voxels count together, not region by region.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.files import unlike_release
from helpers.core.content_digests import files_digest
from helpers.core.text import TextTable, read_table
from helpers.lab import Laboratory

MEASURES = {"crsa": "classical RSA", "srpr": "voxel encoding", "wrsa": "voxel-encoding RSA"}
"""Metric in the file -> its name here. Classical RSA: Pearson correlation of the layer's RDM with
the measured one. Voxel encoding: mean Pearson r of voxels predicted by ridge regression from sparse
random projections of the layer. Voxel-encoding RSA (the paper's weighted RSA): the RDM of these
predictions against the measured one."""
WITH_CEILING = ("classical RSA", "voxel-encoding RSA")
"""Measures to which the published noise ceilings belong: correlations of RDMs."""
FILES = ("results_summary.csv", "noise_ceilings.csv", "voxel_metadata_OTC.csv")


@dataclass(frozen=True)
class PublishedScores:
    """The published numbers.

    Attributes
    ----------
    scores : DataFrame
        One row a network: ``network`` (its identifier there), ``name, objective, diet``, and one
        column for each of `MEASURES` (r).
    ceilings : dict, participant -> float
        Noise ceiling of the RDM of all voxels (r), mean over the published simulations.
    """

    scores: pd.DataFrame
    ceilings: dict[int, float]


def open_published_scores(laboratory: Laboratory) -> PublishedScores | None:
    """Open what the profile names in [published_scores]; None where it names none."""
    spec = laboratory.profile.published_scores
    if spec is None:
        return None
    root = laboratory.folder(spec)
    published = read_deepnsd(root)
    laboratory.record("published_scores", files_digest([root / name for name in FILES]))
    return published


def read_deepnsd(root: Path) -> PublishedScores:
    """Read the published tables.

    Parameters
    ----------
    root : Path
        Holds `FILES`.

    Raises
    ------
    LabError
        If a file is missing or damaged, a score is no correlation, or a network lacks a measure
        or has it twice.
    """
    return PublishedScores(_read_scores(root / FILES[0]), _read_ceilings(root / FILES[1]))


def _read_scores(path: Path) -> pd.DataFrame:
    table = read_table(path, ("model_string", "display_name", "train_task", "metric", "score"),
                       optional_columns=("train_data",), what="scores of networks")
    long = pd.DataFrame({
        "network": table.columns["model_string"], "name": table.columns["display_name"],
        "objective": table.columns["train_task"],
        "diet": table.columns.get("train_data", [""] * len(table.lines)),
        "metric": table.columns["metric"], "score": _numbers(table, "score", -1, 1)})
    long["diet"] = long["diet"].replace({"NA": ""})
    wanted = long[long["metric"].isin(MEASURES)].assign(
        metric=lambda rows: rows["metric"].map(MEASURES))
    measures = list(MEASURES.values())
    counts = pd.crosstab(wanted["network"], wanted["metric"])
    counts = counts.reindex(columns=measures, fill_value=0)
    for network, row in counts[(counts != 1).any(axis=1)].iterrows():
        raise unlike_release(f"{path}: {network} has {dict(row)} scores",
                             "one score a network and measure")
    if not len(counts):
        raise unlike_release(f"{path} has no score of the measures {', '.join(MEASURES)}",
                             "rows of these metrics")
    about = wanted.drop_duplicates("network").set_index("network")[["name", "objective", "diet"]]
    by_measure = wanted.pivot(index="network", columns="metric", values="score")
    return about.join(by_measure[measures]).reset_index()


def _read_ceilings(path: Path) -> dict[int, float]:
    table = read_table(path, ("subj_id", "value"), what="noise ceilings")
    values = pd.Series(_numbers(table, "value", 0, 1)).groupby(table.integers("subj_id")).mean()
    if not len(values):
        raise unlike_release(f"{path} is empty", "a noise ceiling of each participant")
    return {int(subject): float(value) for subject, value in values.items()}


def _numbers(table: TextTable, name: str, low: float, high: float) -> NDArray[np.float64]:
    """Return a column of numbers between two bounds.

    Raises
    ------
    LabError
        If a cell is no number or lies outside: names the line.
    """
    values = pd.to_numeric(pd.Series(table.columns[name]), errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(wrong):
        raise unlike_release(f"{table.path}, line {table.lines[wrong[0]]}: {name} is "
                             f"{table.columns[name][wrong[0]]!r}",
                             f"a number from {low:g} to {high:g}")
    return values
