"""A network at one moment of its training: selectivity, decodability, likeness to brains.

The zoo measures networks so while it trains them; a notebook measures one that is there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.encoding.brain_data import FEWEST, read_responses
from helpers.encoding.cohort_features import mean_features
from helpers.ground.errors import LabError
from helpers.ground.languages import LanguageSpec
from helpers.ground.text import read_text
from helpers.networks.activations import channel_means, collect
from helpers.networks.network import Network
from helpers.selectivity.probes import linear_probe
from helpers.siblings.outcomes import at_rate, share_rows, strength_rows
from helpers.siblings.stages import Stage
from helpers.similarity.rsa import rank_r, ranks_of, rdm
from helpers.stimuli.image_sets import CORE, ImageSet

EARLY = "early"
"""Stands where a domain stands, in the rows of a region that prefers none."""
MEASURES = ("share", "d_prime", "recall", "similarity")
COLUMNS = ("kind", "seed", "step", "layer", "domain", *MEASURES)


@dataclass(frozen=True)
class Regions:
    """Which pictures are alike to regions of several participants.

    Attributes
    ----------
    cohort : Cohort
    conditions : array, int64, shape (n_conditions,)
        Shown to all of them.
    rdms : dict, domain (or ``EARLY``) -> array, float64, shape (n_subjects, n_pairs)
        Of the participants who have the region.
    """

    cohort: Cohort
    conditions: NDArray[np.int64]
    rdms: Mapping[str, NDArray[np.float64]]

    def ceiling(self, domain: str) -> float:
        """Return how well one participant's dissimilarities agree with the mean of the others'.

        Spearman's r, averaged over participants; NaN where one alone has the region.
        """
        rows = self.rdms[domain]
        if len(rows) < 2:
            return float("nan")
        return float(np.mean([rank_r(np.delete(rows, i, 0).mean(0), row)
                              for i, row in enumerate(rows)]))

    @cached_property
    def ranks(self) -> dict[str, NDArray[np.float64]]:
        """The ranks of ``rdms``, each participant's with mean 0 and length 1."""
        return {domain: _standard_ranks(rows) for domain, rows in self.rdms.items()}


def regions_of(cohort: Cohort, spec: LanguageSpec) -> Regions:
    """Read the regions that networks are compared with, at the test pictures of all participants.

    Parameters
    ----------
    cohort : Cohort
    spec : LanguageSpec
        Names the regions; those that nobody has are left out.

    Raises
    ------
    LabError
        If the participants share fewer than four test conditions.
    """
    names = {**(spec.regions or {}), **({EARLY: spec.early} if spec.early else {})}
    tests = [np.unique(np.concatenate([fold.test for fold in cohort.folds(subject)]))
             for subject in cohort.subjects]
    conditions = reduce(np.intersect1d, tests)
    if len(conditions) < 4:
        raise LabError(f"{len(conditions)} test conditions that all participants were shown",
                       expected="four or more", remedy="name fewer participants in the profile")
    rows: dict[str, list[NDArray]] = {domain: [] for domain in names}
    for subject in cohort.subjects:
        owned = [roi for roi in names.values() if roi in cohort.rois(subject)]
        responses = read_responses(cohort, subject, owned) if owned else None
        for domain, roi in names.items():
            if roi in owned and responses.members[roi].sum() >= FEWEST:
                rows[domain].append(rdm(responses.of(roi).mean(conditions)))
    return Regions(cohort, conditions,
                   {domain: np.array(found) for domain, found in rows.items() if found})


def moment_rows(network: Network, stages: Mapping[str, Stage], categories: ImageSet,
                regions: Regions | None, *, n_best: int, batch_size: int) -> pd.DataFrame:
    """Measure a network at one moment.

    Parameters
    ----------
    network : Network
        With the ends of its stages as layers.
    stages : dict, layer -> Stage
        Of the same network.
    categories : ImageSet
        Pictures in folders finer than domains; those of scrambled pictures are left out.
    regions : Regions, optional
    n_best : int
        Units of each domain and layer whose held-out d' counts.
    batch_size : int

    Returns
    -------
    DataFrame
        One row per layer and domain: ``layer, domain``; ``share`` of selective units; ``d_prime``
        of the ``n_best`` units on the pictures that had no part in choosing them; ``recall``: the
        share of a domain's pictures whose folder a linear reader of the layer's feature maps
        tells, taught on the other half; ``similarity`` to the domain's region (Spearman's r of
        dissimilarities, mean over participants). Rows of ``EARLY`` have the last alone.
    """
    shares = at_rate(share_rows(stages, CORE)).set_index(["layer", "domain"])["share"]
    strong = strength_rows(stages, CORE, n_best=n_best)
    d_prime = strong[strong["measure"] == "d'"].set_index(["layer", "domain"])["value"]
    found = pd.DataFrame({"share": shares, "d_prime": d_prime,
                          "recall": _recall(network, categories, batch_size)})
    alike = _similarity(network, regions, batch_size) if regions else pd.Series(dtype=float)
    rows = found.join(alike.rename("similarity"), how="outer").rename_axis(["layer", "domain"])
    return rows.reindex([(layer, domain) for layer in stages for domain in (*CORE, EARLY)
                         if (layer, domain) in rows.index]).reset_index()


