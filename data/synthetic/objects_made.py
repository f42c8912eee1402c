"""Drawings of other made things: cars, cups, chairs, tools.

Each takes a posed canvas in unit coordinates, the latents and a generator for small details.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.canvas import Canvas, mix, shade
from data.synthetic.things import draw_arc

METAL = (176, 180, 186)
DARK = (38, 38, 42)
GLASS = (186, 210, 222)
WOOD = (150, 106, 66)


def _wheel(pen: Canvas, x: float, y: float, radius: float) -> None:
    pen.ellipse((x, y), (radius, radius), DARK)
    pen.ellipse((x, y), (radius * 0.52, radius * 0.52), METAL)
    pen.ellipse((x, y), (radius * 0.2, radius * 0.2), DARK)


def car(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a car from the side: sedan, van or convertible."""
    body, form, variant = latents["rgb"], latents["form"], latents["variant"]
    roof, sill = 0.30 + 0.06 * form[0], 0.70
    belt = 0.47 + 0.03 * form[1]
    if variant == "van":
        shell = [(0.05, sill), (0.05, roof - 0.04), (0.10, roof - 0.08), (0.70, roof - 0.08),
                 (0.84, belt), (0.95, belt + 0.05), (0.96, sill)]
        panes = [[(0.10, roof), (0.28, roof), (0.28, belt), (0.10, belt)],
                 [(0.32, roof), (0.48, roof), (0.48, belt), (0.32, belt)],
                 [(0.52, roof), (0.67, roof), (0.78, belt), (0.52, belt)]]
    elif variant == "sedan":
        shell = [(0.03, sill), (0.03, belt + 0.06), (0.08, belt), (0.20, belt - 0.01),
                 (0.31, roof), (0.36, roof - 0.03), (0.58, roof - 0.03), (0.63, roof),
                 (0.75, belt), (0.92, belt + 0.05), (0.97, belt + 0.11), (0.97, sill)]
        panes = [[(0.34, roof + 0.02), (0.46, roof + 0.02), (0.46, belt), (0.26, belt)],
                 [(0.49, roof + 0.02), (0.60, roof + 0.02), (0.69, belt), (0.49, belt)]]
    else:
        shell = [(0.03, sill), (0.04, belt + 0.04), (0.12, belt), (0.36, belt + 0.02),
                 (0.60, belt + 0.02), (0.70, belt), (0.93, belt + 0.07), (0.97, sill)]
        panes = [[(0.60, roof + 0.06), (0.63, roof + 0.06), (0.72, belt), (0.66, belt)]]
        for x in (0.36, 0.52):
            pen.blob([(x, belt + 0.05), (x - 0.03, belt - 0.1), (x + 0.04, belt - 0.1),
                      (x + 0.06, belt + 0.05)], shade(latents["second_rgb"], 0.8))
    pen.polygon(shell, body)
    for pane in panes:
        pen.polygon(pane, GLASS)
    pen.polygon([(0.03, sill - 0.06), (0.97, sill - 0.06), (0.97, sill), (0.03, sill)],
                shade(body, 0.6))
    if latents["pattern"] == "stripes":
        pen.line([(0.06, belt + 0.1), (0.94, belt + 0.1)], latents["second_rgb"], 0.03)
    pen.line([(0.475, belt + 0.02), (0.475, sill - 0.07)], shade(body, 0.5), 0.012)
    pen.line([(0.51, belt + 0.05), (0.56, belt + 0.05)], shade(body, 0.45), 0.016)
    pen.ellipse((0.94, belt + 0.12), (0.022, 0.032), (252, 240, 190))
    pen.ellipse((0.05, belt + 0.12), (0.016, 0.03), (204, 52, 44))
    radius = 0.095 + 0.025 * form[2]
    for x in (0.23, 0.77):
        _wheel(pen, x, sill, radius)


