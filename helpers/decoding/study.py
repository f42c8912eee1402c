"""A decoding study: contrastive and ridge decoders of a cohort, and their retrieval accuracy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.brains.layouts import open_cohort
from helpers.config.shared_concepts import DecodingSpec
from helpers.core.cache import Arrays, cached
from helpers.core.console import manual_bar
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.decoding.contrastive_decoder import DecoderWeights, fit_decoders
from helpers.decoding.embedding_space import (
    EmbeddingSpace,
    image_embedding_space,
    name_embedding_space,
    open_clip,
)
from helpers.decoding.retrieval import TopKCurve, retrieval_ranks, top_k_accuracy
from helpers.decoding.ridge_decoder import (
    PUBLISHED_ALPHAS,
    WHITENING_FRACTIONS,
    EmbeddingMetric,
    RidgeDecoder,
    fit_ridge,
    identity_metric,
    whitening_metric,
)
from helpers.decoding.trials import Trials, TrialSplit, read_trials
from helpers.lab import Laboratory
from helpers.networks.name_embeddings import read_name_embeddings

CONTRAST, FIRST = "contrastive, mean of runs", "contrastive, one run"
NOISELESS = "contrastive, no noise"
RIDGE, NARROW, WHITENED = "ridge", "ridge, published grid", "ridge, whitened"
METHODS = (CONTRAST, FIRST, NOISELESS, RIDGE, NARROW, WHITENED)
"""Decoders that are compared; `FIRST` and `NARROW` are the paper's own."""


@dataclass(frozen=True)
class TrainingVariant:
    """Deviations from training on all trials as they are: null models and split halves.

    Parameters
    ----------
    permuted : int
        Seed by which embeddings are permuted among training images; 0: not permuted.
    half : int
        1 or 2: one half of the training images; 0: all.
    noiseless : bool
        A single run without added noise.
    """

    permuted: int = 0
    half: int = 0
    noiseless: bool = False


STANDARD = TrainingVariant()
"""All training trials, as they are."""


