"""A network at one training step: selectivity, linear decodability, similarity to brain regions.

The zoo measures checkpoints of its networks; a notebook measures a network as it is.
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
from helpers.config.vision_language import LanguageSpec
from helpers.core.errors import LabError
from helpers.core.text import read_text
from helpers.encoding.cohort_features import channel_mean_features
from helpers.encoding.cohort_responses import MIN_SIZE, read_responses
from helpers.matched_models.block_statistics import FDR_ALPHA, BlockStatistics
from helpers.matched_models.statistics import selective_proportion_table, tuning_strength_table
from helpers.networks.activations import channel_means, extract_activations
from helpers.networks.network import Network
from helpers.rsa.dissimilarity import rank_data, rdm, spearman_rdms
from helpers.selectivity.linear_probes import predict_linear_probe
from helpers.stimuli.domains import core_domains, intact_domains
from helpers.stimuli.image_sets import ImageSet

EARLY = "early"
"""In place of a domain, in the rows of a region that prefers none."""
MEASURES = ("proportion", "d_prime", "recall", "similarity")
COLUMNS = ("condition", "seed", "step", "layer", "domain", *MEASURES)


@dataclass(frozen=True)
class BrainRegions:
    """RDMs of brain regions of several participants.

    Attributes
    ----------
    cohort : Cohort
    test_conditions : array, int64, shape (n_conditions,)
        Shown to all participants.
    rdms : dict, domain (or ``EARLY``) -> array, float64, shape (n_subjects, n_pairs)
        Of the participants who have the region.
    """

    cohort: Cohort
    test_conditions: NDArray[np.int64]
    rdms: Mapping[str, NDArray[np.float64]]

    def noise_ceiling(self, domain: str) -> float:
        """Return Spearman's r between one participant's RDM and the mean of the others'.

        Averaged over participants (the lower bound of Nili et al. 2014); NaN where only one has
        the region.
        """
        rows = self.rdms[domain]
        if len(rows) < 2:
            return float("nan")
        return float(np.mean([spearman_rdms(np.delete(rows, i, 0).mean(0), row)
                              for i, row in enumerate(rows)]))

    @cached_property
    def ranks(self) -> dict[str, NDArray[np.float64]]:
        """Ranks of ``rdms``, each participant's with mean 0 and length 1."""
        return {domain: _standard_ranks(rows) for domain, rows in self.rdms.items()}


def load_regions(cohort: Cohort, spec: LanguageSpec) -> BrainRegions:
    """Read the regions that networks are compared with, at the test images of all participants.

    Parameters
    ----------
    cohort : Cohort
    spec : LanguageSpec
        Names the regions, and the ncsnr above which their vertices count; a region of which no
        participant has two such vertices is left out.

    Raises
    ------
    LabError
        If the participants share fewer than four test conditions.
    """
    names = {**(spec.regions or {}), **({EARLY: spec.early_roi} if spec.early_roi else {})}
    test_conditions = reduce(np.intersect1d, (
        np.unique(np.concatenate([fold.test for fold in cohort.folds(subject)]))
        for subject in cohort.subjects))
    if len(test_conditions) < 4:
        raise LabError(f"{len(test_conditions)} test conditions that all participants were shown",
                       expected="four or more", remedy="name fewer participants in the profile")
    rdms: dict[str, list[NDArray]] = {domain: [] for domain in names}
    for subject in cohort.subjects:
        available = [roi for roi in names.values() if roi in cohort.rois(subject)]
        responses = read_responses(cohort, subject, available) if available else None
        for domain, roi in names.items():
            if roi in available:
                region = responses.of(roi, min_ncsnr=spec.min_ncsnr)
                if len(region.vertex) >= MIN_SIZE:
                    rdms[domain].append(rdm(region.mean(test_conditions)))
    return BrainRegions(cohort, test_conditions,
                        {domain: np.array(rows) for domain, rows in rdms.items() if rows})


