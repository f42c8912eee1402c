"""Drawings of musical instruments.

Each takes a posed canvas in unit coordinates, the latents and a generator for small details.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, mix, shade
from data.synthetic.things import draw_arc

METAL = (176, 180, 186)
DARK = (38, 38, 42)
WOOD = (150, 106, 66)


def guitar(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a guitar, or a violin with points at its waist and a bow."""
    violin = latents["variant"] == "violin"
    body, edge, form = latents["rgb"], shade(latents["rgb"], 0.55), latents["form"]
    waist, lower = 0.105 + 0.02 * form[0], 0.195 + 0.03 * form[1]
    half = [(0.5, 0.50), (0.5 + 0.15, 0.53), (0.5 + 0.165, 0.60), (0.5 + waist, 0.675),
            (0.5 + lower, 0.78), (0.5 + lower * 0.9, 0.90), (0.5, 0.965)]
    shape = half + [(1 - x, y) for x, y in half[-2:0:-1]]
    pen.blob(shape, edge)
    pen.blob([(0.5 + (x - 0.5) * 0.9, 0.735 + (y - 0.735) * 0.93) for x, y in shape], body)
    if violin:
        for s in (-1, 1):
            pen.curve([(0.5 + s * 0.07, 0.63), (0.5 + s * 0.09, 0.68), (0.5 + s * 0.06, 0.73),
                       (0.5 + s * 0.09, 0.77)], DARK, 0.018)
        pen.blob([(0.44, 0.96), (0.46, 0.86), (0.54, 0.86), (0.53, 0.95)], DARK)
        pen.line([(0.84, 0.08), (0.90, 0.94)], shade(WOOD, 0.7), 0.022)
        pen.line([(0.875, 0.08), (0.92, 0.92)], (238, 234, 222), 0.012)
    else:
        pen.ellipse((0.5, 0.68), (0.078, 0.078), mix(latents["second_rgb"], DARK, 0.35))
        pen.ellipse((0.5, 0.68), (0.06, 0.06), DARK)
        pen.line([(0.42, 0.85), (0.58, 0.85)], DARK, 0.032)
    neck = mix(latents["second_rgb"], DARK, 0.6) if not violin else DARK
    top = 0.08 if not violin else 0.16
    pen.polygon([(0.468, top), (0.532, top), (0.54, 0.62), (0.46, 0.62)], neck)
    pen.polygon([(0.445, 0.03), (0.555, 0.03), (0.54, top + 0.08), (0.46, top + 0.08)],
                shade(body, 0.7))
    for y in (0.05, 0.095, 0.14):
        for s in (-1, 1):
            pen.ellipse((0.5 + s * 0.075, y), (0.018, 0.013), METAL)
    for x in (0.482, 0.5, 0.518):
        pen.line([(x, top + 0.02), (x, 0.85)], (232, 226, 206), 0.006)