@dataclass
class DecodingStudy:
    """Decoders of a cohort's participants, fitted on demand and cached.

    Parameters
    ----------
    cohort : Cohort
    space : EmbeddingSpace
        Embeddings of the cohort's conditions.
    spec : DecodingSpec
    seed : int
        Of the split.
    device : torch.device
    """

    cohort: Cohort
    space: EmbeddingSpace
    spec: DecodingSpec
    seed: int
    device: torch.device
    _trials: dict[str, Trials] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, laboratory: Laboratory) -> DecodingStudy:
        """Open the study that the profile describes; its data are made available first.

        Raises
        ------
        LabError
            If the profile has no table [decoding] or no cohort, or something is absent.
        """
        profile = laboratory.profile
        spec, cohort = profile.table("decoding"), open_cohort(laboratory, "decoding_cohort")
        if spec.names is not None:
            names = read_name_embeddings(laboratory.folder(spec.names))
            laboratory.record("names", names.digest)
            space = name_embedding_space(names, cohort)
        else:
            space = image_embedding_space(open_clip(laboratory, spec.network), cohort,
                                          batch_size=profile.batch_size)
        laboratory.record("space", space.digest)
        return cls(cohort, space, spec, profile.seed, laboratory.device)

    def trials(self, subject: str) -> Trials:
        """Return a participant's single trials."""
        if subject not in self._trials:
            self._trials[subject] = read_trials(
                self.cohort, subject, self.space.known,
                min_noise_ceiling=self.spec.min_noise_ceiling,
                n_test=self.spec.n_test, n_validation=self.spec.n_validation, seed=self.seed)
        return self._trials[subject]

    def decoders(self, subject: str, variant: TrainingVariant = STANDARD) -> list[DecoderWeights]:
        """Return contrastive decoders, one for each of the participant's splits."""
        trials = self.trials(subject)
        return [self._decoders(trials, number, variant) for number in range(len(trials.splits))]

    def _decoders(self, trials: Trials, number: int, variant: TrainingVariant) -> DecoderWeights:
        training = self.spec.training
        if variant.noiseless:
            training = replace(training, noise=0.0, n_seeds=1)

        def make() -> Arrays:
            conditions, targets = self.training_pairs(trials.splits[number], variant)
            responses, condition = trials.select(conditions)
            target = targets[np.searchsorted(conditions, condition)]
            n_steps = training.n_seeds * training.iterations
            with manual_bar(f"decoders of {trials.subject}", n_steps) as bar:
                return vars(fit_decoders(responses, self.space.vectors[target], training,
                                         device=self.device, on_step=bar.update))

        return DecoderWeights(**cached("decoded", f"contrast-{trials.subject}-{number}", {
            **self.key_parts(trials, number), "training": asdict(training),
            "variant": asdict(variant),
            "code": code_digest(["helpers.decoding.contrastive_decoder"])}, make))

    def training_pairs(self, split: TrialSplit,
                       variant: TrainingVariant) -> tuple[NDArray, NDArray]:
        """Return training conditions, increasing, and those whose embeddings are the targets."""
        conditions = split.train
        if variant.half:
            order = np.random.default_rng([self.seed, 2]).permutation(len(conditions))
            conditions = np.sort(conditions[order[variant.half - 1::2]])
        if not variant.permuted:
            return conditions, conditions
        rng = np.random.default_rng([self.seed, 3, variant.permuted])
        return conditions, rng.permutation(conditions)

    def key_parts(self, trials: Trials, number: int) -> dict[str, object]:
        """Return the parts of the cache key that all fits to a split have in common."""
        split = trials.splits[number]
        return {"cohort": self.cohort.digest(trials.subject), "subject": trials.subject,
                "space": self.space.key, "min_noise_ceiling": self.spec.min_noise_ceiling,
                "split": [array_digest(part) for part in vars(split).values()], "seed": self.seed,
                "trials": code_digest(["helpers.decoding.trials", *defining_modules(self.cohort)])}

    def ridge(self, subject: str, method: str = RIDGE) -> list[RidgeDecoder]:
        """Return ridge decoders, one for each of the participant's splits.

        ``method``: `RIDGE`, `NARROW` or `WHITENED`.
        """
        trials = self.trials(subject)
        return [self._ridge(trials, number, method) for number in range(len(trials.splits))]

    def _ridge(self, trials: Trials, number: int, method: str) -> RidgeDecoder:
        split, vectors = trials.splits[number], self.space.vectors
        alphas = PUBLISHED_ALPHAS if method == NARROW else self.spec.alphas

        def make() -> Arrays:
            responses, condition = trials.select(split.train)
            queries, seen = trials.select(split.validation)
            metrics = [whitening_metric(vectors[condition], fraction)
                       for fraction in WHITENING_FRACTIONS] if method == WHITENED else ()
            own = np.searchsorted(split.validation, seen)
            return vars(fit_ridge(responses, vectors[condition],
                                  (queries, vectors[split.validation], own), alphas, metrics))

        return RidgeDecoder(**cached("decoded", f"ridge-{trials.subject}-{number}", {
            **self.key_parts(trials, number), "alphas": list(alphas), "method": method,
            "code": code_digest(["helpers.decoding.ridge_decoder"])}, make))

    def retrieval_accuracy(self, subject: str, method: str, *, averaged: bool = False,
                           run: int = 0) -> TopKCurve:
        """Return the top-k retrieval accuracy of a method.

        Parameters
        ----------
        subject : str
        method : str
            One of `METHODS`.
        averaged : bool
            True: responses are averaged over repeats and candidates are ``n_pool`` of the test
            images. False: every trial is a query among all test images. With several test sets,
            candidates are all conditions of the cohort in both cases.
        run : int
            Run that `FIRST` refers to, below `N_KEPT_RUNS`.
        """
        trials, ranks, images = self.trials(subject), [], []
        parameters = self._parameters(subject, method, run)
        whole = len(trials.splits) > 1
        for split, (weight, bias, metric) in zip(trials.splits, parameters):
            candidates = np.unique(trials.condition) if whole else split.test
            responses, condition = ((trials.means(split.test), split.test) if averaged
                                    else trials.select(split.test))
            images.append(np.searchsorted(candidates, condition))
            ranks.append(retrieval_ranks(responses @ weight.T + bias,
                                         metric(self.space.vectors[candidates]), images[-1]))
        return top_k_accuracy(np.concatenate(ranks), np.concatenate(images), len(candidates),
                              pool=self.spec.n_pool if averaged and not whole else 0,
                              seed=self.seed)

    def _parameters(self, subject: str, method: str,
                    run: int) -> list[tuple[NDArray, NDArray, EmbeddingMetric]]:
        """Return weight, bias, and the metric of the embedding space, for every split."""
        if method in (RIDGE, NARROW, WHITENED):
            return [(one.weight, one.bias, one.metric) for one in self.ridge(subject, method)]
        metric = identity_metric(self.space.vectors.shape[1])
        return [(one.run_weights[run], one.run_biases[run], metric) if method == FIRST
                else (one.weight, one.bias, metric) for one in self.decoders(
                    subject, TrainingVariant(noiseless=method == NOISELESS))]

    def points(self, subject: str, variant: TrainingVariant = STANDARD) -> NDArray[np.float32]:
        """Return each voxel's weights, averaged over runs and splits, (n_voxels, n_dims)."""
        return np.mean([one.weight.T for one in self.decoders(subject, variant)], axis=0)
