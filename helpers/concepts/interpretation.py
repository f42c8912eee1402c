"""What a shared concept is: images and words nearest to it and farthest from it, its objects."""

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

OF_CAPTIONS = frozenset({"picture", "photo", "image", "drawing", "view", "shows", "look", "drawn"})
"""Words that tell of captions, not of what is to be seen."""


def associated_vectors(centroids: NDArray, vectors: NDArray, n: int
               ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which vectors are most and least similar to each centroid, by cosine.

    Parameters
    ----------
    centroids : array, float, shape (n_clusters, n_dims)
    vectors : array, float, shape (n_vectors, n_dims)
        Embeddings of images, or of words.
    n : int

    Returns
    -------
    most, least : arrays, int64, shape (n_clusters, min(n, n_vectors))
        The most extreme first; of equal ones the earlier.
    """
    order = np.argsort(-cosines(centroids, vectors), axis=1, kind="stable")
    return order[:, :n], order[:, ::-1][:, :n]


def frequent_words(captions: Iterable[Sequence[str]], least: int) -> tuple[str, ...]:
    """Return the words that captions say often, without stop words, in alphabetical order.

    Words as they stand: they are not reduced to their lemmas, as the paper may have done (unknown).

    Parameters
    ----------
    captions : iterable of sequences of str
        Of each image.
    least : int
        A word must occur in the captions of so many images.
    """
    counts: Counter[str] = Counter()
    for said in captions:
        counts.update({word for line in said for word in re.findall(
            r"[a-z]+(?:[-'][a-z]+)*", re.sub(r'"[^"]*"', " ", line.lower()))})
    return tuple(sorted(word for word, n in counts.items()
                        if n >= least and len(word) > 1 and word not in ENGLISH_STOP_WORDS
                        and word not in OF_CAPTIONS))


def auc(values: NDArray, present: NDArray) -> NDArray[np.float64]:
    """Return how well values tell images with an object from those without.

    Parameters
    ----------
    values : array, float, shape (n_images, n_clusters)
        Similarity of each image to a centroid, or mean response of a cluster's voxels.
    present : array, bool, shape (n_images, n_objects)

    Returns
    -------
    array, float64, shape (n_clusters, n_objects)
        Area under the ROC curve; ties count half. NaN where all images have the object, or none.
    """
    if values.ndim != 2 or present.shape[:1] != values.shape[:1]:
        raise LabError(f"values {values.shape}, objects {present.shape}",
                       expected="as many images in both", remedy="use the same images")
    place = rankdata(values, axis=0)
    n = present.sum(0).astype(float)
    rest = len(present) - n
    total = place.T @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((n > 0) & (rest > 0), (total - n * (n + 1) / 2) / (n * rest), np.nan)


def cross_validated_names(labels: pd.DataFrame) -> pd.DataFrame:
    """Name each concept by the other participants, and see whether the name holds in the one.

    Parameters
    ----------
    labels : DataFrame
        Columns ``concept, object, subject, auc``, of `ConceptStudy.object_labels`.

    Returns
    -------
    DataFrame
        Columns ``concept, subject, object`` (the best one in the mean over the others) and ``auc``
        (in this participant). Concepts of one participant alone are left out.
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