def cup(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a mug, or a teacup on a saucer, with handle, opening and drink."""
    form, colour, tea = latents["form"], latents["rgb"], latents["variant"] == "teacup"
    top, base = 0.24 + 0.05 * form[0], 0.80
    wide = 0.29 if not tea else 0.31
    foot = wide * (0.45 if tea else 0.72 + 0.24 * form[1])
    flat = 0.07 + 0.04 * form[2]
    middle = 0.44
    if tea:
        base, top = 0.74, 0.36 + 0.05 * form[0]
        pen.ellipse((middle, base + 0.03), (0.41, 0.12), shade(latents["second_rgb"], 0.75))
        pen.ellipse((middle, base + 0.01), (0.41, 0.115), latents["second_rgb"])
    draw_arc(pen, (middle + wide * 0.9, top + (base - top) * 0.45), (0.16, (base - top) * 0.29),
         shade(colour, 0.85), 0.055, -95, 95)
    drop = [(wide * (1 - k) + foot * k if not tea else
             foot + (wide - foot) * np.sqrt(max(0.0, 1 - k**2)), top + (base - top) * k)
            for k in np.linspace(0, 1, 7)]
    wall = [(middle + x, y) for x, y in drop] + [(middle - x, y) for x, y in drop[::-1]]
    pen.ellipse((middle, base), (foot, flat * foot / wide), shade(colour, 0.8))
    pen.polygon(wall, colour)
    if latents["pattern"] == "stripes":
        for k in (2, 4):
            (x, y), (z, w) = drop[k], drop[k + 1]
            pen.polygon([(middle - x, y), (middle + x, y), (middle + z, w), (middle - z, w)],
                        latents["second_rgb"])
    elif latents["pattern"] == "dots":
        for x in (-0.5, 0.0, 0.5):
            pen.ellipse((middle + x * foot * 1.3, (top + base) / 2 + 0.04), (0.04, 0.045),
                        latents["second_rgb"])
    pen.ellipse((middle, top), (wide, flat), shade(colour, 1.15))
    pen.ellipse((middle, top), (wide * 0.88, flat * 0.82), shade(colour, 0.6))
    pen.ellipse((middle, top + flat * 0.2), (wide * 0.78, flat * 0.6),
                (84, 54, 36) if form[1] < 0.6 else (196, 150, 84))


def chair(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a chair from three quarters: back with slats, seat, four legs."""
    form, wood, seat = latents["form"], latents["rgb"], latents["second_rgb"]
    top, level, base = 0.05 + 0.08 * form[0], 0.54, 0.94
    fl, fr, br, bl = (0.20, level + 0.09), (0.66, level + 0.12), (0.80, level), (0.36, level - 0.02)
    thick = 0.045 + 0.02 * form[1]
    for x, y in (bl, br):
        pen.line([(x, y), (x + 0.01, base - 0.10)], shade(wood, 0.6), thick)
        pen.line([(x, y), (x + 0.05, top)], wood, thick)
    lean = 0.05
    bars = (0.1, 0.42, 0.74) if form[2] < 0.5 else (0.06, 0.22)
    for k in bars:
        y = top + (level - top) * k
        x = lean * (1 - k)
        pen.line([(bl[0] + x, y), (br[0] + x, y + 0.015)], shade(wood, 0.9), thick * 1.3)
    if form[2] >= 0.5:
        for k in (0.25, 0.5, 0.75):
            x = bl[0] + (br[0] - bl[0]) * k
            pen.line([(x + lean, top + 0.05), (x, level - 0.01)], shade(wood, 0.9), thick * 0.7)
    for x, y in (fl, fr):
        pen.line([(x, y), (x - 0.01, base)], wood, thick * 1.1)
    pen.polygon([(x, y + 0.045) for x, y in (fl, fr, br, bl)], shade(seat, 0.6))
    pen.polygon([fl, fr, br, bl], seat)


def armchair(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw an armchair: round back, two arms, cushion, short legs."""
    cloth, form = latents["rgb"], latents["form"]
    top = 0.12 + 0.08 * form[0]
    for x in (0.2, 0.8):
        pen.line([(x, 0.82), (x, 0.93)], mix(latents["second_rgb"], DARK, 0.4), 0.05)
    pen.blob([(0.22, 0.75), (0.2, top + 0.12), (0.32, top), (0.68, top), (0.8, top + 0.12),
              (0.78, 0.75)], shade(cloth, 0.85))
    pen.polygon([(0.2, 0.68), (0.8, 0.68), (0.8, 0.86), (0.2, 0.86)], shade(cloth, 0.7))
    pen.blob([(0.25, 0.60), (0.75, 0.60), (0.79, 0.66), (0.76, 0.72), (0.24, 0.72),
              (0.21, 0.66)], mix(cloth, latents["second_rgb"], 0.75))
    for x in (0.15, 0.85):
        pen.blob([(x - 0.08, 0.56), (x, 0.48), (x + 0.08, 0.56), (x + 0.075, 0.87),
                  (x - 0.075, 0.87)], cloth)
        pen.ellipse((x, 0.56), (0.06, 0.055), shade(cloth, 1.2))


def hammer(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a claw hammer."""
    grip, head, form = latents["rgb"], mix(latents["second_rgb"], METAL, 0.7), latents["form"]
    pen.line([(0.5, 0.26), (0.5, 0.92)], mix(grip, WOOD, 0.25), 0.07 + 0.03 * form[0])
    pen.line([(0.5, 0.64), (0.5, 0.93)], grip, 0.10 + 0.03 * form[0])
    face = 0.075 + 0.03 * form[1]
    pen.polygon([(0.40, 0.16), (0.64, 0.16), (0.64, 0.30), (0.40, 0.30)], head)
    pen.polygon([(0.64, 0.18), (0.72, 0.18), (0.72, 0.28), (0.64, 0.28)], shade(head, 0.8))
    pen.polygon([(0.71, 0.23 - face), (0.80, 0.23 - face), (0.80, 0.23 + face),
                 (0.71, 0.23 + face)], shade(head, 0.62))
    pen.blob([(0.42, 0.16), (0.30, 0.15), (0.16, 0.26), (0.12, 0.36), (0.25, 0.29),
              (0.42, 0.29)], shade(head, 0.85))


def scissors(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw open scissors: two blades, a screw, two finger rings."""
    spread = 0.10 + 0.14 * latents["form"][0]
    for s, lit in ((-1, 0.8), (1, 1.05)):
        tip = (0.5 + s * spread, 0.05)
        pen.polygon([(0.5 - s * 0.05, 0.54), tip, (tip[0] + s * 0.02, 0.10),
                     (0.5 + s * 0.05, 0.52)], shade(METAL, lit))
        at = (0.5 - s * (spread * 0.75 + 0.05), 0.78)
        pen.line([(0.5 + s * 0.02, 0.50), (at[0], at[1] - 0.1)], shade(latents["rgb"], lit), 0.07)
        draw_arc(pen, at, (0.10, 0.135 + 0.02 * latents["form"][1]), shade(latents["rgb"], lit),
                 0.055)
    pen.ellipse((0.5, 0.50), (0.028, 0.028), DARK)


def wrench(pen: Canvas, latents: dict, rng: np.random.Generator) -> None:
    """Draw a spanner: an open jaw at one end, a ring at the other."""
    metal, form = mix(latents["rgb"], METAL, 0.3), latents["form"]
    pen.line([(0.5, 0.28), (0.5, 0.80)], metal, 0.10 + 0.03 * form[0])
    draw_arc(pen, (0.5, 0.84), (0.075, 0.075), metal, 0.06)
    gap = 0.055 + 0.02 * form[1]
    pen.polygon([(0.5 - 0.10, 0.33), (0.5 - 0.18, 0.24), (0.5 - 0.16, 0.06), (0.5 - gap, 0.08),
                 (0.5 - gap, 0.21), (0.5, 0.25), (0.5 + gap, 0.21), (0.5 + gap, 0.08),
                 (0.5 + 0.16, 0.06), (0.5 + 0.18, 0.24), (0.5 + 0.10, 0.33)], shade(metal, 0.85))
    pen.line([(0.5, 0.42), (0.5, 0.68)], shade(latents["rgb"], 0.6), 0.035)


DRAWINGS = {"sedan": car, "van": car, "convertible": car, "mug": cup, "teacup": cup,
            "chair": chair, "armchair": armchair, "hammer": hammer, "scissors": scissors,
            "wrench": wrench}
