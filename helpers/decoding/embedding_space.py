"""Embedding spaces into which responses are decoded: a vector for every condition of a cohort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.core.cache import cached
from helpers.core.digest import array_digest, code_digest, defining_modules
from helpers.core.errors import LabError
from helpers.decoding.vectors import unit
from helpers.lab import Laboratory
from helpers.networks.clip import ClipModel, load_clip
from helpers.networks.name_embeddings import NameEmbeddings
from helpers.networks.weight_files import text_files


@dataclass(frozen=True)
class EmbeddingSpace:
    """Embeddings of a cohort's conditions, and an encoder of words.

    Attributes
    ----------
    name : str
        For display.
    vectors : array, float32, shape (n_conditions, n_dims)
        Unit length; NaN where a condition has no embedding.
    digest : str
        Of the text encoder; `key` is that of the vectors.
    read : callable
        Text encoder: texts -> embeddings (n_texts, n_dims).
    words : tuple of str
        All texts that have an embedding; empty: any text has.
    """

    name: str
    vectors: NDArray[np.float32]
    digest: str
    read: Callable[[Sequence[str]], NDArray[np.float32]]
    words: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Digest of the vectors, for keys of the cache."""
        return array_digest(self.vectors)

    @property
    def known(self) -> NDArray[np.int64]:
        """Conditions that have an embedding."""
        return np.flatnonzero(np.isfinite(self.vectors[:, 0]))


def open_clip(laboratory: Laboratory, name: str) -> ClipModel:
    """Open the image and the text encoder of a CLIP model of the registry."""
    files = text_files(laboratory.entry(name), laboratory.data, seed=laboratory.profile.seed)
    return load_clip(laboratory.network(name), *files)


def image_embedding_space(clip: ClipModel, cohort: Cohort, *, batch_size: int) -> EmbeddingSpace:
    """Embed a cohort's images; a condition with several images gets their mean direction.

    Parameters
    ----------
    clip : ClipModel
    cohort : Cohort
    batch_size : int
    """
    parts = {"album": cohort.stimuli.digest, "network": clip.image.parts,
             "code": code_digest(["helpers.networks.clip", *defining_modules(cohort.stimuli)])}
    vectors = cached("embedded", f"{cohort.name}-{clip.name}", parts, lambda: {
        "vectors": clip.embed_images(cohort.stimuli, batch_size=batch_size)})["vectors"]
    total = np.zeros((cohort.condition_of.max() + 1, vectors.shape[1]))
    np.add.at(total, cohort.condition_of, unit(vectors))
    return EmbeddingSpace(clip.name, unit(total).astype(np.float32), clip.digest, clip.embed_texts)


def name_embedding_space(names: NameEmbeddings, cohort: Cohort) -> EmbeddingSpace:
    """Return the embeddings of the names of conditions; NaN for names without one.

    Raises
    ------
    LabError
        If the cohort's conditions have no names, or none of them has an embedding.
    """
    labels = [name.replace("_", " ").lower() for name in getattr(cohort.stimuli, "classes", ())]
    known = [row for row, name in enumerate(labels) if name in names.names]
    if not known:
        raise LabError(f"{cohort.name}: no condition has a name with an embedding",
                       expected="conditions that are object categories",
                       remedy="name a network in the table [decoding] of the profile")
    vectors = np.full((len(labels), names.vectors.shape[1]), np.nan, np.float32)
    vectors[known] = unit(names.embed_texts([labels[row] for row in known]))
    return EmbeddingSpace("CLIP's embeddings of names", vectors, names.digest, names.embed_texts,
                          names.names)
