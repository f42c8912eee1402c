"""Composed images for the brains: several things in one setting, and what they show.

Between the localizer's single things and photographs of daily life: a place or a plain ground,
with people's faces and bodies, writing, and objects in it, near or far, overlapping.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from data.synthetic import scenes
from data.synthetic.canvas import cut, paste
from data.synthetic.diet import cast, recolour, stock, window
from data.synthetic.images import DOMAINS, Latents, draw, longer_side, place, sample

SHARES = {"faces": 0.27, "bodies": 0.2, "characters": 0.18, "objects": 0.35}
"""How often an item is of each domain."""
SCENE_SHARE = 0.6
"""How often the setting is a place; else a texture, a gradient or a collage."""
SIZES = (0.16, 0.62)
"""Longer side of an item, as a fraction of the image: from far to near."""


class Composed(NamedTuple):
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


def _setting(rng: np.random.Generator, seed: int, size: int) -> tuple[Image.Image, list[Latents]]:
    if rng.random() < SCENE_SHARE:
        kind = scenes.KINDS[rng.integers(len(scenes.KINDS))]
        latents = sample("scenes", {"kind": kind}, rng)
        image = window(draw(latents, round(size * 1.25)).convert("RGB"), size, rng)
        return image, [{**latents, "role": "background", "box": [0.0, 0.0, 1.0, 1.0]}]
    grounds, _ = stock(seed, size)
    plain = [ground for name, ground in grounds if name not in scenes.KINDS and name != "collage"]
    return cast(window(plain[rng.integers(len(plain))], size, rng), rng, strength=.7), []


def item(rng: np.random.Generator, image: Image.Image, share: float) -> Latents:
    """Draw one thing and lay it onto the image; return its latents and where it is."""
    domain = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    module = DOMAINS[domain]
    latents = sample(domain, {"kind": module.KINDS[rng.integers(len(module.KINDS))]}, rng)
    drawn = draw(latents, max(24, round(image.width * min(1.0, share + .2))))
    pasted = cut(recolour(drawn, rng), angle=float(rng.uniform(-12, 12)))
    side = longer_side(pasted, share)
    x, y = place(side, rng, spill=.04)
    paste(image, pasted, centre=(x, y), size=side)
    width, height = (side * part / max(pasted.size) for part in pasted.size)
    return {**latents, "role": "item",
            "box": [x - width / 2, y - height / 2, width, height]}


def composed_image(*, rng: np.random.Generator, seed: int, size: int) -> Composed:
    """Compose one colour image.

    Parameters
    ----------
    rng : Generator
    seed : int
        Of the stock of plain grounds.
    size : int
        Side, pixels.
    """
    image, items = _setting(rng, seed, size)
    fewest = 0 if items else 1
    n_items = int(rng.choice(np.arange(5), p=[.14, .3, .28, .18, .1])) or fewest
    # Far things are small and painted first.
    for share in np.sort(rng.uniform(*SIZES, n_items)):
        items.append(item(rng, image, float(share)))
    return Composed(cast(image, rng, strength=.35), items)


def category(item: dict[str, Any]) -> str:
    """Return the word by which an object list calls an item: its variant, part, or kind."""
    return str(item.get("part") or item.get("variant") or item["kind"]).replace("_", " ")
