"""Simulated brains looking at composed images: who sees what when, and responds how.

Signals come from pixels (early regions) and from what is depicted (everything else); noise has a
part of each vertex's own and a part that vertices share within a trial. `write_nsd` in
`data.synthetic.nsd_files` puts it all into NSD's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data.synthetic.captions import captions
from data.synthetic.composed import compose_image
from data.synthetic.depicted import compute_contrast_energy, compute_semantic_features
from data.synthetic.diet import get_backgrounds_and_clutter
from data.synthetic.images import Latents
from data.synthetic.participants import N_NOISE_PATTERNS, SHARED_NOISE_FRACTION, SimulatedVertices
from data.synthetic.writing import map_chunks
from helpers.brains.splits import N_REPEATS, TRIALS
from helpers.core.errors import LabError

_CHUNK = 40
LATE_FRACTION = 0.07
"""Further images that are shared but whose third showing nobody completed, as a share."""


@dataclass(frozen=True)
class CohortImages:
    """All images of a cohort, in the order of their ids.

    Attributes
    ----------
    pixels : array, uint8, shape (n_images, size, size, 3)
    items : list of list of dict
    captions : list of list of str
    semantic_features : array, float64, shape (n_images, n_columns)
    contrast_energy : array, uint16, shape (n_images, n_channels, GRID, GRID)
    """

    pixels: NDArray[np.uint8]
    items: list[list[Latents]]
    captions: list[list[str]]
    semantic_features: NDArray[np.float64]
    contrast_energy: NDArray[np.uint16]


def _compose_chunk(stream: int, seed: int, size: int, ids: range) -> list[tuple]:
    """Compose some images; runs in a process of its own."""
    rows = []
    for index in ids:
        composed_image = compose_image(rng=np.random.default_rng([seed, stream, index]), seed=seed,
                                size=size)
        image_captions = captions(composed_image.items[::-1],
                                  np.random.default_rng([seed, stream, index, 1]))
        contrast_energy = compute_contrast_energy(composed_image.image)
        rows.append((np.asarray(composed_image.image), composed_image.items, image_captions,
                     compute_semantic_features(composed_image.items, contrast_energy),
                        contrast_energy))
    return rows


def compose_images(n_images: int, *, stream: int, seed: int, size: int,
                   processes: int | None = None,
          label: str) -> CohortImages:
    """Compose images, the same ones whatever the number of processes.

    Parameters
    ----------
    n_images : int
    stream : int
        Keeps the images of different sets apart.
    seed, size : int
    processes : int, optional
        Default: as many as ``LAB_WORKERS`` says.
    label : str
        Of the bar.
    """
    get_backgrounds_and_clutter(seed, size)
    chunks = map_chunks(partial(_compose_chunk, stream, seed, size), range(n_images), chunk=_CHUNK,
                           processes=processes, label=label)
    pixels, items, image_captions, semantic_features, contrast_energy = zip(
        *(one for chunk in chunks for one in chunk))
    return CohortImages(np.stack(pixels), list(items), list(image_captions),
                        np.stack(semantic_features), np.stack(contrast_energy))


@dataclass(frozen=True)
class StimulusSchedule:
    """Who sees which image when.

    Attributes
    ----------
    shared : array, bool, shape (n_images,)
        Images that everyone sees.
    trials : array, int64, shape (n_subjects, n_images, 3)
        Trial of each showing, from 0, increasing; -1: never shown. Numbers beyond the last
        completed session belong to showings that did not happen.
    n_sessions : int
        Completed sessions of every participant.
    """

    shared: NDArray[np.bool_]
    trials: NDArray[np.int64]
    n_sessions: int


def make_schedule(*, seed: int, n_subjects: int, n_shared: int,
                  n_sessions: int) -> StimulusSchedule:
    """Deal images to participants and sessions.

    Exactly ``n_shared`` shared images are seen three times by everyone. Some more are flagged
    as shared, but their third showing falls into a session that nobody completed. All other
    trials show images of the participant's own, three times each.
    """
    # Late images fill two trials: a multiple of three of them leaves room for whole threes.
    n_late = 3 * max(1, round(LATE_FRACTION * n_shared / 3))
    n_trials = TRIALS * n_sessions
    n_own = (n_trials - 3 * n_shared - 2 * n_late) // 3
    if n_own < 2:
        raise LabError(f"{n_sessions} sessions for {n_shared} shared images",
                       expected=f"{-(-(3 * n_shared + 2 * n_late + 6) // TRIALS)} or more",
                       remedy="raise cohort_sessions, or lower cohort_shared")
    rng = np.random.default_rng([seed, 30])
    n_images = n_shared + n_late + n_subjects * n_own
    ids = rng.permutation(n_images)
    fully_shared, late = ids[:n_shared], ids[n_shared:n_shared + n_late]
    trials = np.full((n_subjects, n_images, N_REPEATS), -1)
    for s in range(n_subjects):
        own = ids[n_shared + n_late + s * n_own:][:n_own]
        order = rng.permutation(np.concatenate([np.repeat([*fully_shared, *own], 3),
                                                np.repeat(late, 2)]))
        for image, presentations in _presentations(order):
            trials[s, image, :len(presentations)] = presentations
        trials[s, late, 2] = n_trials + rng.permutation(n_late)
    shared = np.zeros(n_images, bool)
    shared[ids[:n_shared + n_late]] = True
    return StimulusSchedule(shared, trials, n_sessions)


def _presentations(order: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each image with its places in ``order``, increasing."""
    by_image = np.argsort(order, kind="stable")
    images, starts = np.unique(order[by_image], return_index=True)
    yield from zip(images, np.split(by_image, starts[1:]))


