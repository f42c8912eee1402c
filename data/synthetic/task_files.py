"""The images of two more tasks on disk: one folder per class, as ImageFolder wants them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.synthetic import diet, tasks
from data.synthetic.writing import counted, made_in_chunks, save_jpeg, whole
from helpers.core.errors import LabError

STREAMS = {"places": 20, "attributes": 21}
"""Second entry of every image's seed; no other set of the synthetic data set has these."""

_CHUNK = 40


class _Job(NamedTuple):
    """One image to be made: its file, its class and its seed."""

    path: str
    name: str
    entropy: tuple[int, int, int, int]


def _render(folder: str, task: str, size: int, jobs: Sequence[_Job]) -> int:
    """Draw and save the images of some jobs; give their number."""
    for job in jobs:
        rng = np.random.default_rng(job.entropy)
        if task == "places":
            image = tasks.place_image(job.name, rng=rng, size=size).image
        else:
            image, _ = tasks.attribute_image(job.name, rng=rng, seed=job.entropy[0], size=size)
        save_jpeg(image, Path(folder, job.path))
    return len(jobs)


def _write(folder: str | os.PathLike[str], task: str, classes: Sequence[str], *, seed: int,
           n_images: int, size: int, processes: int | None) -> Path:
    """Write equally many images of each class: ``<class>/<class>_00001.jpg`` and so on."""
    counted(n_images=n_images, size=size)
    each, left = divmod(n_images, len(classes))
    if left:
        raise LabError(f"{task} = {n_images} images",
                       expected=f"a multiple of {len(classes)}, the number of classes",
                       remedy=f"give {max(each, 1) * len(classes)}")
    jobs = [_Job(f"{name}/{name}_{i + 1:05d}.jpg", name, (seed, STREAMS[task], c, i))
            for c, name in enumerate(classes) for i in range(each)]
    if task == "attributes":
        diet.stock(seed, size)
    with whole(folder) as part:
        for name in classes:
            (part / name).mkdir()
        sum(made_in_chunks(partial(_render, str(part), task, size), jobs, chunk=_CHUNK,
                           processes=processes, label=f"drawing the task {task}"))
    return Path(folder)


def write_places(folder: str | os.PathLike[str], *, seed: int, n_images: int = 2400,
                 size: int = 96, processes: int | None = None) -> Path:
    """Write images of eight kinds of places, whatever stands in front: ``coast/…``, ``room/…``.

    Stands for Places365.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same bytes, whatever ``processes``.
    n_images : int
        In all; the same number of each class.
    size : int
        Side of the square images, pixels.
    processes : int, optional
        Default: as many as ``LAB_WORKERS`` says.

    Returns
    -------
    Path of ``folder``.

    Raises
    ------
    LabError
        If ``n_images`` is no multiple of the number of classes, or the folder is filled.
    """
    return _write(folder, "places", tasks.PLACES, seed=seed, n_images=n_images, size=size,
                  processes=processes)


def write_attributes(folder: str | os.PathLike[str], *, seed: int, n_images: int = 2400,
                     size: int = 96, processes: int | None = None) -> Path:
    """Write images of things by nature and number: ``food_one/…``, ``made_several/…``.

    Parameters, result and errors as for ``write_places``.
    """
    return _write(folder, "attributes", tuple(tasks.ATTRIBUTES), seed=seed,
                  n_images=n_images, size=size, processes=processes)
