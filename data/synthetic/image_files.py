"""The synthetic data set's images on disk, in the layouts of the real sets."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.synthetic import diet, images
from data.synthetic.captions import captions
from data.synthetic.writing import (
    atomic_folder,
    format_coco_captions,
    map_chunks,
    require_positive,
    save_jpeg,
)
from helpers.core.errors import LabError

SEED_STREAMS = {"localizer": 1, "probe": 2, "train": 3, "val": 4, "faces-train": 5, "faces-val": 6,
           "captions": 7, "channels": 8}
"""Second entry of every image's seed: no two sets share an image or an exemplar."""

_CHUNK = 40


class _ImageSpec(NamedTuple):
    """One image to be made: all that a worker needs to know."""

    path: str
    style: str
    name: str
    entropy: tuple[int, int, int, int]
    size: int
    constraints: dict[str, Any] | None = None
    single_item: bool = False
    with_captions: bool = False


def _render(folder: str, specs: list[_ImageSpec]) -> list[list[str]]:
    """Draw and save the images of ``specs``; give the captions of each (or none)."""
    image_captions = []
    for spec in specs:
        rng, things = np.random.default_rng(spec.entropy), []
        if spec.style == "localizer":
            image = images.compose_localizer_image(spec.name, rng=rng, size=spec.size)
        elif spec.style == "probe":
            image = images.compose_probe_image(spec.name, rng=rng, size=spec.size)
        elif spec.style == "channels":
            image = images.compose_channel_image(spec.name, rng=rng, size=spec.size)
        else:
            image, things = diet.compose_diet_image(spec.name, spec.constraints or {}, rng=rng,
                                                seed=spec.entropy[0], size=spec.size,
                                                single_item=spec.single_item)
        save_jpeg(image, Path(folder, spec.path))
        caption_rng = np.random.default_rng((*spec.entropy, SEED_STREAMS["captions"]))
        image_captions.append(captions(things, caption_rng) if spec.with_captions else [])
    return image_captions


def _render_all(temp_folder: Path, specs: list[_ImageSpec], processes: int | None,
                label: str) -> list[list[str]]:
    """Render ``specs``; captions in the order of the jobs."""
    for parent in {Path(spec.path).parent for spec in specs}:
        (temp_folder / parent).mkdir(parents=True, exist_ok=True)
    chunks = map_chunks(partial(_render, str(temp_folder)), specs, chunk=_CHUNK,
                        processes=processes,
                          label=label)
    return [image_captions for chunk in chunks for image_captions in chunk]


def write_localizer(folder: str | os.PathLike[str], *, seed: int, n_per_category: int = 144,
                    size: int = 128, processes: int | None = None) -> Path:
    """Write the grey localizer set in fLoc's layout: ``adult/adult-1.jpg`` and so on.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same bytes, whatever ``processes``.
    n_per_category : int
        Images in each of the 11 categories (ten intact, ``scrambled``).
    size : int
        Side of the square images, pixels.
    processes : int, optional
        Default: as many as ``LAB_WORKERS`` says.

    Returns
    -------
    Path of ``folder``.
    """
    require_positive(n_per_category=n_per_category, size=size)
    names = [*images.LOCALIZER_CATEGORIES, "scrambled"]
    specs = [_ImageSpec(f"{name}/{name}-{i + 1}.jpg", "localizer", name,
                 (seed, SEED_STREAMS["localizer"], c, i), size)
            for c, name in enumerate(names) for i in range(n_per_category)]
    with atomic_folder(folder) as temp_folder:
        _render_all(temp_folder, specs, processes, "drawing the localizer")
    return Path(folder)


def write_probe(folder: str | os.PathLike[str], *, seed: int, n_per_category: int = 80,
                size: int = 128, processes: int | None = None) -> Path:
    """Write the colour probe set: seven folders, ``1-Faces/faces-01.jpg`` and so on.

    Parameters and result as for ``write_localizer``; its exemplars are independent of those there.
    """
    require_positive(n_per_category=n_per_category, size=size)
    specs = [_ImageSpec(f"{name}/{name[2:].lower()}-{i + 1:02d}.jpg", "probe", name,
                 (seed, SEED_STREAMS["probe"], c, i), size)
            for c, name in enumerate(images.PROBE_CATEGORIES) for i in range(n_per_category)]
    with atomic_folder(folder) as temp_folder:
        _render_all(temp_folder, specs, processes, "drawing the probe set")
    return Path(folder)


