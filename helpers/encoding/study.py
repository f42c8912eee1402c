"""Encoding at work: every rival's features against every region of every participant.

What is compared, on the same conditions and with the same scores:

- the main network's selective units, sparse positive as published, and with standardised units;
- the same units without constraint (OLS), in some regions;
- its randomly initialised control's selective units; a network trained on faces alone, whole
layers;
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
from helpers.config.contrastive_coding import EncodingSpec
from helpers.core.cache import cached_table
from helpers.core.digest import code_digest
from helpers.encoding.cohort_features import (
    WHOLE_LAYER,
    Features,
    UnitPools,
    channel_mean_features,
    cohort_gabor_features,
    group_conditions,
    images_key,
    join_features,
    selective_pools,
    unit_features,
    whole_layer_pool,
)
from helpers.encoding.cohort_responses import (
    folds_to_rows,
    read_responses,
    responses_key,
    used_conditions,
)
from helpers.encoding.model_selection import EncodingJob, fit_encoding_models
from helpers.networks.network import Network
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.image_sets import DOMAINS

SPARSE_POSITIVE, STANDARDISED, OLS, RIDGE, GIST = (
    "sparse positive", "sparse positive, standardised", "OLS", "ridge, standardised", "GistPC")
"""Methods, by their names in `helpers.encoding.regression.METHODS`."""

FitSpec = tuple[str, str, str, tuple[float, ...]]
"""ROI, pool, method, penalties."""


@dataclass(frozen=True)
class LocalizedNetwork:
    """A network and where its selective units are."""

    network: Network
    localizer: LocalizerResult


@dataclass(frozen=True)
class EncodingStudy:
    """A cohort and the settings under which all rivals are compared.

    Parameters
    ----------
    cohort : Cohort
    spec : EncodingSpec
    batch_size : int
        Images in one forward pass.
    n_jobs : int
        Processes for the fits; a Dask cluster takes their place where one is named
        (see `helpers.encoding.model_selection`).
    """

    cohort: Cohort
    spec: EncodingSpec
    batch_size: int
    n_jobs: int = 1

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions of the figure, then those of which it is known what drives them."""
        return tuple(dict.fromkeys([*self.spec.rois, *self.spec.single_domain_rois]))

    def selective_unit_scores(self,
                              localized: LocalizedNetwork) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from a trained network's selective units, under each constraint."""
        unconstrained_rois = (*self.spec.curve_rois, *self.spec.single_domain_rois)
        fit_specs = [(roi, domain, SPARSE_POSITIVE, (self.spec.alpha,)) for roi in self.rois
                     for domain in (DOMAINS if roi in unconstrained_rois else (domain_of(roi),
                                                                               )) if domain]
        fit_specs += [(roi, domain_of(roi), STANDARDISED, self.spec.alphas_standardised)
                      for roi in self.rois if domain_of(roi)]
        fit_specs += [(roi, domain, OLS,
                       (0.0,)) for roi in unconstrained_rois for domain in DOMAINS]
        return self._fit_pools(localized.network,
                               selective_pools(localized.localizer, self.spec.layers, DOMAINS),
                               fit_specs)

    def untrained_unit_scores(self,
                              localized: LocalizedNetwork) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from the units that an untrained network happens to have."""
        fit_specs = [(roi, domain_of(roi), SPARSE_POSITIVE, (self.spec.alpha_untrained,))
                     for roi in self.rois if domain_of(roi)]
        return self._fit_pools(localized.network,
                               selective_pools(localized.localizer, self.spec.layers, DOMAINS),
                               fit_specs)

    def face_network_scores(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict face regions from whole layers of a network trained on faces alone."""
        fit_specs = [(roi, WHOLE_LAYER, SPARSE_POSITIVE, (self.spec.alpha,))
                     for roi in self.rois if domain_of(roi) == "faces"]
        return self._fit_pools(network, whole_layer_pool(network, self.spec.face_layers), fit_specs)

    def gabor_scores(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from Gabor energy and from its leading axes, without constraint."""
        side = min(self.cohort.stimuli.open(0).size)
        fit_specs = [(roi, WHOLE_LAYER, method, (0.0,)) for roi in self.rois for method in (OLS,
                                                                                            GIST)]

        def make_features(group: str, conditions: NDArray[np.int64]) -> Features:
            return {"Gabor": cohort_gabor_features(self.cohort, conditions, side=side, label=group)}

        return self._fit_cached("Gabor", {"side": side}, make_features, None, fit_specs)

    def ridge_scores(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from whole layers of a network by ridge, feature maps averaged."""
        fit_specs = [(roi, WHOLE_LAYER, RIDGE, self.spec.ridge_alphas) for roi in self.rois]

        def make_features(group: str, conditions: NDArray[np.int64]) -> Features:
            return channel_mean_features(network, self.spec.layers, self.cohort, conditions,
                                         label=f"{group}, means", batch_size=self.batch_size)

        key = {"network": network.parts, "layers": list(self.spec.layers)}
        return self._fit_cached(f"{network.name}, whole", key, make_features, None, fit_specs)

    def _fit_pools(self, network: Network, pools: UnitPools,
                   fit_specs: list[FitSpec]) -> tuple[pd.DataFrame, pd.DataFrame]:
        def make_features(group: str, conditions: NDArray[np.int64]) -> Features:
            return unit_features(network, pools, self.cohort, conditions, label=group,
                                 batch_size=self.batch_size)

        return self._fit_cached(network.name, {"network": network.parts, "pools": pools.digest},
                                make_features, pools, fit_specs)

    def _fit_cached(self, name: str, key: Mapping[str, object], make_features,
                    pools: UnitPools | None,
                    fit_specs: list[FitSpec]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Fit and score everything wanted, once; later calls read the cache."""
        parts = {"name": name, **key, "fit_specs": fit_specs, "min_ncsnr": self.spec.min_ncsnr,
                 "rois": self.rois, **images_key(self.cohort),
                 "responses": [responses_key(self.cohort, s) for s in self.cohort.subjects],
                 "study": code_digest(["helpers.encoding.study"])}
        tables: list[pd.DataFrame] = []

        def make(index: int) -> pd.DataFrame:
            if not tables:
                tables.extend(fit_encoding_models(self._jobs(name, make_features, pools, fit_specs),
                                                  n_jobs=self.n_jobs))
            return tables[index]

        curves, best = (cached_table("encoding", f"{name}-{what}", {**parts, "table": what},
                                     lambda i=i: make(i))
                        for i, what in enumerate(("curves", "best")))
        return curves, best

    def _jobs(self, name: str, make_features, pools: UnitPools | None,
              fit_specs: list[FitSpec]) -> Iterator[EncodingJob]:
        """Yield one job a participant; features are made once per set of images."""
        folds = {s: self.cohort.folds(s) for s in self.cohort.subjects}
        conditions = {s: used_conditions(folds[s]) for s in folds}
        groups = group_conditions(conditions)
        shared = {name: make_features(name, groups[name]) for name in groups if name == "shared"}
        for subject, subject_conditions in conditions.items():
            group_features = dict(shared)
            if subject in groups:
                group_features[subject] = make_features(subject, groups[subject])
            features = join_features(groups, group_features, subject, subject_conditions)
            members = pools.members if pools else {
                WHOLE_LAYER: {layer: np.arange(values.shape[1])
                              for layer, values in features.items()}}
            responses = self._mean_responses(subject, subject_conditions)
            yield EncodingJob(subject, name, features, members, responses,
                              folds_to_rows(folds[subject], subject_conditions),
                              tuple(fit_spec for fit_spec in fit_specs if fit_spec[0] in responses))

    def _mean_responses(self, subject: str,
                        subject_conditions: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return the mean response over repeats of every region that the participant has."""
        responses = read_responses(self.cohort, subject, self.rois)
        return {roi: responses.of(roi, min_ncsnr=self.spec.min_ncsnr).mean(subject_conditions)
                for roi in responses.rois}


def select_own_pool(best: pd.DataFrame, method: str,
                    domain_by_roi: Mapping[str, str]) -> pd.DataFrame:
    """Take the test scores of one method, from each region's own pool.

    Parameters
    ----------
    best : DataFrame
        Of a method of `EncodingStudy`.
    method : str
    domain_by_roi : dict, ROI -> domain
        Rows from another domain's units are left out; a pool that is a whole layer is everyone's.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, metric, score, layer, n_vertices``; one row for each of these.
    """
    matches = [domain in (domain_by_roi.get(roi),
                          WHOLE_LAYER) for roi, domain in zip(best["roi"], best["domain"])]
    rows = best[(best["method"] == method) & np.array(matches, bool)]
    return rows[["subject", "roi", "metric", "score", "layer", "n_vertices"]].reset_index(drop=True)
