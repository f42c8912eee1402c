"""A supersampled pen in unit coordinates, and the shared means of every drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from helpers.stimuli.quantization import NUDGE, levels

Point = tuple[float, float]
Colour = Sequence[int]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (190, 52, 48), "orange": (224, 132, 44), "yellow": (226, 196, 70),
    "green": (78, 140, 72), "teal": (52, 140, 140), "blue": (58, 96, 172),
    "purple": (120, 76, 150), "pink": (222, 140, 162), "brown": (120, 82, 54),
    "black": (44, 42, 44), "grey": (134, 134, 136), "white": (228, 226, 220),
}
"""Named colours (sRGB, 0 to 255) of cloth, paint and things."""

SKINS: tuple[tuple[int, int, int], ...] = (
    (246, 214, 190), (236, 194, 164), (220, 172, 136), (196, 142, 106),
    (160, 108, 76), (124, 80, 56), (92, 60, 44),
)
"""Skin tones (sRGB), from light to dark."""


class Canvas:
    """A transparent square that is drawn on in unit coordinates and reduced at the end.

    Parameters
    ----------
    size : int
        Side of the finished image, pixels.
    scale : int
        Supersampling factor; strokes are drawn at ``size * scale``.
    """

    def __init__(self, size: int, scale: int = 2) -> None:
        self.scale, self.side = scale, size * scale
        self.image = Image.new("RGBA", (self.side, self.side), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.side + NUDGE, y * self.side + NUDGE) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the polygon through ``points``."""
        self.pen.polygon(self._pixels(points), fill=tuple(fill))

    def ellipse(self, centre: Point, radii: Point, fill: Colour, angle: float = 0.0) -> None:
        """Fill an ellipse; ``angle`` in degrees, counter-clockwise as seen."""
        (x, y), (a, b) = centre, radii
        if angle == 0:
            self.pen.ellipse(self._pixels([(x - a, y - b), (x + a, y + b)]), fill=tuple(fill))
            return
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self.polygon([(x + a * c * cos + b * s * sin, y - a * c * sin + b * s * cos)
                      for c, s in _circle(28)], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a stroke of constant ``width`` (unit coordinates) with rounded joints and ends."""
        pixels, pixel_width = self._pixels(points), max(1, round(width * self.side))
        self.pen.line(pixels, fill=tuple(fill), width=pixel_width, joint="curve")
        if pixel_width > 3:
            for x, y in (pixels[0], pixels[-1]):
                half = pixel_width / 2 - 0.5
                self.pen.ellipse((x - half, y - half, x + half, y + half), fill=tuple(fill))

    def curve(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a smooth open stroke through ``points``."""
        self.line(smooth(points, closed=False), fill, width)

    def blob(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the smooth closed curve through ``points``."""
        self.polygon(smooth(points, closed=True), fill)

    def limb(self, start: Point, end: Point, widths: Point, fill: Colour) -> None:
        """Fill a tapered stroke with round ends; ``widths`` at ``start`` and at ``end``."""
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0) or 1e-6
        nx, ny = -(y1 - y0) / length / 2, (x1 - x0) / length / 2
        w0, w1 = widths
        self.polygon([(x0 + nx * w0, y0 + ny * w0), (x1 + nx * w1, y1 + ny * w1),
                      (x1 - nx * w1, y1 - ny * w1), (x0 - nx * w0, y0 - ny * w0)], fill)
        self.ellipse(start, (w0 / 2, w0 / 2), fill)
        self.ellipse(end, (w1 / 2, w1 / 2), fill)

    def finish(self) -> Image.Image:
        """Reduce to the finished size (RGBA; alpha handled as it should be)."""
        return self.image.reduce(self.scale)


@lru_cache(maxsize=8)
def _circle(n: int) -> tuple[Point, ...]:
    return tuple((math.cos(t * 2 * math.pi / n), math.sin(t * 2 * math.pi / n)) for t in range(n))


@lru_cache(maxsize=8)
def _catmull_rom(steps: int) -> np.ndarray:
    t = np.linspace(0, 1, steps, endpoint=False)
    square, cube = t * t, t * t * t  # powers differ between processors, products do not
    return 0.5 * np.stack([-t + 2 * square - cube, 2 - 5 * square + 3 * cube,
                           t + 4 * square - 3 * cube, cube - square])[..., None]


def smooth(points: Sequence[Point], *, closed: bool, steps: int = 6) -> list[Point]:
    """Interpolate ``points`` by a Catmull-Rom spline, ``steps`` points per segment."""
    given = np.asarray(points, float)
    if closed:
        knots = np.vstack([given[-1:], given, given[:2]])
    else:
        knots = np.vstack([given[:1], given, given[-1:]])
    path = sum(weight * knots[i:len(knots) - 3 + i, None]
               for i, weight in enumerate(_catmull_rom(steps)))
    points = [(x, y) for x, y in path.reshape(-1, 2).tolist()]
    return points if closed else [*points, tuple(given[-1].tolist())]


# ---- colour -------------------------------------------------------------------------------------

def jitter(colour: Colour, rng: np.random.Generator, amount: float = 14.0) -> list[int]:
    """Move an sRGB colour by normal noise of ``amount`` (levels of 0 to 255)."""
    return [int(v) for v in np.clip(np.asarray(colour) + rng.normal(0, amount, 3), 4, 251)]


def shade(colour: Colour, factor: float) -> tuple[int, int, int]:
    """Darken (``factor`` < 1) or lighten (> 1) a colour."""
    r, g, b = (int(min(255, max(0, v * factor))) for v in colour)
    return r, g, b


def mix(one: Colour, other: Colour, weight: float) -> tuple[int, int, int]:
    """Blend two colours; ``weight`` is the fraction of ``other``."""
    r, g, b = (int(a + (z - a) * weight) for a, z in zip(one, other, strict=True))
    return r, g, b


# ---- light --------------------------------------------------------------------------------------

@lru_cache(maxsize=8)
def pixel_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Give x and y of every pixel, each of shape (size, size), from -1 to 1."""
    axis = np.linspace(-1, 1, size)
    x, y = np.meshgrid(axis, axis)
    return x, y


def apply_lighting(image: Image.Image, angle: float, strength: float) -> Image.Image:
    """Light a cut-out from ``angle`` (degrees, 0 right, 90 top) as a smooth rounded body.

    The blurred alpha serves as height; its slope towards the light brightens. A plain gradient
    over the square is added. ``strength`` of about 0.3 looks natural.
    """
    size, visible = image.width, image.getbbox()
    if visible is None:
        return image
    blurred_alpha = image.getchannel("A").filter(ImageFilter.GaussianBlur(size / 14))
    height = np.asarray(blurred_alpha, dtype=np.float64)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    slope = np.zeros_like(height)
    slope[:, 1:-1] -= cos * (height[:, 2:] - height[:, :-2])
    slope[1:-1] += sin * (height[2:] - height[:-2])
    x, y = pixel_grid(size)
    gain = 1 + strength * (slope * (size / 1800) + 0.5 * (x * cos - y * sin))
    left, top, right, bottom = visible
    pixels = np.array(image)
    visible_pixels = pixels[top:bottom, left:right, :3]
    visible_pixels[:] = levels(visible_pixels * np.clip(gain[top:bottom, left:right], 0.25,
                                                        1.8)[..., None])
    return Image.fromarray(pixels)


# ---- texture ------------------------------------------------------------------------------------

def sample_noise_texture(size: int, rng: np.random.Generator, *, power: float = 1.0) -> np.ndarray:
    """Draw a texture with amplitude 1 / f**power; shape (size, size), mean 0, sd 1."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**power
    texture = np.fft.irfft2(spectrum, s=(size, size))
    return (texture - texture.mean()) / texture.std()


def rotate_and_crop(item: Image.Image, *, angle: float = 0.0, flip: bool = False) -> Image.Image:
    """Turn a cut-out by ``angle`` (degrees) and crop it to what is visible."""
    if flip:
        item = item.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if angle:
        item = item.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    return item.crop(item.getchannel("A").getbbox() or (0, 0, 1, 1))


def paste(background: Image.Image, item: Image.Image, *, centre: Point, size: float) -> None:
    """Lay a cut-out (RGBA) onto ``background`` in place.

    ``centre`` and ``size`` (the item's longer side) are fractions of the ground's width.
    """
    scale = size * background.width / max(item.size)
    width, height = (max(1, round(side * scale)) for side in item.size)
    item = item.resize((width, height), Image.Resampling.BILINEAR)
    corner = round(centre[0] * background.width - width / 2), round(
        centre[1] * background.height - height / 2)
    background.paste(item, corner, item)
