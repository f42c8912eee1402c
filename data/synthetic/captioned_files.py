"""Composed images with five captions each, on disk: for networks that learn from captions."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np

from data.synthetic.captioned import captioned_image
from data.synthetic.writing import coco_captions, counted, made_in_chunks, save_jpeg, whole

STREAM = 22
"""Second entry of every image's seed; no other set of the synthetic data set has it."""
CLASS = "composed"
"""The one folder of images, as ImageFolder wants it."""

_CHUNK = 40


def _name(index: int) -> str:
    return f"{CLASS}/{CLASS}_{index + 1:05d}.jpg"


def _render(folder: str, seed: int, size: int, ids: range) -> list[list[str]]:
    """Draw and save some images; give their captions."""
    said = []
    for index in ids:
        told = captioned_image(rng=np.random.default_rng([seed, STREAM, index]), seed=seed,
                                 size=size)
        save_jpeg(told.image, Path(folder, _name(index)))
        said.append(told.captions)
    return said


def write_captioned(folder: str | os.PathLike[str], *, seed: int, n_images: int = 14400,
                    size: int = 96, processes: int | None = None) -> Path:
    """Write composed images, ``composed/composed_00001.jpg`` …, and ``captions.json`` (COCO's).

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same bytes, whatever ``processes``.
    n_images : int
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
        If a number is below 1, or the folder is filled.
    """
    counted(n_images=n_images, size=size)
    with whole(folder) as part:
        (part / CLASS).mkdir()
        chunks = made_in_chunks(partial(_render, str(part), seed, size), range(n_images),
                                chunk=_CHUNK, processes=processes, label="drawing told images")
        said = [lines for chunk in chunks for lines in chunk]
        told = coco_captions([_name(i) for i in range(n_images)], said, size,
                             "composed pictures")
        (part / "captions.json").write_text(json.dumps(told), encoding="utf-8")
    return Path(folder)
