"""Algonauts 2023's files, derived from NSD's as the originals were.

Betas are z-scored within sessions and averaged over an image's repeats; the last sessions are
withheld, and images seen in those alone are the test.
"""

from __future__ import annotations

import io
import os
import shutil
from functools import partial
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from data.synthetic.writing import counted, made_in_chunks, whole
from helpers.brains.files import read_names, readable
from helpers.brains.nsd_files import (
    FAMILIES_NSD,
    HEMISPHERES,
    SPACES,
    STIMULI,
    TABLE,
    NSDFiles,
    list_subjects,
)
from helpers.brains.sessions import read_session
from helpers.brains.splits import TRIALS, presentations, read_presentations
from helpers.core.console import progress
from helpers.core.errors import LabError

CHALLENGE = tuple(family for family in FAMILIES_NSD if family != "nsdgeneral")
"""Label sets that the challenge gave out."""
_CHUNK = 200


def write_algonauts(folder: str | os.PathLike[str], *, nsd: Path, n_withheld: int = 1,
                    processes: int | None = None) -> Path:
    """Derive Algonauts 2023's layout from a folder in NSD's layout, for all its participants.

    Challenge space holds the vertices of ``nsdgeneral``; the whole sheet stands for fsaverage.
    Images are in the order of their nsdId. A shared image is one file under several names
    where the file system has hard links.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    nsd : Path
        Holds ``nsddata``, ``nsddata_betas`` and ``nsddata_stimuli``.
    n_withheld : int
        Last sessions of each participant whose responses are kept back (original: 3 of up to 40).
    processes : int, optional
        That encode images. Default: as many as ``LAB_WORKERS`` says.

    Returns
    -------
    Path of ``folder``.

    Raises
    ------
    LabError
        If a participant has no session beyond those withheld, or a file is missing.

    Notes
    -----
    Gifford et al. (2023); contrastive-finetuning spec, appendix B.
    """
    counted(n_withheld=n_withheld)
    nsd = Path(nsd)
    info = read_presentations(nsd / TABLE)
    subjects = list_subjects(nsd / "nsddata_betas/ppdata", "nativesurface")
    if not subjects:
        raise LabError(f"no participants in {nsd / 'nsddata_betas/ppdata'}",
                       expected="subj01 and others", remedy="write or fetch NSD's files first")
    with whole(folder) as part:
        places = {name: NSDFiles(nsd, SPACES["nativesurface"], name) for name in subjects}
        splits = {name: _split(place, info, n_withheld) for name, place in places.items()}
        _write_images(part, nsd / STIMULI, splits, processes)
        for name, place in progress(places.items(), "averaging over repeats"):
            _write_masks(part / name / "roi_masks", place)
            _write_fmri(part / name / "training_split/training_fmri", place, splits[name])
    return Path(folder)


class _Split:
    """What a participant saw in the sessions given out, and in the withheld ones alone.

    Attributes
    ----------
    n_sessions : int
        Given out.
    train, test : array, int64
        nsdIds, increasing.
    trials : array, int64, shape (n_train, 3)
        Trial of each showing, from 0; -1: none in the sessions given out.
    """

    def __init__(self, n_sessions: int, given: NDArray[np.int64], seen: NDArray[np.bool_]) -> None:
        shown = (given >= 0).any(1)
        self.n_sessions = n_sessions
        self.train, self.test = np.flatnonzero(shown), np.flatnonzero(seen & ~shown)
        self.trials = given[self.train]


def _split(place: NSDFiles, info: pd.DataFrame, n_withheld: int) -> _Split:
    subject, n_completed = place.subject, place.count_sessions()
    if n_completed <= n_withheld:
        raise LabError(f"{subject} completed {n_completed} sessions, {n_withheld} are withheld",
                       expected="more sessions than are withheld",
                       remedy="withhold fewer, or simulate more sessions")
    n_given = n_completed - n_withheld
    seen = (presentations(info, subject, n_completed) >= 0).any(1)
    return _Split(n_given, presentations(info, subject, n_given), seen)


def _encode(brick: str, ids: list[int]) -> list[bytes]:
    """Encode some images as PNG; runs in a process of its own."""
    with readable(Path(brick), h5py.File, "NSD's images") as file:
        pixels = file["imgBrick"][ids]
    encoded = []
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return encoded


def _names(splits: dict[str, _Split]) -> dict[int, list[str]]:
    """Return under which names each image is filed."""
    names: dict[int, list[str]] = {}
    for subject, split in splits.items():
        for stem, folder, ids in (("train", "training_split/training_images", split.train),
                                  ("test", "test_split/test_images", split.test)):
            for place, index in enumerate(ids, 1):
                names.setdefault(int(index), []).append(
                    f"{subject}/{folder}/{stem}-{place:04d}_nsd-{index:05d}.png")
    return names


def _write_images(root: Path, brick: Path, splits: dict[str, _Split],
                    processes: int | None) -> None:
    names = _names(splits)
    for subject in splits:
        for folder in ("training_split/training_images", "test_split/test_images"):
            (root / subject / folder).mkdir(parents=True)
    ids = sorted(names)
    encoded = made_in_chunks(partial(_encode, str(brick)), ids, chunk=_CHUNK, processes=processes,
                             label="filing images")
    for index, content in zip(ids, chain.from_iterable(encoded)):
        first, *others = (root / name for name in names[index])
        first.write_bytes(content)
        for other in others:
            _link(first, other)


def _link(first: Path, other: Path) -> None:
    """Give a file a second name, or a copy where the file system has no hard links."""
    try:
        os.link(first, other)
    except OSError:
        shutil.copyfile(first, other)


def _chosen(place: NSDFiles) -> list[NDArray[np.bool_]]:
    """Return the vertices of challenge space, left and right."""
    return [values > 0 for values in place.labels("nsdgeneral")]


def _write_masks(folder: Path, place: NSDFiles) -> None:
    """Write the label sets in challenge space and on the whole sheet, and their names."""
    folder.mkdir(parents=True)
    everything = _chosen(place)
    for side, chosen in zip(HEMISPHERES, everything):
        np.save(folder / f"{side}.all-vertices_fsaverage_space.npy", chosen.astype(np.int64))
    for family in CHALLENGE:
        for side, chosen, labels in zip(HEMISPHERES, everything, place.labels(family)):
            values = np.maximum(labels, 0).astype(np.int64) * chosen
            np.save(folder / f"{side}.{family}_fsaverage_space.npy", values)
            np.save(folder / f"{side}.{family}_challenge_space.npy", values[chosen])
        names = read_names(place.names_file(family))
        np.save(folder / f"mapping_{family}.npy", np.array(names, dtype=object))


def _write_fmri(folder: Path, place: NSDFiles, split: _Split) -> None:
    """Write the mean over repeats of every training image, float32."""
    folder.mkdir()
    n_repeats = (split.trials >= 0).sum(1)
    for side, chosen in zip(HEMISPHERES, _chosen(place)):
        vertex = np.flatnonzero(chosen)
        total = np.zeros((len(split.train), len(vertex)))
        for session in range(split.n_sessions):
            values = read_session(place.session(side, session + 1), vertex)
            image, repeat = np.nonzero(split.trials // TRIALS == session)
            np.add.at(total, image, values[split.trials[image, repeat] - session * TRIALS])
        np.save(folder / f"{side}_training_fmri.npy",
                (total / n_repeats[:, None]).astype(np.float32))