def measure_checkpoint(network: Network, blocks: Mapping[str, BlockStatistics],
                       categories: ImageSet, regions: BrainRegions | None, *, n_best: int,
                       batch_size: int) -> pd.DataFrame:
    """Measure selectivity, decodability and similarity to brain regions of a network.

    Parameters
    ----------
    network : Network
        With the outputs of its blocks as layers.
    blocks : dict, layer -> BlockStatistics
        Of the same network.
    categories : ImageSet
        Images in folders finer than domains; those of scrambled images are left out.
    regions : BrainRegions, optional
    n_best : int
        Units of each domain and layer whose held-out d' is averaged.
    batch_size : int

    Returns
    -------
    DataFrame
        One row per layer and domain: ``layer, domain``; ``proportion`` of selective units;
        ``d_prime`` of the ``n_best`` units on the images that did not select them; ``recall``: the
        fraction of a domain's images whose folder a linear probe of the layer's channel means
        predicts, trained on the other half; ``similarity`` to the domain's region (Spearman's r of
        RDMs, mean over participants). Rows of ``EARLY`` have the last one only.
    """
    keys = ["layer", "domain"]
    domains = core_domains(next(iter(blocks.values())).sets)
    proportions = selective_proportion_table(blocks, domains)
    proportions = proportions[proportions["fdr_alpha"] == FDR_ALPHA]
    strength = tuning_strength_table(blocks, domains, n_best=n_best)
    strength = strength[strength["measure"] == "d'"]
    results = pd.DataFrame({"proportion": proportions.set_index(keys)["proportion"],
                            "d_prime": strength.set_index(keys)["value"],
                            "recall": _recall(network, categories, domains, batch_size)})
    similarity = _similarity(network, regions, batch_size) if regions else pd.Series(dtype=float)
    rows = results.join(similarity.rename("similarity"), how="outer").rename_axis(keys)
    return rows.reindex([(layer, domain) for layer in blocks for domain in (*domains, EARLY)
                         if (layer, domain) in rows.index]).reset_index()


def _recall(network: Network, categories: ImageSet, shown: Sequence[str],
            batch_size: int) -> pd.Series:
    rows = np.flatnonzero(np.isin(categories.domains, intact_domains(categories.domains)))
    images = categories.select(rows)
    chunks = [range(i, min(i + batch_size, len(rows))) for i in range(0, len(rows), batch_size)]
    features = extract_activations(network.model, network.layers,
                                   images.batches(chunks, network.preprocessing),
                                   read=channel_means)
    train, labels = images.halves == 0, images.labels
    domains, results = np.array(images.domains), {}
    for layer, values in features.items():
        x = values.numpy()
        correct = predict_linear_probe(x[train], labels[train], x[~train]) == labels[~train]
        results |= {(layer, domain): float(correct[domains[~train] == domain].mean())
                    for domain in shown if (domains == domain).any()}
    return pd.Series(results, dtype=float)


def _similarity(network: Network, regions: BrainRegions, batch_size: int) -> pd.Series:
    features = channel_mean_features(network, list(network.layers), regions.cohort,
                                     regions.test_conditions, label="shared test",
                                     batch_size=batch_size)
    results = {}
    for layer, values in features.items():
        ranks = _standard_ranks(rdm(values))
        results |= {(layer, domain): float(np.mean(region_ranks @ ranks))
                    for domain, region_ranks in regions.ranks.items()}
    return pd.Series(results, dtype=float)


def read_training_record(path: Path) -> pd.DataFrame:
    """Read the zoo's table of measures at training steps.

    Raises
    ------
    LabError
        If it is absent, or is no such table.
    """
    if not path.is_file():
        raise LabError(f"no {path}", expected="the measures of networks during training",
                       remedy="make zoo trains the demo networks again and writes them")
    try:
        results = pd.read_csv(io.StringIO(read_text(path)))
    except ValueError as error:
        raise LabError(f"{path} cannot be read: {error}", expected="the zoo's record, as it was "
                       "written", remedy="take it from the repository (git checkout)") from error
    if tuple(results.columns) != COLUMNS:
        raise LabError(f"{path} has the columns {', '.join(results.columns)}",
                       expected=", ".join(COLUMNS), remedy="make zoo writes it again")
    return results


def _standard_ranks(rows: NDArray) -> NDArray[np.float64]:
    ranks = rank_data(rows)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # ranks that are all equal: NaN
        return ranks / np.linalg.norm(ranks, axis=-1, keepdims=True)


def chance_recall(categories: ImageSet) -> float:
    """Return the recall of guessing among the folders of intact images."""
    intact = intact_domains(categories.domains)
    return 1 / len({category for category, domain in zip(categories.categories, categories.domains)
                    if domain in intact})


def half_maximum_step(steps: Sequence[int], values: Sequence[float]) -> float:
    """Return the training step at which a curve is halfway between its first and last value.

    Interpolated linearly in the logarithm of the step (plus one). NaN for a curve that does not
    rise.
    """
    values, log_steps = np.asarray(values, float), np.log1p(np.asarray(steps, float))
    half = (values[0] + values[-1]) / 2
    if not values[-1] > values[0]:
        return float("nan")
    after = int(np.argmax(values >= half))
    fraction = (half - values[after - 1]) / (values[after] - values[after - 1])
    return float(np.expm1(log_steps[after - 1]
                          + fraction * (log_steps[after] - log_steps[after - 1])))