def get_trial_images(schedule: StimulusSchedule, subject: int) -> NDArray[np.int64]:
    """Return the image of every completed trial of a participant, shape (n_trials,)."""
    trial_images = np.empty(TRIALS * schedule.n_sessions, np.int64)
    image, repeat = np.nonzero((schedule.trials[subject] >= 0)
                                 & (schedule.trials[subject] < len(trial_images)))
    trial_images[schedule.trials[subject][image, repeat]] = image
    return trial_images


def simulate_signal(vertices: SimulatedVertices, images: CohortImages,
                    trial_images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return every vertex's noise-free response in every trial, in percent signal change.

    Parameters
    ----------
    vertices : Sheet
    images : Images
    trial_images : array, int64, shape (n_trials,)
        The image of each of the participant's trials: the signal's spread over them is the
        planted one.

    Returns
    -------
    array, float64, shape (n_trials, n_vertices)

    Notes
    -----
    Both products are sums of whole multiples of a power of two, hence exact.
    """
    image_ids, inverse = np.unique(trial_images, return_inverse=True)
    drive = images.semantic_features[image_ids] @ vertices.weights.T
    contrast_energy = images.contrast_energy[image_ids].reshape(len(image_ids),
                                                                -1).astype(np.float64)
    drive[:, vertices.early] = contrast_energy @ vertices.energy_weights.reshape(
        len(vertices.energy_weights), -1).T
    drive = (np.sign(drive) * np.abs(drive) ** vertices.exponent)[inverse]
    drive_sd = drive.std(0)
    gain = np.where(drive_sd > 0, vertices.signal_sd / np.where(drive_sd > 0, drive_sd, 1), 0)
    return drive * gain + vertices.offset


def compute_noise_sd(vertices: SimulatedVertices) -> NDArray[np.float64]:
    """Return the spread of each vertex's noise in a single trial, percent signal change."""
    return vertices.signal_sd / vertices.ncsnr


def simulate_sessions(vertices: SimulatedVertices, signal: NDArray[np.float64], *,
                      entropy: tuple[int, ...]
             ) -> Iterator[NDArray[np.float64]]:
    """Yield the betas of one session after the other, shape (750, n_vertices).

    Each session has a mean of its own in every vertex, and a gain near 1.
    """
    n_vertices, sd = len(vertices.region), compute_noise_sd(vertices)
    shared = np.random.default_rng(entropy).normal(size=(N_NOISE_PATTERNS, n_vertices))
    shared /= np.linalg.norm(shared, axis=0)
    for session, start in enumerate(range(0, len(signal), TRIALS)):
        rng = np.random.default_rng([*entropy, session])
        own = rng.standard_normal((TRIALS, n_vertices), np.float32)
        common = rng.standard_normal((TRIALS, N_NOISE_PATTERNS), np.float32) @ shared
        noise = sd * (np.sqrt(SHARED_NOISE_FRACTION) * common + np.sqrt(1 - SHARED_NOISE_FRACTION)
                      * own)
        gain, mean = rng.uniform(.93, 1.07), rng.normal(0, .3, n_vertices)
        yield gain * (signal[start:start + TRIALS] + noise) + mean
