"""The images of two more tasks on disk: one folder per class, as ImageFolder wants them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.synthetic import diet, tasks
from data.synthetic.writing import atomic_folder, map_chunks, require_positive, save_jpeg
from helpers.core.errors import LabError

SEED_STREAMS = {"places": 20, "attributes": 21}
"""Second entry of every image's seed; no other set of the synthetic data set has these."""

_CHUNK = 40


class _ImageSpec(NamedTuple):
    """One image to be made: its file, its class and its seed."""

    path: str
    name: str
    entropy: tuple[int, int, int, int]


def _render(folder: str, task: str, size: int, specs: Sequence[_ImageSpec]) -> int:
    """Draw and save the images of some jobs; give their number."""
    for spec in specs:
        rng = np.random.default_rng(spec.entropy)
        if task == "places":
            image = tasks.compose_place_image(spec.name, rng=rng, size=size).image
        else:
            image, _ = tasks.compose_attribute_image(spec.name, rng=rng, seed=spec.entropy[0],
                                                     size=size)
        save_jpeg(image, Path(folder, spec.path))
    return len(specs)


def _write(folder: str | os.PathLike[str], task: str, classes: Sequence[str], *, seed: int,
           n_images: int, size: int, processes: int | None) -> Path:
    """Write equally many images of each class: ``<class>/<class>_00001.jpg`` and so on."""
    require_positive(n_images=n_images, size=size)
    n_per_class, remainder = divmod(n_images, len(classes))
    if remainder:
        raise LabError(f"{task} = {n_images} images",
                       expected=f"a multiple of {len(classes)}, the number of classes",
                       remedy=f"give {max(n_per_class, 1) * len(classes)}")
    specs = [_ImageSpec(f"{name}/{name}_{i + 1:05d}.jpg", name, (seed, SEED_STREAMS[task], c, i))
            for c, name in enumerate(classes) for i in range(n_per_class)]
    if task == "attributes":
        diet.get_backgrounds_and_clutter(seed, size)
    with atomic_folder(folder) as temp_folder:
        for name in classes:
            (temp_folder / name).mkdir()
        sum(map_chunks(partial(_render, str(temp_folder), task, size), specs, chunk=_CHUNK,
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
    return _write(folder, "places", tasks.SCENE_CLASSES, seed=seed, n_images=n_images, size=size,
                  processes=processes)


def write_attributes(folder: str | os.PathLike[str], *, seed: int, n_images: int = 2400,
                     size: int = 96, processes: int | None = None) -> Path:
    """Write images of things by nature and number: ``food_one/…``, ``made_several/…``.

    Parameters, result and errors as for ``write_places``.
    """
    return _write(folder, "attributes", tuple(tasks.ATTRIBUTE_CLASSES), seed=seed,
                  n_images=n_images, size=size, processes=processes)
