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

from data.synthetic.writing import atomic_folder, map_chunks, require_positive
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

CHALLENGE_LABEL_SETS = tuple(family for family in FAMILIES_NSD if family != "nsdgeneral")
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
    require_positive(n_withheld=n_withheld)
    nsd = Path(nsd)
    info = read_presentations(nsd / TABLE)
    subjects = list_subjects(nsd / "nsddata_betas/ppdata", "nativesurface")
    if not subjects:
        raise LabError(f"no participants in {nsd / 'nsddata_betas/ppdata'}",
                       expected="subj01 and others", remedy="write or fetch NSD's files first")
    with atomic_folder(folder) as temp_folder:
        files_by_subject = {name: NSDFiles(nsd, SPACES["nativesurface"], name) for name in subjects}
        splits = {name: _split(subject_files, info,
                               n_withheld) for name, subject_files in files_by_subject.items()}
        _write_images(temp_folder, nsd / STIMULI, splits, processes)
        for name, subject_files in progress(files_by_subject.items(), "averaging over repeats"):
            _write_masks(temp_folder / name / "roi_masks", subject_files)
            _write_fmri(temp_folder / name / "training_split/training_fmri", subject_files,
                        splits[name])
    return Path(folder)


class _TrainTestSplit:
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

    def __init__(self, n_sessions: int, train_trials: NDArray[np.int64],
                 presented: NDArray[np.bool_]) -> None:
        in_train = (train_trials >= 0).any(1)
        self.n_sessions = n_sessions
        self.train, self.test = np.flatnonzero(in_train), np.flatnonzero(presented & ~in_train)
        self.trials = train_trials[self.train]


def _split(subject_files: NSDFiles, info: pd.DataFrame, n_withheld: int) -> _TrainTestSplit:
    subject, n_completed = subject_files.subject, subject_files.count_sessions()
    if n_completed <= n_withheld:
        raise LabError(f"{subject} completed {n_completed} sessions, {n_withheld} are withheld",
                       expected="more sessions than are withheld",
                       remedy="withhold fewer, or simulate more sessions")
    n_train_sessions = n_completed - n_withheld
    presented = (presentations(info, subject, n_completed) >= 0).any(1)
    return _TrainTestSplit(n_train_sessions, presentations(info, subject, n_train_sessions),
                           presented)


def _encode(hdf5_path: str, ids: list[int]) -> list[bytes]:
    """Encode some images as PNG; runs in a process of its own."""
    with readable(Path(hdf5_path), h5py.File, "NSD's images") as file:
        pixels = file["imgBrick"][ids]
    encoded = []
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return encoded


def _image_file_names(splits: dict[str, _TrainTestSplit]) -> dict[int, list[str]]:
    """Return under which names each image is filed."""
    names: dict[int, list[str]] = {}
    for subject, split in splits.items():
        for stem, folder, ids in (("train", "training_split/training_images", split.train),
                                  ("test", "test_split/test_images", split.test)):
            for position, index in enumerate(ids, 1):
                names.setdefault(int(index), []).append(
                    f"{subject}/{folder}/{stem}-{position:04d}_nsd-{index:05d}.png")
    return names


def _write_images(root: Path, hdf5_path: Path, splits: dict[str, _TrainTestSplit],
                    processes: int | None) -> None:
    names = _image_file_names(splits)
    for subject in splits:
        for folder in ("training_split/training_images", "test_split/test_images"):
            (root / subject / folder).mkdir(parents=True)
    ids = sorted(names)
    encoded = map_chunks(partial(_encode, str(hdf5_path)), ids, chunk=_CHUNK, processes=processes,
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


def _challenge_masks(subject_files: NSDFiles) -> list[NDArray[np.bool_]]:
    """Return the vertices of challenge space, left and right."""
    return [values > 0 for values in subject_files.labels("nsdgeneral")]


def _write_masks(folder: Path, subject_files: NSDFiles) -> None:
    """Write the label sets in challenge space and on the whole sheet, and their names."""
    folder.mkdir(parents=True)
    challenge_masks = _challenge_masks(subject_files)
    for hemisphere, in_challenge_space in zip(HEMISPHERES, challenge_masks):
        np.save(folder / f"{hemisphere}.all-vertices_fsaverage_space.npy",
                in_challenge_space.astype(np.int64))
    for family in CHALLENGE_LABEL_SETS:
        for hemisphere, in_challenge_space, labels in zip(HEMISPHERES, challenge_masks,
                                                          subject_files.labels(family)):
            values = np.maximum(labels, 0).astype(np.int64) * in_challenge_space
            np.save(folder / f"{hemisphere}.{family}_fsaverage_space.npy", values)
            np.save(folder / f"{hemisphere}.{family}_challenge_space.npy",
                    values[in_challenge_space])
        names = read_names(subject_files.names_file(family))
        np.save(folder / f"mapping_{family}.npy", np.array(names, dtype=object))


def _write_fmri(folder: Path, subject_files: NSDFiles, split: _TrainTestSplit) -> None:
    """Write the mean over repeats of every training image, float32."""
    folder.mkdir()
    n_repeats = (split.trials >= 0).sum(1)
    for hemisphere, in_challenge_space in zip(HEMISPHERES, _challenge_masks(subject_files)):
        vertex = np.flatnonzero(in_challenge_space)
        sums = np.zeros((len(split.train), len(vertex)))
        for session in range(split.n_sessions):
            values = read_session(subject_files.session(hemisphere, session + 1), vertex)
            image, repeat = np.nonzero(split.trials // TRIALS == session)
            np.add.at(sums, image, values[split.trials[image, repeat] - session * TRIALS])
        np.save(folder / f"{hemisphere}_training_fmri.npy",
                (sums / n_repeats[:, None]).astype(np.float32))