def write_channels(folder: str | os.PathLike[str], *, seed: int, n_per_category: int = 30,
                   size: int = 128, processes: int | None = None) -> Path:
    """Write grey images of single things: ``faces/faces-1.jpg`` and so on.

    Stands for the published set ``mc8-shined`` (authors' notebook nb5): faces, bodies, cats,
    buildings, cars, chairs and hammers. Its eighth category, phones, is left out: this world has
    none. Matched here are the mean and the spread of luminance; spectra are not.

    Parameters and result as for ``write_localizer``; its exemplars are independent of those there.
    """
    require_positive(n_per_category=n_per_category, size=size)
    specs = [_ImageSpec(f"{name}/{name}-{i + 1}.jpg", "channels", name,
                 (seed, SEED_STREAMS["channels"], c, i), size)
            for c, name in enumerate(images.CHANNEL_CATEGORIES) for i in range(n_per_category)]
    with atomic_folder(folder) as temp_folder:
        _render_all(temp_folder, specs, processes, "drawing the images to follow")
    return Path(folder)


def write_diet(folder: str | os.PathLike[str], *, seed: int, n_train: int = 14400,
               n_val: int = 2400, size: int = 96, processes: int | None = None) -> Path:
    """Write the colour diet: ``train/<class>/``, ``val/<class>/``, captions and domains.

    ``captions.json`` is arranged as COCO's; ``classes.csv`` names the domain of every class.

    Parameters
    ----------
    folder, seed, size, processes
        As for ``write_localizer``.
    n_train, n_val : int
        Images in all; the same number in each of the 48 classes. No image depends on them:
        with ``n_train`` 0 the validation images are the same, and alone.

    Raises
    ------
    LabError
        Where a number is no multiple of the number of classes.
    """
    classes = images.fine_classes()
    require_positive(n_val=n_val, size=size)
    for name, count in (("n_train", n_train), ("n_val", n_val)):
        if count < 0 or count % len(classes):
            raise LabError(f"{name} is {count}.",
                           expected=f"a multiple of {len(classes)}, the number of classes",
                           remedy=f"give {name}={max(48, count // len(classes) * len(classes))}")
    specs = [_ImageSpec(f"{split}/{name}/{name}_{i + 1:05d}.jpg", "diet", domain,
                 (seed, SEED_STREAMS[split], c, i), size, constraints, with_captions=True)
            for split, count in (("train", n_train), ("val", n_val))
            for c, (name, (domain, constraints)) in enumerate(sorted(classes.items()))
            for i in range(count // len(classes))]
    diet.get_backgrounds_and_clutter(seed, size)
    with atomic_folder(folder) as temp_folder:
        image_captions = _render_all(temp_folder, specs, processes, "drawing the diet")
        coco = format_coco_captions([spec.path for spec in specs], image_captions, size,
                                    "diet pictures")
        (temp_folder / "captions.json").write_text(json.dumps(coco), encoding="utf-8")
        lines = [f"{name},{domain}" for name, (domain, _) in sorted(classes.items())]
        (temp_folder / "classes.csv").write_text("\n".join(["class,domain", *lines, ""]))
    return Path(folder)


def write_faces_diet(folder: str | os.PathLike[str], *, seed: int, n_identities: int = 200,
                     n_train_per_identity: int = 40, n_val_per_identity: int = 8, size: int = 96,
                     processes: int | None = None) -> Path:
    """Write a diet of faces alone, one class per person: ``train/id_000/`` and so on.

    Parameters
    ----------
    folder, seed, size, processes
        As for ``write_localizer``.
    n_identities : int
        Persons; every fourth is a child.
    n_train_per_identity, n_val_per_identity : int
        Images of each person.
    """
    require_positive(n_identities=n_identities, n_train_per_identity=n_train_per_identity,
             n_val_per_identity=n_val_per_identity, size=size)
    specs = [_ImageSpec(f"{split}/id_{k:03d}/id_{k:03d}_{i + 1:05d}.jpg", "diet", "faces",
                 (seed, SEED_STREAMS[f"faces-{split}"], k, i), size,
                 {"kind": "child" if k % 4 == 3 else "adult", "identity": k}, single_item=True)
            for split, count in (("train", n_train_per_identity), ("val", n_val_per_identity))
            for k in range(n_identities) for i in range(count)]
    with atomic_folder(folder) as temp_folder:
        _render_all(temp_folder, specs, processes, "drawing the diet of faces")
    return Path(folder)
