"""How much of what an image shows, as numbers; and its Gabor energy, place by place.

These are what simulated vertices respond to: latents of the image and its pixels, never a
network's features.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.synthetic.images import Latents
from data.synthetic.things import WARMTH
from helpers.stimuli.quantization import nearest, on_grid

DOMAIN_FEATURES = ("faces", "bodies", "scenes", "characters", "objects")
ATTRIBUTE_FEATURES = (
    "adult", "child", "smiling", "turned", "near face", "far face",
    "whole body", "limb", "sitting",
    "indoor", "outdoor", "natural", "built", "open", "deep",
    "letters", "digits", "long text",
    "food", "animal", "car", "instrument", "tool", "plant", "furniture", "vessel",
    "warm food", "cool food", "round food", "long food",
    "warm", "cool", "large", "small", "many", "upright",
)
SEMANTIC_FEATURES = DOMAIN_FEATURES + ATTRIBUTE_FEATURES
"""Names of the amounts, in order."""

ORIENTATIONS, FREQUENCIES, ENERGY_IMAGE_SIZE, ENERGY_GRID = 4, (0.06, 0.12, 0.24), 48, 16
"""Of the energy: orientations, cycles per pixel at 48 px; blocks along each side."""
ENERGY_CHANNELS = tuple(f"{frequency:g} at {45 * o} deg" for frequency in FREQUENCIES
                 for o in range(ORIENTATIONS)) + ("red-green", "blue-yellow")

_ROUND, _LONG = ("apple", "orange", "cake"), ("banana", "carrot", "baguette")
ENERGY_STEPS, FEATURE_BITS = 2**15, 16
"""Energy is counted in 1 / 32,768; amounts are multiples of 2**-16: sums of them are exact."""


def _visible_area(items: list[Latents], index: int) -> float:
    """Return the area of an item that nothing in front of it covers, weighted by its place."""
    left, top, width, height = items[index]["box"]
    inside = (max(0.0, min(left + width, 1) - max(left, 0))
              * max(0.0, min(top + height, 1) - max(top, 0)))
    covered = 0.0
    for other in items[index + 1:]:
        x, y, w, h = other["box"]
        covered += (max(0.0, min(left + width, x + w) - max(left, x))
                    * max(0.0, min(top + height, y + h) - max(top, y)))
    distance = np.hypot(left + width / 2 - .5, top + height / 2 - .5)
    # A box holds its thing to about three fifths; what is seen in the middle counts more.
    return max(inside - .8 * covered, 0.1 * inside) * np.exp(-(distance / .6) ** 2)


def _item_attributes(item: Latents) -> dict[str, bool]:
    """Say which attributes an item has."""
    kind, variant, domain = item["kind"], item.get("variant"), item["domain"]
    warmth = item.get("warmth") or WARMTH.get(item.get("colour", ""), "neutral")
    food, size = kind == "food", item["box"][3]
    return {
        "adult": kind == "adult", "child": kind == "child",
        "smiling": item.get("expression") in ("smiling", "laughing", "happy"),
        "turned": abs(item.get("yaw", 0)) > .4, "near face": domain == "faces" and size > .4,
        "far face": domain == "faces" and size <= .4,
        "whole body": kind == "body", "limb": kind == "limb",
        "sitting": item.get("pose") == "sitting",
        "indoor": item.get("setting") == "indoor", "outdoor": item.get("setting") == "outdoor",
        "natural": item.get("origin") == "natural", "built": item.get("origin") == "built",
        "open": item.get("openness", 0) > .5, "deep": item.get("depth", 0) > .5,
        "letters": kind in ("word", "pseudoword"), "digits": kind == "number",
        "long text": domain == "characters" and item.get("length", 0) > 5,
        "food": food, "animal": kind == "animal", "car": kind == "car",
        "instrument": kind == "instrument", "tool": kind == "tool", "plant": kind == "plant",
        "furniture": kind == "chair", "vessel": kind == "cup",
        "warm food": food and warmth == "warm", "cool food": food and warmth == "cool",
        "round food": food and variant in _ROUND, "long food": food and variant in _LONG,
        "warm": warmth == "warm", "cool": warmth == "cool",
        "large": domain != "scenes" and item.get("real_size") == "large",
        "small": item.get("real_size") == "small",
    }


def compute_semantic_features(items: list[Latents],
                              contrast_energy: NDArray) -> NDArray[np.float64]:
    """Return how much of everything an image shows.

    Parameters
    ----------
    items : list of dict
        Of `data.synthetic.composed.composed_image`.
    contrast_energy : array, uint16, shape (n_channels, GRID, GRID)
        The image's `compute_contrast_energy`.

    Returns
    -------
    array, float64, shape (n_columns,)
        0: none; grows with the square root of the visible area, more in the middle. "many" is
        the number of items over four, "upright" the fraction of upright edges among upright and
        level ones.
    """
    area = dict.fromkeys(SEMANTIC_FEATURES, 0.0)
    for index, item in enumerate(items):
        visible_area = _visible_area(items, index)
        area[item["domain"]] += visible_area
        for feature, applies in _item_attributes(item).items():
            area[feature] += visible_area * applies
    values = {feature: np.sqrt(value) for feature, value in area.items()}
    values["many"] = sum(item["role"] == "item" for item in items) / 4
    upright, level = (float(contrast_energy[o:12:ORIENTATIONS].mean(dtype=np.float64))
                      for o in (0, ORIENTATIONS // 2))
    values["upright"] = upright / (upright + level) if upright + level else 0.5
    return on_grid([values[feature] for feature in SEMANTIC_FEATURES], FEATURE_BITS)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Return one-sided Gabor filters in the frequency domain, (12, SIDE, SIDE)."""
    fy, fx = np.meshgrid(np.fft.fftfreq(ENERGY_IMAGE_SIZE), np.fft.fftfreq(ENERGY_IMAGE_SIZE),
                         indexing="ij")
    filters = []
    for frequency in FREQUENCIES:
        for o in range(ORIENTATIONS):
            orientation = np.pi * o / ORIENTATIONS
            cx, cy = frequency * np.cos(orientation), frequency * np.sin(orientation)
            width = .45 * frequency
            filters.append(np.exp(-((fx - cx) ** 2 + (fy - cy) ** 2) / (2 * width**2)))
    return np.array(filters)


def compute_contrast_energy(image: Image.Image) -> NDArray[np.uint16]:
    """Return the energy of every channel in every block, uint16, shape (14, GRID, GRID).

    Twelve Gabor channels (the magnitude of a quadrature pair), then the strength of two colour
    contrasts; 32,768 is the greatest possible contrast.
    """
    resized = image.resize((ENERGY_IMAGE_SIZE, ENERGY_IMAGE_SIZE), Image.Resampling.BOX)
    red, green, blue = np.moveaxis(np.asarray(resized) / 255, -1, 0)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    maps = np.empty((len(ENERGY_CHANNELS), ENERGY_IMAGE_SIZE, ENERGY_IMAGE_SIZE))
    np.abs(np.fft.ifft2(np.fft.fft2(grey - grey.mean()) * _filters()), out=maps[:-2])
    maps[-2], maps[-1] = np.abs(red - green), np.abs(blue - (red + green) / 2)
    step = ENERGY_IMAGE_SIZE // ENERGY_GRID
    rows = sum(maps[:, i::step] for i in range(step))
    blocks = sum(rows[..., i::step] for i in range(step)) / step**2
    return nearest(blocks * ENERGY_STEPS).astype(np.uint16)
