"""Composed images for the brains: several things in one setting, and what they show.

Between the localizer's single things and photographs of daily life: a place or a plain ground,
with people's faces and bodies, writing, and objects in it, near or far, overlapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from data.synthetic import scenes
from data.synthetic.canvas import paste, rotate_and_crop
from data.synthetic.diet import (
    apply_colour_cast,
    get_backgrounds_and_clutter,
    random_crop,
    recolour,
)
from data.synthetic.images import DOMAINS, Latents, draw, longer_side, sample, sample_position

DOMAIN_PROBABILITIES = {"faces": 0.27, "bodies": 0.2, "characters": 0.18, "objects": 0.35}
"""How often an item is of each domain."""
SCENE_PROBABILITY = 0.6
"""How often the setting is a place; else a texture, a gradient or a collage."""
ITEM_SIZES = (0.16, 0.62)
"""Longer side of an item, as a fraction of the image: from far to near."""


class ComposedImage(NamedTuple):
    """An image and what it shows.

    Attributes
    ----------
    image : Image, mode RGB
    items : list of dict
        Latents of the setting (role "background"; absent for a plain ground), then of every item,
        back to front, each with ``box``: left, top, width, height as fractions of the image.
    """

    image: Image.Image
    items: list[Latents]


def compose_background(rng: np.random.Generator, seed: int,
                       size: int) -> tuple[Image.Image, list[Latents]]:
    """Draw a place, or a plain ground; return it with the latents of the place, if it is one."""
    if rng.random() < SCENE_PROBABILITY:
        kind = scenes.KINDS[rng.integers(len(scenes.KINDS))]
        latents = sample("scenes", {"kind": kind}, rng)
        image = random_crop(draw(latents, round(size * 1.25)).convert("RGB"), size, rng)
        return image, [{**latents, "role": "background", "box": [0.0, 0.0, 1.0, 1.0]}]
    backgrounds, _ = get_backgrounds_and_clutter(seed, size)
    plain_backgrounds = [background for name, background in backgrounds if name not in scenes.KINDS
                         and name != "collage"]
    return apply_colour_cast(random_crop(plain_backgrounds[rng.integers(len(plain_backgrounds))],
                                         size, rng), rng, strength=.7), []


def add_item(rng: np.random.Generator, image: Image.Image, relative_size: float,
             probabilities: Mapping[str, float] = MappingProxyType(DOMAIN_PROBABILITIES),
             kinds_of: Mapping[str, Sequence[str]] = MappingProxyType({})) -> Latents:
    """Draw one thing and lay it onto the image; return its latents and where it is.

    Parameters
    ----------
    rng : Generator
    image : Image
        Changed in place.
    relative_size : float
        Longer side, as a fraction of the image.
    probabilities : mapping of str to float
        Domain → how often the thing is of it.
    kinds_of : mapping of str to sequence of str
        Domain → its kinds, each as often as it is named; by default every kind once.
    """
    domain = str(rng.choice(list(probabilities), p=list(probabilities.values())))
    kinds = kinds_of.get(domain, DOMAINS[domain].KINDS)
    latents = sample(domain, {"kind": kinds[rng.integers(len(kinds))]}, rng)
    item_image = draw(latents, max(24, round(image.width * min(1.0, relative_size + .2))))
    cutout = rotate_and_crop(recolour(item_image, rng), angle=float(rng.uniform(-12, 12)))
    side = longer_side(cutout, relative_size)
    x, y = sample_position(side, rng, max_overhang=.04)
    paste(image, cutout, centre=(x, y), size=side)
    width, height = (side * extent / max(cutout.size) for extent in cutout.size)
    return {**latents, "role": "item",
            "box": [x - width / 2, y - height / 2, width, height]}


def compose_image(*, rng: np.random.Generator, seed: int, size: int) -> ComposedImage:
    """Compose one colour image.

    Parameters
    ----------
    rng : Generator
    seed : int
        Of the stock of plain grounds.
    size : int
        Side, pixels.
    """
    image, items = compose_background(rng, seed, size)
    min_items = 0 if items else 1
    n_items = int(rng.choice(np.arange(5), p=[.14, .3, .28, .18, .1])) or min_items
    # Far things are small and painted first.
    for relative_size in np.sort(rng.uniform(*ITEM_SIZES, n_items)):
        items.append(add_item(rng, image, float(relative_size)))
    return ComposedImage(apply_colour_cast(image, rng, strength=.35), items)


def category(item: dict[str, Any]) -> str:
    """Return the word by which an object list calls an item: its variant, part, or kind."""
    return str(item.get("part") or item.get("variant") or item["kind"]).replace("_", " ")
