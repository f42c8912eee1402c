"""A study of shared concepts: weights of a cohort's voxels clustered, with null models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.coco_annotations import Annotations, read_annotations
from helpers.brains.rois import FAMILIES
from helpers.concepts.clustering import Clusters, centroids, cluster, count_shared
from helpers.concepts.encoding_weights import fit_encoding_weights, select_alpha
from helpers.concepts.interpretation import auc, frequent_words
from helpers.concepts.nulls import random_rotation_null
from helpers.concepts.stability import (
    bracket_radius,
    compute_fraction_by_chance,
    correlate_with_similarity,
    leave_participant_out,
)
from helpers.concepts.statistics import MaximumTest, maximum_test
from helpers.config.shared_concepts import ConceptSpec
from helpers.core.cache import Arrays, cached
from helpers.core.console import progress
from helpers.core.digest import array_digest, code_digest
from helpers.decoding.study import STANDARD, DecodingStudy, TrainingVariant
from helpers.decoding.vectors import cosines

DECODER, ENCODING = "decoder weights", "encoding weights"
"""What is clustered: weights of contrastive decoders, as published, or of regressions of each
voxel's responses on the embedding (ours)."""
FUNCTIONAL = ("prf-visualrois", "floc-faces", "floc-bodies", "floc-places", "floc-words",
              "object2vec")
"""Families of regions with which concepts are compared."""
MIN_FRACTION = 0.1
"""Minimum fraction of a concept's members in a region for the region to be listed."""
RADIUS_DRAWS = 20
"""Rotations of the weights of half of the images, from which the radius is selected."""
RADIUS_STEP = 0.01
"""To which the radius is selected, between two radii of the grid."""
MIN_IMAGES = 10
"""Minimum number of images with an object, and without it, for an area under the curve."""