def drum(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a drum seen from above: skin, rims, cords, two sticks."""
    form = latents["form"]
    top, base, wide = 0.40, 0.74 + 0.14 * form[0], 0.40 - 0.06 * form[1]
    flat = 0.12 + 0.05 * form[2]
    shell = latents["rgb"]
    pen.ellipse((0.5, base), (wide, flat), shade(latents["second_rgb"], 0.8))
    pen.polygon([(0.5 - wide, top), (0.5 + wide, top), (0.5 + wide, base), (0.5 - wide, base)],
                latents["second_rgb"])
    pen.ellipse((0.5, base - 0.055), (wide * 0.995, flat), shell)
    pen.polygon([(0.5 - wide, top), (0.5 + wide, top), (0.5 + wide, base - 0.055),
                 (0.5 - wide, base - 0.055)], shell)
    xs = np.cos(np.linspace(np.pi, 0, 8))
    for i in range(7):
        ends = [(0.5 + wide * xs[i + k], (top if (i + k) % 2 else base - 0.07)
                 + flat * np.sqrt(1 - xs[i + k] ** 2)) for k in (0, 1)]
        pen.line(ends, latents["second_rgb"], 0.018)
    pen.ellipse((0.5, top + 0.035), (wide, flat), latents["second_rgb"])
    pen.ellipse((0.5, top), (wide, flat), shade(latents["second_rgb"], 0.85))
    pen.ellipse((0.5, top - 0.006), (wide * 0.92, flat * 0.88), (240, 234, 218))
    for x0, y0, x1, y1 in ((0.12, 0.08, 0.50, 0.38), (0.84, 0.06, 0.56, 0.36)):
        pen.line([(x0, y0), (x1, y1)], WOOD, 0.03)
        pen.ellipse((x1, y1), (0.028, 0.028), shade(WOOD, 1.15))


def trumpet(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a trumpet: bell, looped tube, three valves, mouthpiece."""
    brass, deep = latents["rgb"], shade(latents["rgb"], 0.62)
    drop = 0.18 + 0.05 * latents["form"][0]
    draw_arc(pen, (0.30, 0.44 + drop / 2), (0.09, drop / 2), deep, 0.045, 90, 270)
    draw_arc(pen, (0.60, 0.44 + drop / 2), (0.09, drop / 2), deep, 0.045, -90, 90)
    pen.line([(0.30, 0.44 + drop), (0.60, 0.44 + drop)], deep, 0.045)
    pen.line([(0.08, 0.44), (0.70, 0.44)], brass, 0.05)
    flare = 0.17 + 0.04 * latents["form"][1]
    pen.blob([(0.62, 0.415), (0.80, 0.40), (0.93, 0.44 - flare), (0.96, 0.44),
              (0.93, 0.44 + flare), (0.80, 0.48), (0.62, 0.465)], brass)
    pen.ellipse((0.935, 0.44), (0.028, flare), deep)
    pen.polygon([(0.04, 0.405), (0.10, 0.425), (0.10, 0.455), (0.04, 0.475)], METAL)
    for x in (0.38, 0.45, 0.52):
        pen.line([(x, 0.36), (x, 0.46 + drop)], shade(brass, 0.82), 0.05)
        pen.line([(x, 0.27), (x, 0.36)], METAL, 0.02)
        pen.ellipse((x, 0.27), (0.03, 0.018), latents["second_rgb"])


def piano(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw an upright piano: case, music stand, a row of keys, legs."""
    case, form = latents["rgb"], latents["form"]
    top = 0.14 + 0.08 * form[0]
    pen.polygon([(0.08, top), (0.16, top - 0.06), (0.96, top - 0.06), (0.92, top)],
                shade(case, 1.25))
    pen.polygon([(0.92, top), (0.96, top - 0.06), (0.96, 0.84), (0.92, 0.90)], shade(case, 0.55))
    pen.polygon([(0.08, top), (0.92, top), (0.92, 0.90), (0.08, 0.90)], case)
    pen.polygon([(0.14, 0.68), (0.86, 0.68), (0.86, 0.84), (0.14, 0.84)], shade(case, 0.78))
    pen.polygon([(0.33, top + 0.08), (0.67, top + 0.08), (0.67, 0.47), (0.33, 0.47)],
                (240, 236, 224))
    for y in np.linspace(top + 0.13, 0.43, 4):
        pen.line([(0.37, y), (0.63, y)], (96, 96, 100), 0.01)
    pen.polygon([(0.03, 0.62), (0.97, 0.62), (0.97, 0.68), (0.03, 0.68)], shade(case, 0.6))
    pen.polygon([(0.06, 0.50), (0.94, 0.50), (0.97, 0.62), (0.03, 0.62)], (244, 242, 234))
    for i, x in enumerate(np.linspace(0.09, 0.91, 15)):
        pen.line([(x, 0.51), (x, 0.615)], (120, 118, 114), 0.006)
        if i % 7 not in (2, 6):
            pen.line([(x, 0.515), (x, 0.56)], DARK, 0.026)
    for x in (0.07, 0.93):
        pen.line([(x, 0.68), (x, 0.92)], shade(case, 0.6), 0.045)


DRAWINGS = {"guitar": guitar, "violin": guitar, "drum": drum, "trumpet": trumpet, "piano": piano}
