"""What notebook 03 calls: every predictor's features against every region of every participant.

Compared on the same conditions and with the same scores:

- the main network's selective units, sparse positive as published, and with standardised units;
- the same units without constraint (OLS), in some regions;
- its randomly initialised control's selective units; whole layers of a network trained on faces
  alone;
- two descriptions of the image without content: Gabor energy, and its 50 leading axes;
- ridge on whole layers of the main network: the score without any constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.brains.named_rois import SINGLE_DOMAIN_KEY, require_rois
from helpers.brains.rois import domain_of
from helpers.config.contrastive_coding import EncodingSpec
from helpers.core.cache import cached_table
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
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
from helpers.encoding.model_selection import EncodingJob, FitSpec, fit_encoding_models
from helpers.encoding.regression import GIST, OLS, RIDGE, SPARSE_POSITIVE, STANDARDISED
from helpers.networks.network import Network
from helpers.selectivity.study import LocalizerResult
from helpers.stimuli.domains import intact_domains

MakeFeatures = Callable[[str, NDArray[np.int64]], Features]
"""Features of the conditions of a group; its name stands in the name of the cached file."""


@dataclass(frozen=True)
class EncodingStudy:
    """A cohort and the settings under which all predictors are compared.

    The methods ``..._scores`` return the tables ``curves`` and ``best`` of
    `helpers.encoding.model_selection.fit_encoding_models`.

    Parameters
    ----------
    cohort : Cohort
    spec : EncodingSpec
    batch_size : int
        Images in one forward pass.
    n_jobs : int
        Processes for the fits; a Dask cluster takes their place where one is named
        (see `helpers.encoding.model_selection`).

    Raises
    ------
    LabError
        If a region that one domain alone drives is no participant's.
    """

    cohort: Cohort
    spec: EncodingSpec
    batch_size: int
    n_jobs: int = 1

    def __post_init__(self) -> None:
        require_rois(self.cohort, self.spec.single_domain_rois, SINGLE_DOMAIN_KEY)

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions of the figure, then those that are known to respond to one domain only."""
        return tuple(dict.fromkeys([*self.spec.rois, *self.spec.single_domain_rois]))

    @property
    def _every_pool_rois(self) -> tuple[str, ...]:
        """Regions that the units of every domain predict, not those of their own alone."""
        return tuple(dict.fromkeys([*self.spec.curve_rois, *self.spec.single_domain_rois]))

    def select_pool_rois(self, domains: Sequence[str]) -> list[str]:
        """Return the regions that every pool of units predicts and whose own pool there is.

        Parameters
        ----------
        domains : sequence of str
            Of the localizer.

        Raises
        ------
        LabError
            If there is none, so that units of no region's domain can be found.
        """
        found = [roi for roi in self._every_pool_rois if domain_of(roi) in domains]
        if not found:
            raise LabError(
                f"a localizer of the domains {', '.join(domains)}, and regions that respond to "
                f"others: "
                + ", ".join(f"{roi} ({domain_of(roi)})" for roi in self._every_pool_rois),
                expected="a region whose domain the localizer has",
                remedy="name such a region in curve_rois of the table [encoding], or add images "
                "of a region's domain to the localizer")
        return found

    def selective_unit_scores(self, network: Network, localizer: LocalizerResult
                              ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from a trained network's selective units, under each constraint."""
        domains = intact_domains(localizer.domains)
        fit_specs = [(roi, domain, SPARSE_POSITIVE, (self.spec.alpha,))
                     for roi, domain in product(self.rois, domains)
                     if roi in self._every_pool_rois or domain == domain_of(roi)]
        fit_specs += self._own_pool_specs(domains, STANDARDISED, self.spec.alphas_standardised)
        fit_specs += [(roi, domain, OLS, (0.0,))
                      for roi, domain in product(self._every_pool_rois, domains)]
        return self._fit_pools(network, selective_pools(localizer, self.spec.layers, domains),
                               fit_specs)

    def untrained_unit_scores(self, network: Network, localizer: LocalizerResult
                              ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from the selective units of a randomly initialised network."""
        domains = intact_domains(localizer.domains)
        return self._fit_pools(network, selective_pools(localizer, self.spec.layers, domains),
                               self._own_pool_specs(domains, SPARSE_POSITIVE,
                                                    (self.spec.alpha_untrained,)))

    def face_network_scores(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from whole layers of a network trained on faces alone.

        Face regions, and two others (authors' notebook 4-Encoding-Plots, full layer summaries).
        """
        fit_specs = [(roi, WHOLE_LAYER, SPARSE_POSITIVE, (self.spec.alpha,)) for roi in self.rois
                     if domain_of(roi) == "faces" or roi in self.spec.face_curve_rois]
        return self._fit_pools(network, whole_layer_pool(network, self.spec.face_layers), fit_specs)

    def gabor_scores(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from Gabor energy and from its leading axes, without constraint."""
        side = min(self.cohort.stimuli.open(0).size)
        return self._fit_cached(
            "Gabor", {"side": side}, lambda group, conditions: {"Gabor": cohort_gabor_features(
                self.cohort, conditions, side=side, label=group)},
            [(roi, WHOLE_LAYER, method, (0.0,)) for roi in self.rois for method in (OLS, GIST)])

    def ridge_scores(self, network: Network) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Predict regions from whole layers of a network by ridge, feature maps averaged."""
        return self._fit_cached(
            f"{network.name}, whole", {"network": network.parts, "layers": list(self.spec.layers)},
            lambda group, conditions: channel_mean_features(
                network, self.spec.layers, self.cohort, conditions, label=f"{group}, means",
                batch_size=self.batch_size),
            [(roi, WHOLE_LAYER, RIDGE, self.spec.ridge_alphas) for roi in self.rois])

    def _own_pool_specs(self, domains: Sequence[str], method: str,
                        alphas: tuple[float, ...]) -> list[FitSpec]:
        """Predict each region from the units of its own domain, where the localizer has it."""
        return [(roi, domain_of(roi), method, alphas) for roi in self.rois
                if domain_of(roi) in domains]

    def _fit_pools(self, network: Network, pools: UnitPools,
                   fit_specs: list[FitSpec]) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._fit_cached(
            network.name, {"network": network.parts, "pools": pools.digest},
            lambda group, conditions: unit_features(
                network, pools, self.cohort, conditions, label=group, batch_size=self.batch_size),
            fit_specs, pools)

    def _fit_cached(self, name: str, key: Mapping[str, object], make_features: MakeFeatures,
                    fit_specs: list[FitSpec], pools: UnitPools | None = None
                    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Fit and score all models of a predictor, once; later calls read the cache."""
        parts = {"name": name, **key, "fit_specs": fit_specs, "min_ncsnr": self.spec.min_ncsnr,
                 "rois": self.rois, **images_key(self.cohort),
                 "responses": [responses_key(self.cohort, s) for s in self.cohort.subjects],
                 "study": code_digest(["helpers.encoding.study"])}
        fit = cache(lambda: fit_encoding_models(self._jobs(name, make_features, fit_specs, pools),
                                                n_jobs=self.n_jobs))
        curves, best = (cached_table("encoding", f"{name}-{table}", {**parts, "table": table},
                                     lambda i=i: fit()[i])
                        for i, table in enumerate(("curves", "best")))
        return curves, best

    def _jobs(self, name: str, make_features: MakeFeatures, fit_specs: list[FitSpec],
              pools: UnitPools | None) -> Iterator[EncodingJob]:
        """Yield one job a participant; features are made once per group of conditions."""
        folds = {subject: self.cohort.folds(subject) for subject in self.cohort.subjects}
        conditions = {subject: used_conditions(its_folds) for subject, its_folds in folds.items()}
        groups = group_conditions(conditions)
        shared = {group: make_features(group, groups[group])
                  for group in groups if group == "shared"}
        for subject, its_conditions in conditions.items():
            own = {subject: make_features(subject, groups[subject])} if subject in groups else {}
            features = join_features(groups, shared | own, subject, its_conditions)
            responses = read_responses(self.cohort, subject, self.rois)
            means = {roi: responses.of(roi, min_ncsnr=self.spec.min_ncsnr).mean(its_conditions)
                     for roi in responses.rois}
            yield EncodingJob(
                subject, name, features, pools.members if pools else {WHOLE_LAYER: {
                    layer: np.arange(values.shape[1]) for layer, values in features.items()}},
                means, folds_to_rows(folds[subject], its_conditions),
                tuple(fit_spec for fit_spec in fit_specs if fit_spec[0] in means))


def select_own_pool(best: pd.DataFrame, method: str,
                    domain_by_roi: Mapping[str, str]) -> pd.DataFrame:
    """Select the test scores of one method, from each region's own pool.

    Parameters
    ----------
    best : DataFrame
        Of a method of `EncodingStudy`.
    method : str
    domain_by_roi : dict, ROI -> domain
        Rows from another domain's units are left out; a pool that is a whole layer belongs to
        every region.

    Returns
    -------
    DataFrame
        Columns ``subject, roi, metric, score, layer, n_vertices, predicts_nothing``; one row for
        each of these.
    """
    is_own = (best["domain"] == WHOLE_LAYER) | (best["domain"] == best["roi"].map(domain_by_roi))
    columns = ["subject", "roi", "metric", "score", "layer", "n_vertices", "predicts_nothing"]
    return best.loc[(best["method"] == method) & is_own, columns].reset_index(drop=True)
