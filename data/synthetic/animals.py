"""Drawings of animals.

Each takes a posed canvas in unit coordinates, the latents and a generator for small details.
"""

from __future__ import annotations

import math

import numpy as np

from data.synthetic.canvas import Canvas, Colour, mix, shade
from data.synthetic.things import draw_arc

DARK = (34, 32, 34)
PALE = (240, 236, 224)


def bird(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a perched bird from the side: beak, wing, tail, two thin legs."""
    coat, wing, form = latents["rgb"], mix(latents["second_rgb"], latents["rgb"],
                                           0.25), latents["form"]
    for x in (0.47, 0.57):
        pen.line([(x, 0.70), (x, 0.90)], (150, 100, 50), 0.022)
        pen.line([(x - 0.04, 0.91), (x + 0.07, 0.91)], (150, 100, 50), 0.02)
    pen.polygon([(0.30, 0.55), (0.04, 0.66 + 0.1 * form[0]), (0.06, 0.76 + 0.1 * form[0]),
                 (0.36, 0.68)], shade(wing, 0.8))
    fat = 0.03 * form[1]
    pen.blob([(0.25, 0.60), (0.40, 0.44 - fat), (0.58, 0.38), (0.74, 0.42), (0.76, 0.56),
              (0.66, 0.70 + fat), (0.48, 0.75 + fat), (0.32, 0.70)], coat)
    pen.ellipse((0.71, 0.30), (0.135, 0.13), coat)
    pen.polygon([(0.82, 0.25), (0.97 + 0.02 * form[2], 0.32), (0.82, 0.35)], (232, 160, 50))
    pen.ellipse((0.75, 0.27), (0.032, 0.032), PALE)
    pen.ellipse((0.757, 0.27), (0.02, 0.02), DARK)
    pen.blob([(0.64, 0.48), (0.50, 0.46), (0.30, 0.56), (0.18, 0.66), (0.40, 0.67),
              (0.58, 0.62)], wing)
    pen.curve([(0.56, 0.56), (0.44, 0.62), (0.30, 0.645)], shade(wing, 0.65), 0.016)


def fish(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a fish from the side: tail, fins, gill, eye, stripes or spots."""
    scale, fin, form = latents["rgb"], mix(latents["second_rgb"], latents["rgb"],
                                           0.2), latents["form"]
    high = 0.17 + 0.12 * form[0]
    pen.blob([(0.32, 0.5), (0.14, 0.26), (0.03, 0.28), (0.10, 0.5), (0.03, 0.72),
              (0.14, 0.74)], fin)
    pen.polygon([(0.42, 0.52 - high), (0.50, 0.36 - high * 0.8), (0.74, 0.56 - high)], fin)
    pen.polygon([(0.50, 0.46 + high), (0.48, 0.60 + high * 0.85), (0.66, 0.46 + high)], fin)
    pen.blob([(0.22, 0.5), (0.40, 0.52 - high), (0.64, 0.49 - high), (0.86, 0.44),
              (0.96, 0.51), (0.86, 0.58), (0.64, 0.51 + high), (0.40, 0.48 + high)], scale)
    if latents["pattern"] == "stripes":
        for x in (0.42, 0.54, 0.66):
            pen.line([(x, 0.56 - high), (x - 0.02, 0.44 + high)], latents["second_rgb"], 0.04)
    elif latents["pattern"] == "dots":
        for x, y in rng.uniform((0.36, 0.42), (0.68, 0.58), (7, 2)):
            pen.ellipse((x, y), (0.024, 0.024), latents["second_rgb"])
    draw_arc(pen, (0.73, 0.5), (0.05, high * 0.75), shade(scale, 0.6), 0.016, -80, 80)
    pen.polygon([(0.66, 0.54), (0.50, 0.58), (0.54, 0.68)], shade(fin, 0.8))
    pen.ellipse((0.85, 0.47), (0.036, 0.036), PALE)
    pen.ellipse((0.855, 0.47), (0.021, 0.021), DARK)
    pen.line([(0.95, 0.53), (0.90, 0.54)], shade(scale, 0.5), 0.014)


def quadruped(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a cat (pointed ears, long tail) or a dog (long muzzle, hanging ears)."""
    coat, form, cat = latents["rgb"], latents["form"], latents["variant"] == "cat"
    mark = mix(latents["second_rgb"], coat, 0.3)
    deep = shade(coat, 0.7)
    legs = 0.90 if cat else 0.94
    for x, colour in ((0.30, deep), (0.62, deep), (0.22, coat), (0.56, coat)):
        swing = 0.05 * (form[0] - 0.5) * (1 if colour is deep else -1)
        pen.limb((x, 0.62), (x + swing, legs), (0.11, 0.065), colour)
        pen.ellipse((x + swing + 0.015, legs + 0.01), (0.05, 0.028), colour)
    if cat:
        pen.curve([(0.20, 0.52), (0.08, 0.46), (0.07, 0.26 - 0.1 * form[1]),
                   (0.15, 0.16 - 0.05 * form[1])], coat, 0.055)
    else:
        pen.curve([(0.20, 0.50), (0.10, 0.40), (0.06, 0.26 + 0.1 * form[1])], coat, 0.055)
    pen.blob([(0.16, 0.55), (0.24, 0.45), (0.45, 0.46), (0.62, 0.42), (0.70, 0.50),
              (0.66, 0.66), (0.45, 0.66), (0.22, 0.70)], coat)
    if latents["pattern"] == "stripes":
        for x in (0.28, 0.37, 0.46, 0.55):
            pen.line([(x, 0.48), (x + 0.02, 0.60)], mark, 0.03)
    elif latents["pattern"] == "dots":
        for x, y in ((0.28, 0.54), (0.40, 0.60), (0.50, 0.51)):
            pen.ellipse((x, y), (0.05, 0.04), mark)
    pen.limb((0.64, 0.50), (0.75, 0.34), (0.18, 0.14), coat)
    (_cat_head if cat else _dog_head)(pen, coat, mark)


def _cat_head(pen: Canvas, coat: Colour, mark: Colour) -> None:
    for s in (-1, 1):
        pen.polygon([(0.77 + s * 0.03, 0.24), (0.77 + s * 0.15, 0.07), (0.77 + s * 0.155, 0.30)],
                    shade(coat, 0.8))
    pen.ellipse((0.77, 0.31), (0.165, 0.135), coat)
    pen.ellipse((0.77, 0.37), (0.07, 0.05), mix(coat, PALE, 0.6))
    for s in (-1, 1):
        pen.ellipse((0.77 + s * 0.07, 0.285), (0.03, 0.03), (206, 220, 120))
        pen.ellipse((0.77 + s * 0.07, 0.285), (0.013, 0.028), DARK)
        pen.line([(0.77 + s * 0.05, 0.37), (0.77 + s * 0.2, 0.345)], DARK, 0.007)
    pen.polygon([(0.748, 0.345), (0.792, 0.345), (0.77, 0.37)], (206, 120, 120))


def _dog_head(pen: Canvas, coat: Colour, mark: Colour) -> None:
    pen.ellipse((0.76, 0.28), (0.13, 0.12), coat)
    pen.blob([(0.80, 0.24), (0.95, 0.28), (0.975, 0.34), (0.92, 0.40), (0.78, 0.38)],
             mix(coat, PALE, 0.25))
    pen.ellipse((0.955, 0.30), (0.028, 0.024), DARK)
    pen.curve([(0.95, 0.36), (0.90, 0.375), (0.86, 0.365)], DARK, 0.01)
    pen.ellipse((0.82, 0.24), (0.02, 0.022), DARK)
    pen.blob([(0.70, 0.18), (0.62, 0.24), (0.62, 0.42), (0.69, 0.45), (0.74, 0.30)],
             shade(mark, 0.75))


def turtle(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a turtle from the side: a plated dome, head, tail and stubby legs."""
    shell, skin, form = latents["rgb"], latents["second_rgb"], latents["form"]
    for x in (0.24, 0.60):
        pen.limb((x, 0.66), (x + 0.03, 0.83), (0.14, 0.11), shade(skin, 0.85))
    pen.polygon([(0.12, 0.66), (0.01, 0.74), (0.14, 0.73)], skin)
    pen.limb((0.72, 0.64), (0.88, 0.47), (0.13, 0.12), skin)
    pen.ellipse((0.90, 0.45), (0.085, 0.075), skin)
    pen.ellipse((0.92, 0.43), (0.02, 0.02), DARK)
    top = 0.26 + 0.1 * form[0]
    pen.blob([(0.08, 0.69), (0.14, 0.48), (0.32, top), (0.54, top), (0.72, 0.48),
              (0.79, 0.69), (0.44, 0.73)], shell)
    line = shade(shell, 0.55)
    for path in ([(0.34, top + 0.03), (0.27, 0.5), (0.36, 0.70)],
                 [(0.54, top + 0.03), (0.60, 0.5), (0.52, 0.70)],
                 [(0.13, 0.53), (0.27, 0.5), (0.60, 0.5), (0.74, 0.53)]):
        pen.line(path, line, 0.02)
    pen.line([(0.07, 0.69), (0.44, 0.725), (0.80, 0.69)], shade(shell, 0.75), 0.05)


def snake(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a snake: a winding body with bands, a head and a forked tongue."""
    skin, swing = latents["rgb"], 0.13 + 0.06 * latents["form"][0]
    t = np.linspace(0, 1, 30)
    x, y = 0.08 + 0.72 * t, 0.55 - 0.15 * t + swing * np.sin(2 * np.pi * 1.6 * t)
    path = list(zip(x, y, strict=True))
    pen.line(path[:8], skin, 0.055)
    pen.line(path[4:], skin, 0.10)
    for i in range(4, 28, 4):
        (a, b), (c, d) = path[i - 1], path[i + 1]
        length = math.hypot(c - a, d - b)
        nx, ny = -(d - b) / length * 0.042, (c - a) / length * 0.042
        pen.line([(path[i][0] - nx, path[i][1] - ny), (path[i][0] + nx, path[i][1] + ny)],
                 latents["second_rgb"], 0.03)
    hx, hy = path[-1]
    for dy in (-0.03, 0.03):
        pen.line([(hx + 0.12, hy), (hx + 0.16, hy), (hx + 0.19, hy + dy)], (190, 40, 50), 0.014)
    pen.ellipse((hx + 0.03, hy), (0.11, 0.075), skin)
    pen.ellipse((hx + 0.06, hy - 0.03), (0.022, 0.022), PALE)
    pen.ellipse((hx + 0.065, hy - 0.03), (0.012, 0.012), DARK)


DRAWINGS = {"bird": bird, "fish": fish, "cat": quadruped, "dog": quadruped, "turtle": turtle,
            "snake": snake}
