"""CLIP's embeddings of the names of things, as published beside Detic: no network is needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.substitute_files import substitute_error
from helpers.core.text import read_table, read_text

RELEASE_FILES = ("lvis_v1_train_cat_info.json", "lvis_v1_clip_a+cname.npy",
                 "Objects365_names_fix.csv",
                 "o365_clip_a+cnamefix.npy")
"""Names and embeddings of LVIS, and of Objects365: of "a NAME", by ViT-B/32."""
N_DIMS = 512


@dataclass(frozen=True)
class NameEmbeddings:
    """Embeddings of names.

    Attributes
    ----------
    names : tuple of str
        In lower case, no two the same.
    vectors : array, float32, shape (n_names, 512)
        Not normalised.
    digest : str
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    digest: str

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some of the names, (n_texts, 512).

        Raises
        ------
        LabError
            If there is no such name.
        """
        row_of_name = {name: row for row, name in enumerate(self.names)}
        missing_names = [text for text in texts if text not in row_of_name]
        if missing_names:
            raise LabError(f"no embedding of {missing_names[0]!r}",
                           expected=f"one of {len(self.names)} names of things",
                           remedy="leave it out, or use a network that reads any text")
        return self.vectors[[row_of_name[text] for text in texts]]


def read_name_embeddings(folder: Path) -> NameEmbeddings:
    """Read the names of LVIS, and those of Objects365 that LVIS does not have.

    Raises
    ------
    LabError
        If a file is missing or damaged, or names and embeddings differ in number.
    """
    missing_files = [name for name in RELEASE_FILES if not (folder / name).is_file()]
    if missing_files:
        raise LabError(f"no {missing_files[0]} in {folder}", expected=", ".join(RELEASE_FILES),
                       remedy="see [clip-names] in helpers/datasets/sources.toml")
    paths = [folder / name for name in RELEASE_FILES]
    try:
        lvis = sorted(json.loads(read_text(paths[0])), key=lambda category: category["id"])
        objects365 = read_table(paths[2], ("id", "name", "fixed"), header=False).columns["fixed"]
        release = [(paths[1], [category["name"] for category in lvis]), (paths[3], objects365)]
        embeddings = [np.load(path, allow_pickle=False) for path, _ in release]
        if any(vectors.dtype.kind not in "fiu" for vectors in embeddings):
            raise ValueError("the embeddings are no numbers")
    except LabError:
        raise
    except Exception as error:  # damaged bytes lead the readers into any exception
        raise next(filter(None, (substitute_error(path, "a file of the release")
                                 for path in paths)), None) or LabError(
            f"the names in {folder} cannot be read: {error}",
            expected="whole files of the release",
            remedy="fetch the one that is damaged again") from error
    embedding_of_name: dict[str, NDArray] = {}
    for (path, names), vectors in zip(release, embeddings):
        fits = vectors.shape == (len(names), N_DIMS)
        if not fits or not np.isfinite(vectors).all():
            seen = "values that are not finite" if fits else (f"{len(names)} names, embeddings "
                                                              f"{vectors.shape}")
            raise LabError(f"{path}: {seen}", expected=f"{N_DIMS} finite numbers a name",
                           remedy="use names and embeddings of one release, as they were "
                           "published")
        for name, vector in zip(map(_normalise_name, names), vectors):
            embedding_of_name.setdefault(name, vector)
    return NameEmbeddings(tuple(embedding_of_name),
                          np.stack(list(embedding_of_name.values())).astype(np.float32),
                          text_digest(" ".join(map(file_digest, paths))))


def _normalise_name(name: str) -> str:
    """Write a name as people would: lower case, blanks, without what tells its senses apart."""
    return name.replace("_(", " (").replace("_", " ").split(" (")[0].split("/")[0].strip().lower()