def _recall(network: Network, categories: ImageSet, batch_size: int) -> pd.Series:
    named = set(CORE) | {"objects"}
    rows = np.flatnonzero([domain in named for domain in categories.domains])
    pictures = categories.select(rows)
    chunks = [range(i, min(i + batch_size, len(rows))) for i in range(0, len(rows), batch_size)]
    features = collect(network.model, network.layers,
                       pictures.batches(chunks, network.preprocessing), read=channel_means)
    teach, labels = pictures.halves == 0, pictures.labels
    domains, found = np.array(pictures.domains), {}
    for layer, values in features.items():
        x = values.numpy()
        told = linear_probe(x[teach], labels[teach], x[~teach]) == labels[~teach]
        found |= {(layer, domain): float(told[domains[~teach] == domain].mean())
                  for domain in CORE if (domains == domain).any()}
    return pd.Series(found, dtype=float)


def _similarity(network: Network, regions: Regions, batch_size: int) -> pd.Series:
    features = mean_features(network, list(network.layers), regions.cohort, regions.conditions,
                             label="shared test", batch_size=batch_size)
    found = {}
    for layer, rows in features.items():
        of_layer = rdm(rows)
        found |= {(layer, domain): float(np.mean(_rank_correlations(measured, of_layer)))
                  for domain, measured in regions.ranks.items()}
    return pd.Series(found, dtype=float)


def read_record(path: Path) -> pd.DataFrame:
    """Read the zoo's record of moments.

    Raises
    ------
    LabError
        If it is absent, or is no such record.
    """
    if not path.is_file():
        raise LabError(f"no {path}", expected="the record of how networks were on their way",
                       remedy="make zoo trains the demo networks again and writes it")
    try:
        found = pd.read_csv(io.StringIO(read_text(path)))
    except ValueError as error:
        raise LabError(f"{path} cannot be read: {error}", expected="the zoo's record, as it was "
                       "written", remedy="take it from the repository (git checkout)") from error
    if tuple(found.columns) != COLUMNS:
        raise LabError(f"{path} has the columns {', '.join(found.columns)}",
                       expected=", ".join(COLUMNS), remedy="make zoo writes it again")
    return found


def _standard_ranks(rows: NDArray) -> NDArray[np.float64]:
    ranks = ranks_of(rows)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # ranks that are all equal: NaN
        return ranks / np.linalg.norm(ranks, axis=-1, keepdims=True)


def _rank_correlations(standard: NDArray, row: NDArray) -> NDArray[np.float64]:
    """Return Spearman's r of every row of standard ranks with another row."""
    return standard @ _standard_ranks(row)


def chance_of_recall(categories: ImageSet) -> float:
    """Return the recall of a reader that guesses among the intact folders."""
    named = set(CORE) | {"objects"}
    return 1 / len({category for category, domain in zip(categories.categories,
                                                         categories.domains) if domain in named})


def half_way(steps: Sequence[int], values: Sequence[float]) -> float:
    """Return the step at which a curve has risen half of the way from its first to its last value.

    Between two moments it is taken to rise evenly in the logarithm of the step (plus one). NaN for
    a curve that ends no higher than it began.
    """
    values, at = np.asarray(values, float), np.log1p(np.asarray(steps, float))
    half = (values[0] + values[-1]) / 2
    if not values[-1] > values[0]:
        return float("nan")
    after = int(np.argmax(values >= half))
    share = (half - values[after - 1]) / (values[after] - values[after - 1])
    return float(np.expm1(at[after - 1] + share * (at[after] - at[after - 1])))
