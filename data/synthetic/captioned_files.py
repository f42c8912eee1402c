"""Composed images with five captions each, on disk: for networks that learn from captions."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np

from data.synthetic.captioned import compose_captioned_image
from data.synthetic.writing import (
    atomic_folder,
    format_coco_captions,
    map_chunks,
    require_positive,
    save_jpeg,
)

SEED_STREAM = 22
"""Second entry of every image's seed; no other set of the synthetic data set has it."""
CLASS = "composed"
"""The one folder of images, as ImageFolder wants it."""

_CHUNK = 40


def _name(index: int) -> str:
    return f"{CLASS}/{CLASS}_{index + 1:05d}.jpg"


def _render(folder: str, seed: int, size: int, ids: range) -> list[list[str]]:
    """Draw and save some images; give their captions."""
    captions = []
    for index in ids:
        captioned_image = compose_captioned_image(rng=np.random.default_rng([seed, SEED_STREAM,
                                                                             index]), seed=seed,
                                 size=size)
        save_jpeg(captioned_image.image, Path(folder, _name(index)))
        captions.append(captioned_image.captions)
    return captions


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
    require_positive(n_images=n_images, size=size)
    with atomic_folder(folder) as temp_folder:
        (temp_folder / CLASS).mkdir()
        chunks = map_chunks(partial(_render, str(temp_folder), seed, size), range(n_images),
                                chunk=_CHUNK, processes=processes, label="drawing told images")
        captions = [lines for chunk in chunks for lines in chunk]
        coco = format_coco_captions([_name(i) for i in range(n_images)], captions, size,
                             "composed pictures")
        (temp_folder / "captions.json").write_text(json.dumps(coco), encoding="utf-8")
    return Path(folder)
