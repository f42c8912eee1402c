"""CLIP's published embeddings of names: tiny files in their layout, and the real ones."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.concepts.interpretation import associated_vectors
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.decoding.embedding_space import name_embedding_space
from helpers.networks.name_embeddings import N_DIMS, RELEASE_FILES, read_name_embeddings

REAL = ROOT.parent / "shared" / "data" / "clip_text"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data/clip_text here")


@pytest.fixture
def folder(tmp_path):
    """Write three names of LVIS, not in order, and two of Objects365, one of them the same."""
    rng = np.random.default_rng(0)
    names = [{"id": 2, "name": "cup"}, {"id": 1, "name": "bow_(weapon)"},
             {"id": 3, "name": "swivel_chair"}]
    (tmp_path / RELEASE_FILES[0]).write_text(json.dumps(names))
    np.save(tmp_path / RELEASE_FILES[1], rng.standard_normal((3, N_DIMS)).astype(np.float16))
    (tmp_path / RELEASE_FILES[2]).write_text("1,Cup,Cup\n2,Tree/Bush,Tree/Bush\n")
    np.save(tmp_path / RELEASE_FILES[3], rng.standard_normal((2, N_DIMS)).astype(np.float16))
    return tmp_path


def test_names_are_read_in_the_order_of_their_embeddings(folder):
    found = read_name_embeddings(folder)
    assert found.names == ("bow", "cup", "swivel chair", "tree")
    first, second = (np.load(folder / name) for name in (RELEASE_FILES[1], RELEASE_FILES[3]))
    np.testing.assert_array_equal(found.embed_texts(["cup", "tree"]),
                                  np.stack([first[1], second[1]]).astype(np.float32))
    with pytest.raises(LabError, match="no embedding of 'dog'"):
        found.embed_texts(["cup", "dog"])


def test_files_that_are_absent_or_do_not_fit_are_reported(folder):
    np.save(folder / RELEASE_FILES[3], np.zeros((3, N_DIMS)))
    with pytest.raises(LabError, match=r"2 names, embeddings \(3, 512\)"):
        read_name_embeddings(folder)
    (folder / RELEASE_FILES[0]).write_text("[")
    with pytest.raises(LabError, match="cannot be read"):
        read_name_embeddings(folder)
    (folder / RELEASE_FILES[2]).unlink()
    with pytest.raises(LabError, match="Objects365_names_fix.csv"):
        read_name_embeddings(folder)


def test_conditions_get_the_embedding_of_their_name(folder):
    names = read_name_embeddings(folder)
    cohort = SimpleNamespace(name="kinds", stimuli=SimpleNamespace(
        classes=("cup", "sea", "swivel_chair")))
    space = name_embedding_space(names, cohort)
    assert space.known.tolist() == [0, 2] and space.words == names.names
    own = names.embed_texts(["swivel chair"])[0]
    np.testing.assert_allclose(space.vectors[2], own / np.linalg.norm(own), atol=1e-6)
    cohort.stimuli.classes = ("sea",)
    with pytest.raises(LabError, match="no condition has a name"):
        name_embedding_space(names, cohort)


@needs_real
def test_real_words_are_nearest_to_what_belongs_with_them():
    names = read_name_embeddings(REAL)
    assert len(names.names) > 1300
    asked = {"cat": {"kitten", "dog", "cat"}, "pizza": {"pizza", "pasta", "lasagna", "pie"},
             "car": {"car", "automobile", "vehicle", "sports car", "van"}}
    most, least = associated_vectors(names.embed_texts(list(asked)), names.vectors, 8)
    for row, (word, near) in enumerate(asked.items()):
        words = [names.names[i] for i in most[row]]
        assert words[0] == word and len(near & set(words)) >= 2, (word, words)
        assert not set(words) & {names.names[i] for i in least[row]}
