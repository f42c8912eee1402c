"""Natural places: field, coast, mountains and forest."""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, Colour, mix, shade
from data.synthetic.outdoors import sky, tree


def _ridge(rng: np.random.Generator, level: float, rough: float,
           points: int = 9) -> list[tuple[float, float]]:
    """Draw a skyline of random heights around ``level`` across the square."""
    heights = level - rough * rng.uniform(0, 1, points)
    return list(zip(np.linspace(-0.05, 1.05, points), heights, strict=True))


def _ground(pen: Canvas, horizon: float, near: Colour, away: Colour) -> None:
    """Paint graded ground from ``horizon`` down."""
    for i in range(8):
        y0, y1 = (horizon + (1 - horizon) * (k / 8) ** 1.5 for k in (i, i + 1))
        pen.polygon([(0, y0), (1, y0), (1, y1 + 0.01), (0, y1 + 0.01)], mix(away, near, i / 7))


def field(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw open land: furrows that run to the vanishing point, a fence, bales, far trees."""
    vx, horizon = latents["vanishing"][0], latents["vanishing"][1] - 0.05
    sky(pen, latents, rng, horizon)
    far = mix(latents["rgb"], latents["sky_rgb"], 0.5 * latents["haze"])
    _ground(pen, horizon, latents["rgb"], far)
    row = shade(latents["rgb"], 0.68)
    step = rng.uniform(0.14, 0.3)
    for x in np.arange(-3, 4, step) + rng.uniform(0, step):
        pen.polygon([(vx + (x - vx) * 0.02, horizon), (x, 1.01), (x + step * 0.45, 1.01)], row)
    leaf = mix(shade(latents["second_rgb"], 0.8), latents["sky_rgb"], 0.3)
    for x in rng.uniform(0, 1, int(rng.integers(0, 5))):
        tree(pen, (float(x), horizon + 0.015), rng.uniform(0.1, 0.3) * (1.3 - latents["depth"]),
             leaf, rng)
    if latents["openness"] > 0.55:
        for x in rng.uniform(0.05, 0.95, 3):
            y = rng.uniform(horizon + 0.08, 0.9)
            r = 0.12 * (y - horizon) / (1 - horizon) + 0.02
            pen.ellipse((x, y), (r * 1.25, r), shade(latents["third_rgb"], 0.9))
            pen.ellipse((x + r * 0.5, y), (r * 0.6, r * 0.94), shade(latents["third_rgb"], 1.25))
    elif latents["openness"] < 0.3:
        y, wood = rng.uniform(horizon + 0.2, 0.9), shade(latents["third_rgb"], 0.6)
        for x in np.linspace(0.04, 0.96, 6):
            pen.line([(x, y - 0.14), (x, y + 0.06)], wood, 0.022)
        for dy in (-0.1, -0.02):
            pen.line([(0, y + dy), (1, y + dy)], wood, 0.014)


def coast(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a shore: level sea to the horizon, a curving beach, surf, an island or a sail."""
    horizon = latents["vanishing"][1] - 0.1
    sky(pen, latents, rng, horizon)
    sea = latents["rgb"]
    _ground(pen, horizon, shade(sea, 1.12), shade(mix(sea, latents["sky_rgb"], 0.25), 0.8))
    if latents["openness"] < 0.6:
        x, w = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.3)
        pen.blob([(x - w, horizon), (x - w * 0.4, horizon - 0.09), (x + w * 0.2, horizon - 0.06),
                  (x + w, horizon), (x, horizon + 0.008)], shade(latents["third_rgb"], 0.6))
    for y in horizon + (0.95 - horizon) * rng.uniform(0.04, 0.7, 16) ** 1.4:
        x, w = rng.uniform(0, 1), 0.05 + 0.25 * (y - horizon)
        pen.line([(x - w, y), (x + w, y)], shade(sea, 1.35 if rng.random() < 0.6 else 0.75), 0.01)
    if rng.random() < 0.6:
        x, y, s = rng.uniform(0.15, 0.85), horizon + 0.04, rng.uniform(0.06, 0.14)
        pen.polygon([(x, y), (x, y - s * 1.8), (x + s, y)], (240, 236, 226))
        pen.polygon([(x - s, y + 0.008), (x + s * 1.1, y + 0.008), (x + s * 0.6, y + s * 0.4),
                     (x - s * 0.6, y + s * 0.4)], shade(latents["third_rgb"], 0.6))
    left, right = rng.uniform(0.78, 0.98), rng.uniform(horizon + 0.12, 0.8)
    shore = [(i / 8, left + (right - left) * (i / 8) ** 1.7 + 0.015 * rng.normal())
             for i in range(9)]
    shore[0], shore[-1] = (-0.02, shore[0][1]), (1.02, shore[-1][1])
    pen.polygon([(x, y - 0.02) for x, y in shore] + [(1.02, 1.02), (-0.02, 1.02)],
                mix(sea, (255, 255, 255), 0.75))
    pen.polygon([(x, y + 0.025) for x, y in shore] + [(1.02, 1.02), (-0.02, 1.02)],
                shade(latents["second_rgb"], 0.8))
    pen.polygon([(x, y + 0.07) for x, y in shore] + [(1.02, 1.02), (-0.02, 1.02)],
                latents["second_rgb"])


