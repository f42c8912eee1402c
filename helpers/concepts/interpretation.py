"""Interpretation of concepts: associated images and words, and objects that they discriminate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from helpers.core.errors import LabError
from helpers.decoding.vectors import cosines

CAPTION_WORDS = frozenset(
    {"picture", "photo", "image", "drawing", "view", "shows", "look", "drawn"})
"""Words that refer to the image rather than to its content."""


def associated_vectors(centroids: NDArray, vectors: NDArray,
                       n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the n vectors of largest and of smallest cosine similarity to each centroid.

    Parameters
    ----------
    centroids : array, float, shape (n_clusters, n_dims)
    vectors : array, float, shape (n_vectors, n_dims)
        Embeddings of images, or of words.
    n : int

    Returns
    -------
    most, least : arrays, int64, shape (n_clusters, min(n, n_vectors))
        Rows of ``vectors``, the most extreme first.
    """
    order = np.argsort(-cosines(centroids, vectors), axis=1, kind="stable")
    return order[:, :n], order[:, ::-1][:, :n]


def frequent_words(captions: Iterable[Sequence[str]], min_count: int) -> tuple[str, ...]:
    """Return the frequent words of captions without stop words, in alphabetical order.

    Words are not lemmatised (whether they were in the paper is unknown).

    Parameters
    ----------
    captions : iterable of sequences of str
        Captions of each image.
    min_count : int
        Minimum number of images whose captions contain the word.
    """
    counts: Counter[str] = Counter()
    for lines in captions:
        counts.update({word for line in lines for word in re.findall(
            r"[a-z]+(?:[-'][a-z]+)*", re.sub(r'"[^"]*"', " ", line.lower()))})
    return tuple(sorted(word for word, n in counts.items()
                        if n >= min_count and len(word) > 1 and word not in ENGLISH_STOP_WORDS
                        and word not in CAPTION_WORDS))


def auc(values: NDArray, present: NDArray) -> NDArray[np.float64]:
    """Return the area under the ROC curve for images with against images without an object.

    Parameters
    ----------
    values : array, float, shape (n_images, n_clusters)
        Similarity of each image to a centroid, or mean response of a cluster's voxels.
    present : array, bool, shape (n_images, n_objects)

    Returns
    -------
    array, float64, shape (n_clusters, n_objects)
        Above 0.5: larger values with the object; ties count half. NaN where all images have the
        object, or none.
    """
    if values.ndim != 2 or present.shape[:1] != values.shape[:1]:
        raise LabError(f"values {values.shape}, objects {present.shape}",
                       expected="the same images in both", remedy="pass one row per image")
    n = present.sum(0).astype(float)
    rest = len(present) - n
    total = rankdata(values, axis=0).T @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((n > 0) & (rest > 0), (total - n * (n + 1) / 2) / (n * rest), np.nan)


def cross_validated_names(labels: pd.DataFrame) -> pd.DataFrame:
    """Return each concept's best object in the other participants, and its AUC in the left-out one.

    Parameters
    ----------
    labels : DataFrame
        Columns ``concept, object, subject, auc``, of `ConceptStudy.object_labels`.

    Returns
    -------
    DataFrame
        Columns ``concept, subject, object`` (of largest mean AUC over the others) and ``auc`` (in
        this participant). Concepts of a single participant are left out.
    """
    rows = []
    for concept, part in labels.groupby("concept"):
        table = part.pivot(index="subject", columns="object", values="auc")
        for subject in table.index if len(table) > 1 else ():
            others = table.drop(index=subject).mean().dropna()
            known = table.loc[subject].dropna().index.intersection(others.index)
            if len(known):
                best = others[known].idxmax()
                rows.append((concept, subject, best, table.loc[subject, best]))
    return pd.DataFrame(rows, columns=["concept", "subject", "object", "auc"])
