"""What outdoor scenes share: sky and trees."""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, Colour, Point, mix, shade


def sky(pen: Canvas, latents: dict, rng: np.random.Generator, horizon: float) -> None:
    """Paint a graded sky down to ``horizon``, bright above or below, with what the hour brings.

    Clouds by day and when overcast, stars and a moon at night, a low sun at dusk.
    """
    low = mix(latents["sky_rgb"], (255, 244, 226), latents["haze"] * 0.6)
    top, bottom = (latents["sky_rgb"], low) if latents["light"] < 0.25 else (low,
                                                                             latents["sky_rgb"])
    bands = 10
    for i in range(bands):
        y0, y1 = horizon * i / bands, horizon * (i + 1) / bands + 0.01
        pen.polygon([(0, y0), (1, y0), (1, y1), (0, y1)], mix(top, bottom, i / (bands - 1)))
    if latents["hour"] == "night":
        for x, y in rng.uniform(0, 1, (14, 2)):
            pen.ellipse((x, y * horizon), (0.006, 0.006), (240, 240, 230))
        pen.ellipse((rng.uniform(0.1, 0.9), horizon * 0.25), (0.05, 0.05), (244, 240, 214))
    elif latents["hour"] == "dusk":
        x = rng.uniform(0.1, 0.9)
        pen.ellipse((x, horizon * rng.uniform(0.55, 0.95)), (0.07, 0.07), (255, 214, 150))
    else:
        pale = mix(low, (255, 255, 255) if latents["hour"] == "day" else (120, 122, 128), 0.45)
        for x, y, w in rng.uniform(0, 1, (int(rng.integers(1, 6)), 3)):
            for dx, r in ((-0.08, 0.045), (0.0, 0.06), (0.09, 0.04)):
                pen.ellipse((x + dx, y * horizon * 0.8), (r * (1.2 + w), r * 0.7), pale)


def tree(pen: Canvas, foot: Point, height: float, leaf: Colour, rng: np.random.Generator) -> None:
    """Draw a broad-leaved or a needle tree whose trunk stands at ``foot``."""
    x, y = foot
    bark = mix((88, 66, 48), leaf, 0.2)
    pen.polygon([(x - 0.035 * height, y), (x + 0.035 * height, y),
                 (x + 0.02 * height, y - 0.5 * height), (x - 0.02 * height, y - 0.5 * height)],
                bark)
    if rng.random() < 0.5:
        for i, (base, wide) in enumerate(((0.2, 0.26), (0.45, 0.21), (0.68, 0.14))):
            low, reach = y - base * height, wide * height
            pen.polygon([(x - reach, low), (x + reach, low), (x, low - 0.36 * height)],
                        shade(leaf, 0.8 + 0.15 * i))
        return
    for dx, dy, r, lit in ((-0.13, 0.52, 0.17, 0.75), (0.14, 0.55, 0.17, 0.85),
                           (0, 0.72, 0.2, 1.0), (-0.05, 0.62, 0.14, 1.15)):
        pen.ellipse((x + dx * height, y - dy * height), (r * height, r * height * 0.9),
                    shade(leaf, lit))
