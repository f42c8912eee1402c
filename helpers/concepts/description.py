"""What the cards of a study's concepts say: images, words, objects, regions, voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from helpers.concepts.cards import Card
from helpers.concepts.interpretation import associated_vectors
from helpers.concepts.study import ConceptStudy

N_SHOWN = 6
"""Nearest, and farthest, images on a card."""
N_OBJECTS = 3
"""Objects, and nearest and farthest words, on a card."""


@dataclass(frozen=True)
class Description:
    """What is known of every concept of a study.

    Parameters
    ----------
    study : ConceptStudy
    """

    study: ConceptStudy

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Voxels of all participants, (n_concepts,)."""
        return self.study.concepts.counts().sum(1)

    @property
    def order(self) -> NDArray[np.int64]:
        """Concepts, those with most voxels first."""
        return np.argsort(-self.sizes, kind="stable")

    @cached_property
    def images(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Conditions nearest to each centroid, and farthest from it, (n_concepts, n_images)."""
        study, known = self.study, self.study.known_conditions
        most, least = associated_vectors(study.centroids, study.decoding.space.vectors[known],
                                         study.spec.n_images)
        return known[most], known[least]

    @cached_property
    def words(self) -> tuple[NDArray, NDArray]:
        """Words nearest to each centroid, and farthest from it, str (n_concepts, n_words)."""
        words = np.array(self.study.words, dtype=object)
        if not len(words):
            return (np.empty((len(self.sizes), 0), object),) * 2
        most, least = associated_vectors(self.study.centroids, self.study.decoding.space.read(
            list(words)), self.study.spec.n_words)
        return words[most], words[least]

    @cached_property
    def objects(self) -> pd.DataFrame:
        """Areas under the ROC curve, of `ConceptStudy.object_labels`."""
        return self.study.object_labels()

    @cached_property
    def mean_auc(self) -> pd.DataFrame:
        """Columns ``auc, auc_clip``: mean over participants, indexed by ``concept, object``."""
        return self.objects.groupby(["concept", "object"])[["auc", "auc_clip"]].mean()

    def best_objects(self, concept: int) -> list[str]:
        """Return the objects that a concept's voxels discriminate best, with the area."""
        if concept not in self.mean_auc.index.get_level_values(0):
            return []
        top = self.mean_auc.loc[concept, "auc"].sort_values(ascending=False).head(N_OBJECTS)
        return [f"{name} {value:.2f}" for name, value in top.items()]

    @cached_property
    def regions(self) -> list[dict[str, float]]:
        """The regions that hold most members of each concept (`ConceptStudy.roi_overlap`)."""
        return self.study.roi_overlap()

    def table(self) -> pd.DataFrame:
        """Return one row for each concept, the largest first."""
        counts, (near, far) = self.study.concepts.counts(), self.words
        return pd.DataFrame([{
            "concept": int(concept), "voxels": int(self.sizes[concept]),
            "participants": int((counts[concept] > 0).sum()),
            "regions": ", ".join(f"{name} {part:.0%}"
                                 for name, part in self.regions[concept].items()),
            "objects, by response": ", ".join(self.best_objects(concept)),
            "nearest words": ", ".join(near[concept][:5]),
            "farthest words": ", ".join(far[concept][:3])} for concept in self.order])

    def cards(self, concepts: Sequence[int]) -> list[Card]:
        """Return cards of some concepts, with the voxels of their expanded masks."""
        expanded, cards = self.study.concepts.expanded_counts(), []
        for concept in concepts:
            (near, far), (most, least) = self.words, self.images
            cards.append(Card(
                f"{concept}: {', '.join(self.regions[concept]) or 'no named region'}",
                self.study.vertices(concept), expanded[concept],
                self.open_images(most[concept]), self.open_images(least[concept]),
                self.best_objects(concept), near[concept][:N_OBJECTS], far[concept][:N_OBJECTS]))
        return cards

    def open_images(self, conditions: Sequence[int]) -> list[Image.Image]:
        """Open the first images of some conditions, `N_SHOWN` at most."""
        cohort = self.study.decoding.cohort
        known, first = np.unique(cohort.condition_of, return_index=True)
        return [cohort.stimuli.open(int(image))
                for image in first[np.searchsorted(known, conditions[:N_SHOWN])]]
