"""What scenes, characters and objects share: choices, colours, and a pen in a pose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from data.synthetic.canvas import (
    COLOURS,
    Canvas,
    Colour,
    Point,
    jitter,
    pixel_grid,
    sample_noise_texture,
)
from helpers.core.errors import LabError
from helpers.stimuli.quantization import NUDGE, levels

WARMTH = {name: "warm" for name in ("red", "orange", "yellow", "pink", "brown")}
WARMTH |= {name: "cool" for name in ("green", "teal", "blue", "purple")}
WARMTH |= {name: "neutral" for name in ("black", "grey", "white")}
"""Warm, cool or neither, for every named colour."""

CIRCLE = tuple((math.cos(t * math.pi / 12), math.sin(t * math.pi / 12)) for t in range(24))
"""Cosine and sine of 24 turns."""


def choose_option(rng: np.random.Generator, options: Sequence, constraint: object = None,
         option_name: str = "value"):
    """Draw one of ``options``, or one of ``constraint`` where a constraint asks for it.

    Parameters
    ----------
    options : sequence
        Everything that is possible.
    constraint : object or tuple of objects, optional
        The constraint: one option, or several to draw from.
    option_name : str
        Its name, for the error.

    Raises
    ------
    LabError
        If something wanted is not among the options.
    """
    candidates = options if constraint is None else constraint if isinstance(
        constraint, tuple | list) else (constraint,)
    for choice in candidates:
        if choice not in options:
            raise LabError(f"{option_name} {choice!r}",
                           expected=f"one of {', '.join(map(str, options))}",
                           remedy=f"pass one of these as {option_name}")
    return candidates[int(rng.integers(len(candidates)))]


def check_constraints(constraints: Mapping, allowed: Sequence[str], kind: str) -> None:
    """Refuse a constraint that the kind does not know.

    Raises
    ------
    LabError
        Listing the constraints that it does know.
    """
    unknown = sorted(set(constraints) - set(allowed))
    if unknown:
        raise LabError(f"unknown constraint {', '.join(unknown)} for {kind}",
                       expected=f"some of {', '.join(sorted(allowed))}",
                       remedy="leave it out, or correct its name")


def sample_colour(rng: np.random.Generator, constraint: object = None, *,
          amount: float = 12.0) -> tuple[str, list[int]]:
    """Draw a colour name, whatever the thing, and one shade of it (sRGB, 0 to 255)."""
    name = choose_option(rng, tuple(COLOURS), constraint, "colour")
    return name, jitter(COLOURS[name], rng, amount)


def draw_seed(rng: np.random.Generator) -> int:
    """Draw the seed of an image's small details, kept among its latents."""
    return int(rng.integers(2**31))


class PosedCanvas(Canvas):
    """A canvas whose strokes pass through a pose: squeeze and shear, flip, turn, then size.

    Parameters
    ----------
    size : int
        Side of the finished image, pixels.
    latents : dict
        ``width`` (squeeze of x as a body turns away), ``shear``, ``flip``, ``angle`` (degrees,
        counter-clockwise as seen) and ``zoom``.
    """

    def __init__(self, size: int, latents: Mapping) -> None:
        super().__init__(size)
        cos = math.cos(math.radians(latents["angle"])) * latents["zoom"]
        sin = math.sin(math.radians(latents["angle"])) * latents["zoom"]
        squeeze = latents["width"] * (-1 if latents["flip"] else 1)
        shear = latents["shear"]
        self._map = (cos * squeeze + sin * shear, sin, cos * shear - sin * squeeze, cos)
        self._zoom = latents["zoom"]

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        a, b, c, d = self._map
        half, side = self.side / 2 + NUDGE, self.side
        return [(half + side * (a * (x - 0.5) + b * (y - 0.5)),
                 half + side * (c * (x - 0.5) + d * (y - 0.5))) for x, y in points]

    def ellipse(self, centre: Point, radii: Point, fill: Colour, angle: float = 0.0) -> None:
        """Fill an ellipse; always as a polygon, since the pose may shear it."""
        (x, y), (a, b) = centre, radii
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self.polygon([(x + a * c * cos + b * s * sin, y - a * c * sin + b * s * cos)
                      for c, s in CIRCLE], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a stroke whose width follows the size of the pose."""
        super().line(points, fill, width * self._zoom)


def draw_arc(pen: Canvas, centre: Point, radii: Point, fill: Colour, width: float,
         start: float = 0.0, stop: float = 360.0) -> None:
    """Draw an arc of an ellipse as a stroke, from ``start`` to ``stop`` degrees."""
    steps = max(6, int(abs(stop - start) / 18))
    turns = [math.radians(start + (stop - start) * i / steps) for i in range(steps + 1)]
    pen.line([(centre[0] + radii[0] * math.cos(t), centre[1] - radii[1] * math.sin(t))
              for t in turns], fill, width)


@lru_cache(maxsize=8)
def _textures(size: int) -> np.ndarray:
    """Give four 1/f textures that repeat without a seam; shape (4, 2 size, 2 size)."""
    return np.stack([sample_noise_texture(2 * size,
                                          np.random.default_rng([7, i])) for i in range(4)])


def add_texture(image: Image.Image, latents: Mapping, amount: float, slope: float) -> Image.Image:
    """Roughen an opaque image with a 1/f texture, and let light fall off across it.

    Parameters
    ----------
    image : Image, RGB, square
    latents : dict
        ``texture_seed`` and ``light_angle`` (degrees, 0 right, 90 top: the bright side).
    amount : float
        Standard deviation of the texture, as a fraction of brightness.
    slope : float
        Change of brightness from the middle to the bright side, as a share.

    Returns
    -------
    Image, RGBA, opaque
    """
    size, turn = image.width, math.radians(latents["light_angle"])
    # A window into a stock of textures: a fresh Fourier transform would take half of all time.
    seed = latents["texture_seed"]
    left, top = seed % size, seed // size % size
    texture = _textures(size)[seed // size**2 % 4, top:top + size, left:left + size]
    x, y = pixel_grid(size)
    gain = 1 + amount * texture + slope * (x * math.cos(turn) - y * math.sin(turn))
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    pixels[..., :3] = levels(np.asarray(image) * gain[..., None])
    return Image.fromarray(pixels, "RGBA")
