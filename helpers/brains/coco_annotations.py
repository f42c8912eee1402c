"""What people wrote about a cohort's images: COCO's captions and lists of objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort
from helpers.brains.files import UnexpectedFile, read_json, readable, unlike_release
from helpers.brains.nsd import NSD

PARTS = ("train2017", "val2017")
"""COCO's parts; NSD's images come from both."""
WHAT = "a file of COCO's annotations"


@dataclass(frozen=True)
class Annotations:
    """What is written about images.

    Attributes
    ----------
    captions : tuple of tuples of str
        Of each condition; empty where there is none.
    objects : tuple of str
        Names of the kinds of objects that are listed.
    present : array, bool, shape (n_conditions, n_objects)
    """

    captions: tuple[tuple[str, ...], ...]
    objects: tuple[str, ...]
    present: NDArray[np.bool_]


def read_annotations(cohort: Cohort) -> Annotations | None:
    """Read the annotations of a cohort's images; None where its files have none.

    NSD: ``annotations/{captions,instances}_{train,val}2017.json`` of COCO, beside ``nsddata``. An
    object counts as present where the centre of its box lies in NSD's crop of the photograph.

    Raises
    ------
    LabError
        If a file is damaged, or knows none of the images.
    """
    if not isinstance(cohort, NSD):
        return None
    folder = cohort.root / "annotations"
    paths = [path for kind in ("captions", "instances") for part in PARTS
             if (path := folder / f"{kind}_{part}.json").is_file()]
    if not paths:
        return None
    place = {int(coco): row for row, coco in enumerate(cohort.info["cocoId"])}
    found: dict[str, list[tuple[int, str]]] = {"captions": [], "instances": []}
    for path in paths:
        kind = path.stem.partition("_")[0]
        content = read_json(path, "annotations", WHAT)
        read = partial(_captions if kind == "captions" else _objects, content, place, cohort.info)
        found[kind] += readable(path, lambda _, read=read: read(), WHAT)
    if not any(found.values()):
        raise unlike_release(f"the annotations in {folder} know none of the cohort's images",
                             "COCO's annotations of 2017")
    captions: list[list[str]] = [[] for _ in range(len(cohort.info))]
    for row, caption in found["captions"]:
        captions[row].append(caption)
    objects = sorted({name for _, name in found["instances"]})
    present = np.zeros((len(cohort.info), len(objects)), bool)
    for row, name in found["instances"]:
        present[row, objects.index(name)] = True
    return Annotations(tuple(map(tuple, captions)), tuple(objects), present)


def _captions(content: dict[str, Any], place: dict[int, int],
              _: pd.DataFrame) -> list[tuple[int, str]]:
    """Return (row of the image, caption) for every caption of an image of the cohort."""
    found = [(place[line["image_id"]], line["caption"]) for line in content["annotations"]
             if line["image_id"] in place]
    if not all(isinstance(caption, str) for _, caption in found):
        raise UnexpectedFile("a caption that is no text")
    return found


def _objects(content: dict[str, Any], place: dict[int, int],
             info: pd.DataFrame) -> list[tuple[int, str]]:
    """Return (row of the image, name) for every object whose middle the crop holds."""
    name = {category["id"]: category["name"] for category in content["categories"]}
    size = {one["id"]: (one["width"], one["height"]) for one in content["images"]}
    crops = [_crop(row, text) for row, text in enumerate(info["cropBox"])]
    found = []
    for one in content["annotations"]:
        if one["image_id"] in place:
            row = place[one["image_id"]]
            if _inside(one["bbox"], size[one["image_id"]], crops[row]):
                found.append((row, name[one["category_id"]]))
    return found


def _crop(row: int, text: str) -> tuple[float, ...]:
    """Read four fractions of an image, as NSD's table writes them."""
    crop = tuple(map(float, re.findall(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", text)))
    if len(crop) != 4 or not all(0 <= fraction < 1 for fraction in crop):
        raise unlike_release(f"cropBox of image {row} is {text!r} in NSD's table of presentations",
                             "four fractions from 0 to 1: top, bottom, left, right")
    return crop


def _inside(box: Sequence[float], size: tuple[float, float], crop: Sequence[float]) -> bool:
    """Tell whether the centre of a box (left, top, width, height, px) lies in a crop.

    ``crop``: fractions of the image cut off at the top, bottom, left and right.
    """
    x, y = ((box[i] + box[i + 2] / 2) / size[i] for i in (0, 1))
    top, bottom, left, right = crop
    return left <= x <= 1 - right and top <= y <= 1 - bottom
