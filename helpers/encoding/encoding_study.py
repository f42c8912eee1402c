"""Encoding at work: every rival's features against every region of every participant.

What is compared, on the same conditions and with the same scores:

- the main network's selective units, sparse positive as published, and with standardised units;
- the same units without constraint (OLS), in some regions;
- its untrained twin's selective units; a network taught on faces alone, whole layers;
- two descriptions of the image that know no content: Gabor energy, and its 50 leading axes;
- ridge on whole layers of the main network: what a reader without constraint can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.brains.rois import domain_of
from helpers.encoding.brain_data import as_rows, read_responses, responses_key, used_conditions
from helpers.encoding.cohort_features import (
    WHOLE,
    Features,
    Pools,
    by_audience,
    gabor_rows,
    joined,
    mean_features,
    pictures_key,
    selective_pools,
    unit_features,
    whole_layers,
)
from helpers.encoding.encoding_jobs import Job, encode
from helpers.ground.analyses import EncodingSpec
from helpers.ground.cache import cached_table
from helpers.ground.digest import code_digest
from helpers.networks.network import Network
from helpers.selectivity.localizer import Localizer
from helpers.stimuli.image_sets import DOMAINS

POSITIVE, STANDARDISED, OLS, RIDGE, GIST = (
    "sparse positive", "sparse positive, standardised", "OLS", "ridge, standardised", "GistPC")
"""Methods, by their names in `helpers.encoding.regression.METHODS`."""

Wish = tuple[str, str, str, tuple[float, ...]]
"""ROI, pool, method, penalties."""


@dataclass(frozen=True)
class Seen:
    """A network and where its selective units are."""

    network: Network
    found: Localizer


@dataclass(frozen=True)
class Study:
    """A cohort and the settings under which all rivals are compared.

    Parameters
    ----------
    cohort : Cohort
    spec : EncodingSpec
    batch_size : int
        Pictures in one forward pass.
    n_jobs : int
        Processes for the fits; a Dask cluster takes their place where one is named
        (see `helpers.encoding.encoding_jobs`).
    """

    cohort: Cohort
    spec: EncodingSpec
    batch_size: int
    n_jobs: int = 1

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions of the figure, then those of which it is known what drives them."""
        return tuple(dict.fromkeys([*self.spec.rois, *self.spec.known]))

    def selective(self, seen: Seen) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from a trained network's selective units, under each constraint."""
        free = (*self.spec.curve_rois, *self.spec.known)
        wanted = [(roi, domain, POSITIVE, (self.spec.alpha,)) for roi in self.rois
                  for domain in (DOMAINS if roi in free else (domain_of(roi),)) if domain]
        wanted += [(roi, domain_of(roi), STANDARDISED, self.spec.alphas_standardised)
                   for roi in self.rois if domain_of(roi)]
        wanted += [(roi, domain, OLS, (0.0,)) for roi in free for domain in DOMAINS]
        return self._units(seen.network, selective_pools(seen.found, self.spec.layers, DOMAINS),
                           wanted)

    def untrained(self, seen: Seen) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from the units that an untrained network happens to have."""
        wanted = [(roi, domain_of(roi), POSITIVE, (self.spec.alpha_untrained,))
                  for roi in self.rois if domain_of(roi)]
        return self._units(seen.network, selective_pools(seen.found, self.spec.layers, DOMAINS),
                           wanted)

    def faces_only(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict face regions from whole layers of a network taught on faces alone."""
        wanted = [(roi, WHOLE, POSITIVE, (self.spec.alpha,))
                  for roi in self.rois if domain_of(roi) == "faces"]
        return self._units(network, whole_layers(network, self.spec.face_layers), wanted)

    def low_level(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from Gabor energy and from its leading axes, without constraint."""
        side = min(self.cohort.album.open(0).size)
        wanted = [(roi, WHOLE, method, (0.0,)) for roi in self.rois for method in (OLS, GIST)]

        def features(group: str, conditions: NDArray[np.int64]) -> Features:
            return {"Gabor": gabor_rows(self.cohort, conditions, side=side, label=group)}

        return self._encode("Gabor", {"side": side}, features, None, wanted)

    def ridge(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from whole layers of a network by ridge, feature maps averaged."""
        wanted = [(roi, WHOLE, RIDGE, self.spec.ridge_alphas) for roi in self.rois]

        def features(group: str, conditions: NDArray[np.int64]) -> Features:
            return mean_features(network, self.spec.layers, self.cohort, conditions,
                                 label=f"{group}, means", batch_size=self.batch_size)

        key = {"network": network.parts, "layers": list(self.spec.layers)}
        return self._encode(f"{network.name}, whole", key, features, None, wanted)

    def _units(self, network: Network, pools: Pools,
               wanted: list[Wish]) -> tuple[pd.DataFrame, pd.DataFrame]:
        def features(group: str, conditions: NDArray[np.int64]) -> Features:
            return unit_features(network, pools, self.cohort, conditions, label=group,
                                 batch_size=self.batch_size)

        return self._encode(network.name, {"network": network.parts, "pools": pools.digest},
                            features, pools, wanted)

    def _encode(self, name: str, key: Mapping[str, object], features, pools: Pools | None,
                wanted: list[Wish]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Fit and score everything wanted, once; later calls read the cache."""
        parts = {"name": name, **key, "wanted": wanted, "least_ncsnr": self.spec.least_ncsnr,
                 "rois": self.rois, **pictures_key(self.cohort),
                 "responses": [responses_key(self.cohort, s) for s in self.cohort.subjects],
                 "study": code_digest(["helpers.encoding.encoding_study"])}
        tables: list[pd.DataFrame] = []

        def make(index: int) -> pd.DataFrame:
            if not tables:
                tables.extend(encode(self._jobs(name, features, pools, wanted),
                                     n_jobs=self.n_jobs))
            return tables[index]

        curves, best = (cached_table("encoding", f"{name}-{what}", {**parts, "table": what},
                                     lambda i=i: make(i))
                        for i, what in enumerate(("curves", "best")))
        return curves, best

    def _jobs(self, name: str, features, pools: Pools | None,
              wanted: list[Wish]) -> Iterator[Job]:
        """Yield one job a participant; features are made once per set of pictures."""
        folds = {s: self.cohort.folds(s) for s in self.cohort.subjects}
        conditions = {s: used_conditions(folds[s]) for s in folds}
        groups = by_audience(conditions)
        shared = {name: features(name, groups[name]) for name in groups if name == "shared"}
        for subject, shown in conditions.items():
            made = dict(shared)
            if subject in groups:
                made[subject] = features(subject, groups[subject])
            rows = joined(groups, made, subject, shown)
            members = pools.members if pools else {
                WHOLE: {layer: np.arange(values.shape[1]) for layer, values in rows.items()}}
            responses = self._means(subject, shown)
            yield Job(subject, name, rows, members, responses, as_rows(folds[subject], shown),
                      tuple(wish for wish in wanted if wish[0] in responses))

    def _means(self, subject: str, shown: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return the mean response over repeats of every region that the participant has."""
        found = read_responses(self.cohort, subject, self.rois)
        return {roi: found.of(roi, least_ncsnr=self.spec.least_ncsnr).mean(shown)
                for roi in found.rois}


def chosen(best: pd.DataFrame, method: str, own: Mapping[str, str]) -> pd.DataFrame:
    """Take the test scores of one method, from each region's own pool.

    Parameters
    ----------
    best : DataFrame
        Of a method of `Study`.
    method : str
    own : dict, ROI -> domain
        Rows from another domain's units are left out; a pool that is a whole layer is everyone's.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, metric, score, layer, n_vertices``; one row for each of these.
    """
    ours = [domain in (own.get(roi), WHOLE) for roi, domain in zip(best["roi"], best["domain"])]
    rows = best[(best["method"] == method) & np.array(ours, bool)]
    return rows[["subject", "roi", "metric", "score", "layer", "n_vertices"]].reset_index(drop=True)
