"""Composed images with five captions each, on disk: for networks that learn from captions."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np

from data.synthetic.captioned import GROUP_SIZE, compose_captioned_group
from data.synthetic.writing import (
    atomic_folder,
    format_coco_captions,
    map_chunks,
    require_positive,
    save_jpeg,
)
from helpers.core.errors import LabError

SEED_STREAM = 22
"""Second entry of every image's seed; no other set of the synthetic data set has it."""
CLASS = "composed"
"""The one folder of images, as ImageFolder wants it."""

_CHUNK = 10
"""Groups that one process draws at a time."""


def _name(index: int) -> str:
    return f"{CLASS}/{CLASS}_{index + 1:06d}.jpg"


def _render(folder: str, seed: int, size: int, group_ids: range) -> list[list[str]]:
    """Draw and save some groups of images; give the captions of every image."""
    captions = []
    for group_id in group_ids:
        group = compose_captioned_group(rng=np.random.default_rng([seed, SEED_STREAM, group_id]),
                                        seed=seed, size=size)
        for index, captioned_image in enumerate(group, GROUP_SIZE * group_id):
            save_jpeg(captioned_image.image, Path(folder, _name(index)))
            captions.append(captioned_image.captions)
    return captions


def write_captioned(folder: str | os.PathLike[str], *, seed: int, n_images: int = 14400,
                    size: int = 96, processes: int | None = None) -> Path:
    """Write composed images, ``composed/composed_000001.jpg`` …, and ``captions.json`` (COCO's).

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same bytes, whatever ``processes``.
    n_images : int
        A multiple of ``GROUP_SIZE``: so many neighbours are images of one scene.
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
        If a number is below 1 or no multiple, or the folder is filled.
    """
    require_positive(n_images=n_images, size=size)
    if n_images % GROUP_SIZE:
        raise LabError(f"n_images is {n_images}", expected=f"a multiple of {GROUP_SIZE}: so many "
                       "images are of one scene", remedy="correct `captioned` in [synthetic]")
    with atomic_folder(folder) as temp_folder:
        (temp_folder / CLASS).mkdir()
        chunks = map_chunks(partial(_render, str(temp_folder), seed, size),
                            range(n_images // GROUP_SIZE), chunk=_CHUNK, processes=processes,
                            label="drawing captioned images")
        captions = [lines for chunk in chunks for lines in chunk]
        coco = format_coco_captions([_name(i) for i in range(n_images)], captions, size,
                                    "composed pictures")
        (temp_folder / "captions.json").write_text(json.dumps(coco), encoding="utf-8")
    return Path(folder)
