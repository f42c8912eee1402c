"""Simulated brains looking at composed images: who sees what when, and responds how.

Signals come from pixels (early regions) and from what is depicted (everything else); noise has a
part of each vertex's own and a part that vertices share within a trial. `write_cohort` in
`data.synthetic.nsd_files` puts it all into NSD's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data.synthetic.captions import captions
from data.synthetic.composed import composed_image
from data.synthetic.depicted import amounts, energy
from data.synthetic.diet import stock
from data.synthetic.images import Latents
from data.synthetic.participants import RANK, SHARED_NOISE, Sheet
from data.synthetic.writing import made_in_chunks
from helpers.brains.splits import N_REPEATS, TRIALS
from helpers.core.errors import LabError

_CHUNK = 40
LATE_SHARE = 0.07
"""Further images that are shared but whose third showing nobody completed, as a share."""


@dataclass(frozen=True)
class Images:
    """All images of a cohort, in the order of their ids.

    Attributes
    ----------
    pixels : array, uint8, shape (n_images, size, size, 3)
    items : list of list of dict
    captions : list of list of str
    amounts : array, float64, shape (n_images, n_columns)
    energy : array, uint16, shape (n_images, n_channels, GRID, GRID)
    """

    pixels: NDArray[np.uint8]
    items: list[list[Latents]]
    captions: list[list[str]]
    amounts: NDArray[np.float64]
    energy: NDArray[np.uint16]


def _paint(stream: int, seed: int, size: int, ids: range) -> list[tuple]:
    """Compose some images; runs in a process of its own."""
    painted = []
    for index in ids:
        made = composed_image(rng=np.random.default_rng([seed, stream, index]), seed=seed,
                                size=size)
        said = captions(made.items[::-1], np.random.default_rng([seed, stream, index, 1]))
        light = energy(made.image)
        painted.append((np.asarray(made.image), made.items, said, amounts(made.items, light),
                        light))
    return painted


def paint(n_images: int, *, stream: int, seed: int, size: int, processes: int | None = None,
          label: str) -> Images:
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
    stock(seed, size)
    parts = made_in_chunks(partial(_paint, stream, seed, size), range(n_images), chunk=_CHUNK,
                           processes=processes, label=label)
    pixels, items, said, seen, light = zip(*(one for part in parts for one in part))
    return Images(np.stack(pixels), list(items), list(said), np.stack(seen), np.stack(light))


@dataclass(frozen=True)
class Plan:
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


def make_plan(*, seed: int, n_subjects: int, n_shared: int, n_sessions: int) -> Plan:
    """Deal images to participants and sessions.

    Exactly ``n_shared`` shared images are seen three times by everyone. Some more are flagged
    as shared, but their third showing falls into a session that nobody completed. All other
    trials show images of the participant's own, three times each.
    """
    # Late images fill two trials: a multiple of three of them leaves room for whole threes.
    n_late = 3 * max(1, round(LATE_SHARE * n_shared / 3))
    n_trials = TRIALS * n_sessions
    n_own = (n_trials - 3 * n_shared - 2 * n_late) // 3
    if n_own < 2:
        raise LabError(f"{n_sessions} sessions for {n_shared} shared images",
                       expected=f"{-(-(3 * n_shared + 2 * n_late + 6) // TRIALS)} or more",
                       remedy="raise cohort_sessions, or lower cohort_shared")
    rng = np.random.default_rng([seed, 30])
    n_images = n_shared + n_late + n_subjects * n_own
    ids = rng.permutation(n_images)
    special, late = ids[:n_shared], ids[n_shared:n_shared + n_late]
    trials = np.full((n_subjects, n_images, N_REPEATS), -1)
    for s in range(n_subjects):
        own = ids[n_shared + n_late + s * n_own:][:n_own]
        order = rng.permutation(np.concatenate([np.repeat([*special, *own], 3),
                                                np.repeat(late, 2)]))
        for image, showings in _showings(order):
            trials[s, image, :len(showings)] = showings
        trials[s, late, 2] = n_trials + rng.permutation(n_late)
    shared = np.zeros(n_images, bool)
    shared[ids[:n_shared + n_late]] = True
    return Plan(shared, trials, n_sessions)


def _showings(order: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each image with its places in ``order``, increasing."""
    by_image = np.argsort(order, kind="stable")
    images, starts = np.unique(order[by_image], return_index=True)
    yield from zip(images, np.split(by_image, starts[1:]))


def image_of_trial(plan: Plan, subject: int) -> NDArray[np.int64]:
    """Return the image of every completed trial of a participant, shape (n_trials,)."""
    shown = np.empty(TRIALS * plan.n_sessions, np.int64)
    image, repeat = np.nonzero((plan.trials[subject] >= 0)
                                 & (plan.trials[subject] < len(shown)))
    shown[plan.trials[subject][image, repeat]] = image
    return shown


def signals(sheet: Sheet, images: Images, shown: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return every vertex's noise-free response in every trial, in percent signal change.

    Parameters
    ----------
    sheet : Sheet
    images : Images
    shown : array, int64, shape (n_trials,)
        The image of each of the participant's trials: the signal's spread over them is the
        planted one.

    Returns
    -------
    array, float64, shape (n_trials, n_vertices)

    Notes
    -----
    Both products are sums of whole multiples of a power of two, hence exact.
    """
    seen, place = np.unique(shown, return_inverse=True)
    drive = images.amounts[seen] @ sheet.weights.T
    light = images.energy[seen].reshape(len(seen), -1).astype(np.float64)
    drive[:, sheet.early] = light @ sheet.fields.reshape(len(sheet.fields), -1).T
    drive = (np.sign(drive) * np.abs(drive) ** sheet.exponent)[place]
    spread = drive.std(0)
    gain = np.where(spread > 0, sheet.signal_sd / np.where(spread > 0, spread, 1), 0)
    return drive * gain + sheet.offset


def noise_sd(sheet: Sheet) -> NDArray[np.float64]:
    """Return the spread of each vertex's noise in a single trial, percent signal change."""
    return sheet.signal_sd / sheet.ncsnr


def sessions(sheet: Sheet, signal: NDArray[np.float64], *, entropy: tuple[int, ...]
             ) -> Iterator[NDArray[np.float64]]:
    """Yield the betas of one session after the other, shape (750, n_vertices).

    Each session has a mean of its own in every vertex, and a gain near 1.
    """
    n_vertices, sd = len(sheet.region), noise_sd(sheet)
    shared = np.random.default_rng(entropy).normal(size=(RANK, n_vertices))
    shared /= np.linalg.norm(shared, axis=0)
    for session, start in enumerate(range(0, len(signal), TRIALS)):
        rng = np.random.default_rng([*entropy, session])
        own = rng.standard_normal((TRIALS, n_vertices), np.float32)
        common = rng.standard_normal((TRIALS, RANK), np.float32) @ shared
        noise = sd * (np.sqrt(SHARED_NOISE) * common + np.sqrt(1 - SHARED_NOISE) * own)
        gain, mean = rng.uniform(.93, 1.07), rng.normal(0, .3, n_vertices)
        yield gain * (signal[start:start + TRIALS] + noise) + mean