def mountains(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw peaks with sunlit and shaded faces and, mostly, snow, above lower ridges."""
    base = 0.62 + 0.3 * latents["vanishing"][1]
    sky(pen, latents, rng, base)
    rock = latents["rgb"]
    for layer, (count, height) in enumerate(((4, 0.6), (3, 0.48))):
        haze = latents["haze"] * (0.65, 0.2)[layer]
        colour = mix(rock, latents["sky_rgb"], haze)
        for x in rng.permutation(np.linspace(0.08, 0.92, count)):
            peak_x = x + rng.normal(0, 0.06)
            _peak(pen, (peak_x, base), height * rng.uniform(0.6, 1.1) * (0.8 + 0.4 * base),
                  colour, latents["openness"] < 0.75, rng)
    ridge = _ridge(rng, base + 0.02, 0.1)
    pen.polygon([*ridge, (1.05, 1.02), (-0.05, 1.02)], mix(latents["second_rgb"], rock, 0.25))
    for x in rng.uniform(0, 1, int(5 * (1 - latents["depth"]))):
        tree(pen, (float(x), base + rng.uniform(0.05, 0.2)), rng.uniform(0.08, 0.16),
             shade(latents["second_rgb"], 0.6), rng)


def _peak(pen: Canvas, foot: tuple[float, float], height: float, rock: Colour, snow: bool,
          rng: np.random.Generator) -> None:
    """Draw one mountain: a lit face, a shaded face, a cap with a jagged edge."""
    x, base = foot
    top, wide = base - height, height * rng.uniform(0.55, 0.85)
    crease = x + wide * rng.uniform(-0.2, 0.3)
    pen.polygon([(x, top), (x + wide, base + 0.05), (x - wide, base + 0.05)], shade(rock, 1.1))
    pen.polygon([(x, top), (x + wide, base + 0.05), (crease, base + 0.05),
                 (x + 0.1 * wide, top + 0.5 * height)], shade(rock, 0.6))
    if snow:
        low = [(s * 0.36 * wide, (0.36 + d) * height) for s, d in
               ((1, 0), (0.6, -0.07), (0.25, 0.05), (-0.1, -0.06), (-0.5, 0.06), (-1, 0))]
        pen.polygon([(x, top), *[(x + dx, top + dy) for dx, dy in low]], (240, 240, 244))
        pen.polygon([(x, top), (x + low[0][0], top + low[0][1]), (x + low[1][0], top + low[1][1]),
                     (x + low[2][0] * 0.5, top + 0.2 * height)], (186, 192, 206))


def forest(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a wood from within: trunks behind trunks, leaves above, undergrowth, a path."""
    horizon = 0.5 + 0.3 * latents["vanishing"][1]
    leaf, ground, bark = latents["rgb"], latents["second_rgb"], mix(latents["third_rgb"],
                                                                    (70, 54, 42), 0.5)
    back = mix(leaf, latents["sky_rgb"], 0.35 + 0.4 * latents["haze"])
    pen.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], back)
    _ground(pen, horizon, ground, mix(ground, back, 0.6))
    if latents["openness"] > 0.4:
        vx = latents["vanishing"][0]
        pen.blob([(vx - 0.02, horizon), (vx + 0.02, horizon), (vx + 0.1, horizon + 0.15),
                  (0.75, 1.05), (0.25, 1.05), (vx - 0.06, horizon + 0.15)],
                 mix(ground, (226, 212, 184), 0.55))
    for layer, (count, wide) in enumerate(((9, 0.022), (6, 0.045), (3, 0.085))):
        near = layer / 2
        colour = mix(back, bark, 0.35 + 0.65 * near)
        foot = horizon + (0.97 - horizon) * (0.08 + 0.65 * near)
        for x in (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count:
            w, lean = wide * rng.uniform(0.7, 1.4) / 2, rng.normal(0, 0.03)
            y = foot + rng.uniform(-0.03, 0.06)
            pen.polygon([(x - w * 1.5, y), (x + w * 1.5, y), (x + w + lean, -0.05),
                         (x - w + lean, -0.05)], colour)
            pen.polygon([(x + w * 0.2, y), (x + w * 1.5, y), (x + w + lean, -0.05),
                         (x + w * 0.3 + lean, -0.05)], shade(colour, 0.7))
        tone = mix(back, leaf, 0.3 + 0.7 * near)
        for x, y, r in rng.uniform(0, 1, (11, 3)):
            pen.ellipse((x, y * (0.34 - 0.14 * near)), (0.07 + 0.08 * r, 0.05 + 0.06 * r),
                        shade(tone, 0.75 + 0.5 * r))
    for x in rng.uniform(0, 1, 9):
        y, r = rng.uniform(0.9, 1.02), rng.uniform(0.04, 0.1)
        pen.ellipse((float(x), y), (r * 1.4, r), shade(leaf, rng.uniform(0.5, 1.0)))


DRAWINGS = {"field": field, "coast": coast, "mountains": mountains, "forest": forest}