@dataclass(frozen=True)
class ConceptStudy:
    """Shared concepts of a cohort.

    Parameters
    ----------
    decoding : DecodingStudy
    spec : ConceptSpec
    kind : str
        `DECODER` or `ENCODING`.
    """

    decoding: DecodingStudy
    spec: ConceptSpec
    kind: str = DECODER

    @property
    def subjects(self) -> tuple[str, ...]:
        """Participants."""
        return tuple(self.decoding.cohort.subjects)

    def points(self, variant: TrainingVariant = STANDARD) -> dict[str, NDArray[np.float32]]:
        """Return the weights of each participant's voxels, (n_voxels, n_dims)."""
        weights = self.decoding.points if self.kind == DECODER else self._encoding_weights
        return {subject: weights(subject, variant) for subject in self.subjects}

    def _encoding_weights(self, subject: str, variant: TrainingVariant) -> NDArray[np.float32]:
        """Return encoding weights, averaged over splits; one half of the images sets the penalty.
        """
        decoding, trials = self.decoding, self.decoding.trials(subject)

        def make() -> Arrays:
            weights = []
            for split in trials.splits:
                first, _ = decoding.training_pairs(split, TrainingVariant(half=1))
                alpha = select_alpha(decoding.space.vectors[first], trials.means(first))
                conditions, targets = decoding.training_pairs(split, variant)
                weights.append(fit_encoding_weights(decoding.space.vectors[targets],
                                                    trials.means(conditions), alpha))
            return {"weights": np.mean(weights, axis=0, dtype=np.float32)}

        return cached("encoded", f"weights-{subject}", {
            "splits": [decoding.key_parts(trials, number) for number in range(len(trials.splits))],
            "variant": asdict(variant),
            "code": code_digest(["helpers.concepts.encoding_weights"])}, make)["weights"]

    def cluster_points(self, points: dict[str, NDArray],
                       radii: Sequence[float] = ()) -> tuple[Clusters, ...]:
        """Return the clusters of some points at some radii, by default at `radii`."""
        return cluster(points, eps=radii or self.radii, expansion=self.spec.expansion,
                       min_participants=self.spec.min_participants, device=self.decoding.device)

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Each participant's weights of all training images, (n_voxels, n_dims)."""
        return self.points()

    @cached_property
    def clusters_by_radius(self) -> tuple[Clusters, ...]:
        """Clusters of the weights at all `radii`."""
        return self.cluster_points(self.weights)

    @cached_property
    def rotation_null(self) -> Arrays:
        """Counts (`count_shared`) of randomly rotated weights, each (n_nulls, n_radii)."""
        return self._count_null(self.weights, self.spec.n_nulls, self.radii)

    def _count_null(self, points: dict[str, NDArray], n_draws: int,
                    radii: Sequence[float]) -> Arrays:
        digest = [array_digest(values) for values in points.values()]
        draws = [self._count_rotated(points, radii, digest, number) for number in progress(
            range(n_draws), f"randomly rotated {self.kind}", n_draws)]
        return {name: np.stack([draw[name] for draw in draws]) for name in draws[0]}

    def _count_rotated(self, points: dict[str, NDArray], radii: Sequence[float],
                       digest: list[str], number: int) -> Arrays:
        parts = {"points": digest, "seed": [self.decoding.seed, number],
                 "eps": list(radii), "min_participants": self.spec.min_participants,
                 "expansion": self.spec.expansion,
                 "code": code_digest(["helpers.concepts.clustering", "helpers.concepts.nulls"])}
        seed = int(np.random.SeedSequence([self.decoding.seed, number]).generate_state(1)[0])
        return cached("shared", f"rotated-{number}", parts, lambda: count_shared(
            self.cluster_points(random_rotation_null(points, seed=seed), radii)))

    @cached_property
    def permutation_null(self) -> Arrays:
        """Counts of weights that were fitted to permuted images, each (1, n_radii)."""
        permuted = self.cluster_points(self.points(TrainingVariant(permuted=1)))
        return {name: values[None] for name, values in count_shared(permuted).items()}

    @cached_property
    def sharing_test(self) -> MaximumTest:
        """Test of the number of voxels in shared concepts against rotated weights, at all radii."""
        smallest = max(self.spec.min_participants + 1, len(self.subjects) / 2)
        return maximum_test(count_shared(self.clusters_by_radius)["voxels"],
                            self.rotation_null["voxels"], smallest)

    @cached_property
    def fraction_by_chance(self) -> dict[float, float]:
        """Radius -> voxels in shared clusters by chance, as a fraction of those of the data.

        Of weights of one half of the training images and of their rotations: neither clusters of
        all images nor the draws that test these have a part in it. At the radii of the grid, and
        in steps of `RADIUS_STEP` between the one selected there (`bracket_radius`) and the next.
        """
        points, grid = self.points(TrainingVariant(half=1)), self.spec.eps

        def compare(radii: Sequence[float]) -> dict[float, float]:
            found = count_shared(self.cluster_points(points, radii))["voxels"]
            null = self._count_null(points, RADIUS_DRAWS, radii)["voxels"]
            return dict(zip(radii, compute_fraction_by_chance(found, null)))

        fractions = compare(grid)
        first, last = bracket_radius(fractions)
        n_steps = math.ceil((last - first) / RADIUS_STEP - 1e-6)
        finer = [round(first + RADIUS_STEP * step, 6) for step in range(1, n_steps)]
        return dict(sorted((fractions | (compare(finer) if finer else {})).items()))

    @cached_property
    def radius(self) -> float:
        """The selected eps."""
        return bracket_radius(self.fraction_by_chance)[0]

    @cached_property
    def radii(self) -> tuple[float, ...]:
        """The radii of the grid and the selected one, increasing."""
        return tuple(sorted({*self.spec.eps, self.radius}))

    @property
    def concepts(self) -> Clusters:
        """Clusters at the selected eps."""
        return self.clusters_by_radius[self.radii.index(self.radius)]

    @cached_property
    def centroids(self) -> NDArray[np.float64]:
        """Centroids of the concepts, of unit length, (n_concepts, n_dims)."""
        return centroids(self.weights, self.concepts)

    @cached_property
    def annotations(self) -> Annotations | None:
        """Captions and object labels of the images."""
        return read_annotations(self.decoding.cohort)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Candidate words for concepts: those with an embedding, or frequent words of captions."""
        if self.decoding.space.words:
            return self.decoding.space.words
        captions = self.annotations.captions if self.annotations else ()
        return frequent_words(captions, self.spec.min_count)

    @property
    def known_conditions(self) -> NDArray[np.int64]:
        """Conditions that have an embedding."""
        return self.decoding.space.known

    def vertices(self, concept: int) -> dict[tuple[str, str], NDArray]:
        """Return the vertices of a concept's expanded masks, by participant and hemisphere."""
        return self.vertices_of([masks[[concept]].indices for masks in self.concepts.expanded])

    def vertices_of(self, voxels: Sequence[NDArray]) -> dict[tuple[str, str], NDArray]:
        """Return the vertices of some voxels of each participant, by participant and hemisphere."""
        vertices = {}
        for subject, rows in zip(self.subjects, voxels):
            trials = self.decoding.trials(subject)
            for side in np.unique(trials.hemisphere[rows]):
                vertices[subject, str(side)] = trials.vertex[rows[trials.hemisphere[rows] == side]]
        return vertices

    def fraction_in_regions(self, regions: Sequence[str]) -> NDArray[np.float64]:
        """Return the fraction of each concept's members, of all participants, in some regions.

        (n_concepts,); NaN where no participant has one of the regions.
        """
        total, known = np.zeros(self.concepts.n_clusters), False
        for labels, subject in zip(self.concepts.labels, self.subjects):
            trials = self.decoding.trials(subject)
            known |= not trials.members.keys().isdisjoint(regions)
            total += np.bincount(labels[trials.in_regions(regions) & (labels >= 0)],
                                 minlength=len(total))
        return total / self.concepts.counts().sum(1) if known else np.full(len(total), np.nan)

    def roi_overlap(self) -> list[dict[str, float]]:
        """Return the two regions with most members of each concept, and the fractions of members.

        Regions of `FUNCTIONAL` with fractions of at least `MIN_FRACTION`.
        """
        names = [name for family in FUNCTIONAL for name in FAMILIES[family]]
        fractions = np.nan_to_num([self.fraction_in_regions([name]) for name in names]).T
        return [{names[column]: float(row[column]) for column in np.argsort(-row)[:2]
                 if row[column] >= MIN_FRACTION} for row in fractions]

    def test_conditions(self, subject: str) -> NDArray[np.int64]:
        """Return a participant's test conditions, increasing."""
        return np.sort(np.concatenate([one.test for one in self.decoding.trials(subject).splits]))

    def percent_signal_change(self, subject: str) -> NDArray[np.float32] | None:
        """Return the mean response in percent signal change to each test condition.

        (n_conditions, n_voxels), voxels in the order of the weights; None where files lack it.
        """
        trials = self.decoding.trials(subject)
        raw = self.decoding.cohort.percent(subject, trials.bound)
        if raw is None:
            return None
        place = {key: column for column, key in enumerate(zip(raw.hemisphere, raw.vertex))}
        columns = [place[key] for key in zip(trials.hemisphere, trials.vertex)]
        return raw.mean(self.test_conditions(subject))[:, columns]

    def leave_one_out(self) -> pd.DataFrame:
        """Predict each participant's responses by concepts of all other participants.

        Returns
        -------
        DataFrame
            Columns ``subject, concept``; ``again``: cosine of the concept with the nearest centroid
            of the others; ``r``: correlation over held-out images of their similarity to that
            centroid with the mean response of voxels whose weights lie within eps of it;
            ``r_all``: the same with the mean response of all voxels. Voxels are selected from
            training images, so that r is not circular. NaN where there is no such voxel.
        """
        eps, rows = self.concepts.eps, []
        for subject in self.subjects:
            again, nearest = leave_participant_out(self.weights, self.centroids, subject, eps,
                                                   self.spec.min_participants)
            test = self.test_conditions(subject)
            responses = self.decoding.trials(subject).means(test)
            for concept, (cosine, centre) in enumerate(zip(again, nearest)):
                r = correlate_with_similarity(centre, self.weights[subject], responses,
                                              self.decoding.space.vectors[test], eps)
                rows.append((subject, concept, cosine, *r))
        return pd.DataFrame(rows, columns=["subject", "concept", "again", "r", "r_all"])

    def object_labels(self) -> pd.DataFrame:
        """Return how well each concept discriminates objects in held-out images.

        Returns
        -------
        DataFrame
            Columns ``concept, object, subject, n`` (images with the object), ``auc`` (by the mean
            response of the concept's voxels, without CLIP) and ``auc_clip`` (by the similarity of
            the image's embedding to the centroid). Objects in, or absent from, fewer than
            `MIN_IMAGES` test images are left out. Empty if images have no annotations.
        """
        rows, annotations = [], self.annotations
        for subject, labels in zip(self.subjects if annotations else (), self.concepts.labels):
            test = self.test_conditions(subject)
            present = annotations.present[test]
            n = present.sum(0)
            frequent = np.flatnonzero(np.minimum(n, len(test) - n) >= MIN_IMAGES)
            member = labels[:, None] == np.arange(self.concepts.n_clusters)
            size = member.sum(0)
            voxels, clip = (auc(values, present[:, frequent]) for values in (
                self.decoding.trials(subject).means(test) @ member / np.maximum(size, 1),
                cosines(self.centroids, self.decoding.space.vectors[test]).T))
            rows += [(concept, annotations.objects[column], subject, n[column],
                      voxels[concept, place], clip[concept, place])
                     for concept in np.flatnonzero(size) for place, column in enumerate(frequent)]
        return pd.DataFrame(rows, columns=["concept", "object", "subject", "n", "auc", "auc_clip"])
