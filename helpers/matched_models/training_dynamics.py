"""A network at one training step: selectivity, linear decodability, similarity to brain regions.

The zoo measures checkpoints of its networks; a notebook measures a network as it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.config.vision_language import LanguageSpec
from helpers.core.digest import array_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.text import read_text
from helpers.encoding.cohort_features import channel_mean_features
from helpers.encoding.cohort_responses import MIN_SIZE, read_responses
from helpers.matched_models.block_statistics import FDR_ALPHA, BlockStatistics
from helpers.matched_models.statistics import selective_proportion_table, tuning_strength_table
from helpers.networks.activations import channel_means, extract_activations
from helpers.networks.network import Network
from helpers.networks.weights import read_state_dict, save_tensors
from helpers.rsa.dissimilarity import rank_data, rdm, spearman_rdms
from helpers.selectivity.linear_probes import predict_linear_probe
from helpers.stimuli.domains import core_domains, intact_domains
from helpers.stimuli.image_sets import ImageSet

EARLY = "early"
"""In place of a domain, in the rows of a region that prefers none."""
MEASURES = ("proportion", "d_prime", "recall", "similarity")
ROW_KEYS = ["layer", "domain"]
KEYS = ("condition", "seed", "step", *ROW_KEYS)
COLUMNS = (*KEYS, *MEASURES)
RECORDED_COLUMNS = tuple(name for name in COLUMNS if name != "similarity")
"""Columns of the zoo's table. Similarity depends on a cohort's responses; RDMs are recorded."""
N_RECORDED_CONDITIONS = 128
"""Conditions whose RDMs are recorded for every checkpoint: 8,128 pairs."""


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
    def image_digest(self) -> torch.Tensor:
        """Digest of the pixels of the test conditions, as a record of RDMs holds it."""
        return _image_digest(self.cohort, self.test_conditions)

    @cached_property
    def ranks(self) -> dict[str, NDArray[np.float64]]:
        """Ranks of ``rdms``, each participant's with mean 0 and length 1."""
        return {domain: _standard_ranks(rows) for domain, rows in self.rdms.items()}


def shared_test_conditions(cohort: Cohort) -> NDArray[np.int64]:
    """Return the test conditions that all participants were shown, increasing.

    Raises
    ------
    LabError
        If there are fewer than four.
    """
    conditions = reduce(np.intersect1d, (
        np.unique(np.concatenate([fold.test for fold in cohort.folds(subject)]))
        for subject in cohort.subjects))
    if len(conditions) < 4:
        raise LabError(f"{len(conditions)} test conditions that all participants were shown",
                       expected="four or more", remedy="name fewer participants in the profile")
    return conditions


def recorded_conditions(cohort: Cohort) -> NDArray[np.int64]:
    """Return the shared test conditions whose RDMs the zoo records, evenly spaced."""
    conditions = shared_test_conditions(cohort)
    n = min(N_RECORDED_CONDITIONS, len(conditions))
    return conditions[np.arange(n) * len(conditions) // n]


def load_regions(cohort: Cohort, spec: LanguageSpec) -> BrainRegions:
    """Read the regions that networks are compared with, at the test images of all participants.

    Parameters
    ----------
    cohort : Cohort
    spec : LanguageSpec
        Names the regions, and the ncsnr above which their vertices count; a region of which no
        participant has two such vertices is left out. Where it names a record of training, the
        conditions are those of the record (`recorded_conditions`).

    Raises
    ------
    LabError
        If the participants share fewer than four test conditions.
    """
    names = {**(spec.regions or {}), **({EARLY: spec.early_roi} if spec.early_roi else {})}
    conditions = recorded_conditions(cohort) if spec.record else shared_test_conditions(cohort)
    rdms: dict[str, list[NDArray]] = {domain: [] for domain in names}
    for subject in cohort.subjects:
        available = [roi for roi in names.values() if roi in cohort.rois(subject)]
        responses = read_responses(cohort, subject, available) if available else None
        for domain, roi in names.items():
            if roi in available:
                region = responses.of(roi, min_ncsnr=spec.min_ncsnr)
                if len(region.vertex) >= MIN_SIZE:
                    rdms[domain].append(rdm(region.mean(conditions)))
    return BrainRegions(cohort, conditions,
                        {domain: np.array(rows) for domain, rows in rdms.items() if rows})


def measure_checkpoint(network: Network, blocks: Mapping[str, BlockStatistics],
                       categories: ImageSet, regions: BrainRegions | None, *, n_best: int,
                       batch_size: int) -> pd.DataFrame:
    """Measure selectivity, decodability and similarity to brain regions of a network.

    Parameters
    ----------
    network, blocks, categories, n_best, batch_size
        See `measure_selectivity`.
    regions : BrainRegions, optional

    Returns
    -------
    DataFrame
        As of `measure_selectivity`, and ``similarity`` to the domain's region (`similarities`);
        rows of ``EARLY`` have this one only.
    """
    rows = measure_selectivity(network, blocks, categories, n_best=n_best, batch_size=batch_size)
    similarity = pd.Series(dtype=float, name="similarity") if regions is None else similarities(
        block_rdms(network, regions.cohort, regions.test_conditions, batch_size=batch_size),
        regions)
    return _in_order(rows.set_index(ROW_KEYS).join(similarity, how="outer"), blocks,
                     [*rows["domain"].unique(), EARLY])


def _in_order(rows: pd.DataFrame, layers: Iterable[str], domains: Sequence[str]) -> pd.DataFrame:
    order = pd.MultiIndex.from_product([layers, domains], names=ROW_KEYS)
    return rows.reindex(order[order.isin(rows.index)]).reset_index()


def measure_selectivity(network: Network, blocks: Mapping[str, BlockStatistics],
                        categories: ImageSet, *, n_best: int, batch_size: int) -> pd.DataFrame:
    """Measure what depends on a network and on images alone.

    Parameters
    ----------
    network : Network
        With the outputs of its blocks as layers.
    blocks : dict, layer -> BlockStatistics
        Of the same network.
    categories : ImageSet
        Images in folders finer than domains; those of scrambled images are left out.
    n_best : int
        Units of each domain and layer whose held-out d' is averaged.
    batch_size : int

    Returns
    -------
    DataFrame
        One row per layer and domain: ``layer, domain``; ``proportion`` of selective units;
        ``d_prime`` of the ``n_best`` units on the images that did not select them; ``recall``: the
        fraction of a domain's images whose folder a linear probe of the layer's channel means
        predicts, trained on the other half.
    """
    domains = core_domains(next(iter(blocks.values())).sets)
    proportions = selective_proportion_table(blocks, domains)
    proportions = proportions[proportions["fdr_alpha"] == FDR_ALPHA]
    strength = tuning_strength_table(blocks, domains, n_best=n_best)
    strength = strength[strength["measure"] == "d'"]
    rows = pd.DataFrame({"proportion": proportions.set_index(ROW_KEYS)["proportion"],
                         "d_prime": strength.set_index(ROW_KEYS)["value"],
                         "recall": _recall(network, categories, domains, batch_size)})
    return _in_order(rows, blocks, domains)


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


def block_rdms(network: Network, cohort: Cohort, conditions: NDArray[np.int64], *,
               batch_size: int) -> dict[str, NDArray[np.float64]]:
    """Return the RDM of every layer's channel means, each (n_pairs,) above the diagonal."""
    features = channel_mean_features(network, list(network.layers), cohort, conditions,
                                     label="shared test", batch_size=batch_size)
    return {layer: rdm(values) for layer, values in features.items()}


def similarities(rdms: Mapping[str, NDArray], regions: BrainRegions) -> pd.Series:
    """Return Spearman's r of layers' RDMs and regions' RDMs, mean over participants.

    Indexed by ``layer, domain``.
    """
    values = {}
    for layer, dissimilarities in rdms.items():
        ranks = _standard_ranks(dissimilarities)
        values |= {(layer, domain): float(np.mean(region_ranks @ ranks))
                   for domain, region_ranks in regions.ranks.items()}
    return pd.Series(values, dtype=float, name="similarity").rename_axis(ROW_KEYS)


def rdm_file(name: str) -> str:
    """Return the name of the zoo's file of a network's RDMs during training."""
    return f"{name}-rdms.safetensors"


def write_checkpoint_rdms(path: Path, rdms: Mapping[int, Mapping[str, NDArray]], cohort: Cohort,
                          conditions: NDArray[np.int64]) -> None:
    """Write the RDMs of a network's layers, step by step, in float16, and what they are of."""
    tensors = {f"{step}/{layer}": torch.from_numpy(values) for step, layers in rdms.items()
               for layer, values in layers.items()}
    save_tensors(path, {**tensors, "images": _image_digest(cohort, conditions)}, half=True)


def read_checkpoint_rdms(path: Path, regions: BrainRegions) -> dict[int, dict[str, NDArray]]:
    """Read the RDMs of a network's layers, step -> layer -> (n_pairs,).

    Raises
    ------
    LabError
        If the file is absent or damaged, or is of other images than those of the regions.
    """
    if not path.is_file():
        raise LabError(f"no {path}", expected="RDMs of a network during training",
                       remedy="make zoo trains the demo networks again and writes them")
    tensors = read_state_dict(path)
    if not torch.equal(tensors.pop("images", torch.empty(0)), regions.image_digest):
        raise LabError(f"{path} holds RDMs of other images than participants of "
                       f"{regions.cohort.name} saw", expected="RDMs of the same images",
                       remedy="leave the key 'record' out of the profile's table [language]: "
                       "networks are then measured as they are")
    found: dict[int, dict[str, NDArray]] = {}
    for name, values in tensors.items():
        step, layer = name.split("/")
        found.setdefault(int(step), {})[layer] = values.numpy().astype(np.float64)
    return found


def _image_digest(cohort: Cohort, conditions: NDArray[np.int64]) -> torch.Tensor:
    """Return a digest of the pixels of some conditions, uint8 (n_digits,)."""
    digests = [array_digest(np.asarray(cohort.stimuli.open(int(i))))
               for i in np.flatnonzero(np.isin(cohort.condition_of, conditions))]
    return torch.tensor(list(text_digest(repr(digests)).encode()), dtype=torch.uint8)


def read_training_record(path: Path) -> pd.DataFrame:
    """Read the zoo's table of measures at training steps.

    Raises
    ------
    LabError
        If it is absent, or is no such table.
    """
    try:
        results = pd.read_csv(io.StringIO(read_text(
            path, "the measures of networks during training, as make zoo writes them")))
    except ValueError as error:
        raise LabError(f"{path} cannot be read: {error}", expected="the zoo's record, as it was "
                       "written", remedy="take it from the repository (git checkout)") from error
    if tuple(results.columns) != RECORDED_COLUMNS:
        raise LabError(f"{path} has the columns {', '.join(results.columns)}",
                       expected=", ".join(RECORDED_COLUMNS), remedy="make zoo writes it again")
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
    rise = slice(after - 1, after + 1)
    return float(np.expm1(np.interp(half, values[rise], log_steps[rise])))
