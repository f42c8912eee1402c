"""Characters: words, pseudowords and numbers, in many fonts, layouts and inks."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.synthetic.canvas import Canvas
from data.synthetic.things import WARMTH, check_constraints, choose_option, draw_seed, sample_colour
from data.synthetic.words import draw_text

KINDS = ("word", "pseudoword", "number")

_PLAIN = {"slant": "upright", "sign": "none", "layout": "line"}
CLASSES: dict[str, dict] = {
    "word_upper": {"kind": "word", "case": "upper", **_PLAIN},
    "word_lower": {"kind": "word", "case": "lower", **_PLAIN},
    "word_slanted": {"kind": "word", **_PLAIN, "slant": "slanted"},
    "word_on_sign": {"kind": "word", **_PLAIN, "sign": ("plate", "disc")},
    "pseudoword_arc": {"kind": "pseudoword", **_PLAIN, "layout": "arc"},
    "pseudoword_stacked": {"kind": "pseudoword", **_PLAIN, "layout": "stacked"},
    "number_short": {"kind": "number", "digits": "short", "layout": "line"},
    "number_long": {"kind": "number", "digits": "long", "layout": "line"},
}
"""Fine class → constraints of :func:`sample`; each is reported by looking, none by a dictionary."""

FAMILIES = {
    "sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    "times": ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    "roman": ("cmr10.ttf", "cmb10.ttf"),
    "typewriter": ("cmtt10.ttf", "DejaVuSansMono-Bold.ttf"),
    "modern": ("cmss10.ttf", "DejaVuSans-Bold.ttf"),
}
"""Font family → file of the light and of the bold weight; all come with matplotlib."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "case": ("upper", "lower", "title"), "slant": ("upright", "slanted"),
    "sign": ("none", "plate", "disc"), "layout": ("line", "two lines", "arc", "stacked"),
    "digits": ("short", "middle", "long"), "weight": ("light", "bold"),
    "font": (*FAMILIES, "mixed"),
}
STRETCH = {"line": (0.9, 1.8), "two lines": (0.9, 1.2), "arc": (0.9, 1.1), "stacked": (0.5, 0.72)}
"""Layout → range of height over width of the letters: a long line is made taller."""

CONSTRAINTS = (*OPTIONS, "colour", "second_colour", "text")


def sample(kind: str, rng: np.random.Generator, **constraints: object) -> dict:
    """Draw the latents of one string.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    **constraints
        ``text``, ``colour`` (ink), ``second_colour`` (sign or outline) and any of
        :data:`OPTIONS`; each one value or a tuple to draw from.

    Returns
    -------
    dict
        JSON-able latents. ``fonts`` names one file per letter; ``shear`` is the tangent of the
        slant, ``angle`` in degrees, ``fill`` the fraction of the square that the string spans.

    Raises
    ------
    LabError
        If the kind, a constraint or its value is unknown.
    """
    choose_option(rng, KINDS, kind, "kind of characters")
    check_constraints(constraints, CONSTRAINTS, kind)
    text, style = _choose(kind, rng, constraints)
    files = [FAMILIES[choose_option(rng,
                                    tuple(FAMILIES)) if style["font"] == "mixed" else style["font"]]
             [style["weight"] == "bold"] for _ in text]
    colour, rgb = sample_colour(rng, constraints.get("colour"))
    second_colour, second_rgb = _contrasting(rng, rgb, constraints.get("second_colour"))
    slanted = style["slant"] == "slanted"
    return {
        "kind": kind, "text": text, "length": len(text), **style, "fonts": files,
        "colour": colour, "rgb": rgb, "second_colour": second_colour, "second_rgb": second_rgb,
        "warmth": WARMTH[colour],
        "shear": float(rng.uniform(0.35, 0.6) * rng.choice([-1, 1])) if slanted else 0.0,
        "angle": float(rng.normal(0, 9)),
        "stretch": float(rng.uniform(*STRETCH[style["layout"]])),
        "spacing": float(rng.uniform(-0.02, 0.14)), "fill": float(rng.uniform(0.8, 0.98)),
        "outline": bool(rng.random() < 0.6), "bend": float(rng.uniform(90, 170)),
        "numerosity": 1, "real_size": "small", "texture_seed": draw_seed(rng),
    }


def _choose(kind: str, rng: np.random.Generator, constraints: dict) -> tuple[str, dict]:
    """Draw the string and its looks, so that they fit each other."""
    style = {name: choose_option(rng, options, constraints.get(name), name)
              for name, options in OPTIONS.items()}
    if constraints.get("sign") is None and rng.random() < 0.3:
        style["sign"] = "none"
    if constraints.get("layout") is None and rng.random() < 0.4:
        style["layout"] = "line"
    # A column or an arc of eight letters would leave each too small to be seen.
    max_letters = {"stacked": 5, "arc": 6}.get(style["layout"], 8)
    given = constraints.get("text")
    text = draw_text(kind, rng, style["digits"], max_letters) if given is None else \
        str(choose_option(rng, given if isinstance(given, tuple | list) else (given,)))
    if len(text) < 3 and constraints.get("layout") is None:
        style["layout"] = "line"
    if kind != "number":
        text = {"upper": text.upper(), "lower": text.lower(),
                "title": text.title()}[style["case"]]
        style["digits"] = "none"
    else:
        style["case"] = "none"
        style["digits"] = "short" if len(text) < 3 else "long" if len(text) > 3 else "middle"
    return text, style


def _contrasting(rng: np.random.Generator, rgb: list[int],
                 constraint: object) -> tuple[str, list[int]]:
    """Draw a colour for sign or outline until it differs from the ink, in grey too (40 tries)."""
    for _ in range(40):
        name, other = sample_colour(rng, constraint)
        if math.dist(rgb, other) > 90 and abs(sum(rgb) - sum(other)) > 150:
            break
    return name, other


@lru_cache(maxsize=64)
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file
    return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=8192)
def _width(file: str, size: int, letter: str) -> float:
    return _font(file, size).getlength(letter)


def _letter_positions(latents: dict, em: int) -> list[tuple[float, float, float]]:
    """Give x and y (middle of each letter, pixels of a free plane) and its turn (degrees)."""
    widths = np.array([_width(f, em, c) for f, c in
                       zip(latents["fonts"], latents["text"], strict=True)])
    widths = widths + latents["spacing"] * em
    count, layout = len(widths), latents["layout"]
    if layout == "stacked":
        return [(0.0, i * em * 0.9, 0.0) for i in range(count)]
    if layout == "two lines":
        half = (count + 1) // 2
        return [(x, row * em * 1.05, 0.0) for row, part in
                enumerate((widths[:half], widths[half:])) for x in _letter_centres(part)]
    run = _letter_centres(widths)
    if layout == "arc":
        bend = math.radians(latents["bend"])
        radius = max(float(widths.sum()) / bend, 0.9 * em)
        return [(radius * math.sin(x / radius), -radius * math.cos(x / radius),
                 -math.degrees(x / radius)) for x in run]
    return [(x, 0.0, 0.0) for x in run]


def _letter_centres(widths: np.ndarray) -> list[float]:
    """Give the middles of letters set side by side around 0."""
    ends = np.cumsum(widths)
    return [float(v) for v in ends - widths / 2 - ends[-1] / 2]


def _strip(latents: dict, em: int, stroke: int) -> Image.Image:
    """Set the letters on a mask (L) that fits them, before slant and turn."""
    positions = _letter_positions(latents, em)
    xs, ys = [p[0] for p in positions], [p[1] for p in positions]
    left, top = min(xs) - 0.62 * em, min(ys) - 0.62 * em
    strip = Image.new("L", (math.ceil(max(xs) + 0.62 * em - left),
                            math.ceil(max(ys) + 0.62 * em - top)), 0)
    pen = ImageDraw.Draw(strip)
    for (x, y, turn), file, letter in zip(positions, latents["fonts"], latents["text"],
                                          strict=True):
        if not turn:
            pen.text((x - left, y - top + 0.36 * em), letter, fill=255, anchor="ms",
                     font=_font(file, em), stroke_width=stroke)
            continue
        tile = Image.new("L", (int(1.5 * em), int(1.5 * em)), 0)
        ImageDraw.Draw(tile).text((0.75 * em, 1.11 * em), letter, fill=255, anchor="ms",
                                  font=_font(file, em), stroke_width=stroke)
        tile = tile.rotate(turn, Image.Resampling.BILINEAR)
        strip.paste(255, (round(x - left - 0.75 * em), round(y - top - 0.75 * em)), tile)
    return strip


def draw(latents: dict, size: int) -> Image.Image:
    """Draw one string, cut out, on its sign where it has one.

    Parameters
    ----------
    latents : dict
        As :func:`sample` gives them; nothing else decides a pixel.
    size : int
        Side, pixels.

    Returns
    -------
    Image, RGBA, size × size
    """
    choose_option(np.random.default_rng(0), KINDS, latents["kind"], "kind of characters")
    pen, em = Canvas(size), 64 if size <= 128 else 128
    signed = latents["sign"] != "none"
    strip = _strip(latents, em, 0)
    edge = _strip(latents, em, em // 14) if latents["outline"] and not signed else strip
    box = edge.getbbox()
    strip, edge = strip.crop(box), edge.crop(box)
    pad = 0.16 * em if latents["sign"] == "plate" else 0.0
    half = np.array([strip.width / 2 + pad, strip.height / 2 + pad])
    turn = math.radians(latents["angle"])
    matrix = (np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
              @ np.array([[1.0, -latents["shear"]], [0.0, latents["stretch"]]]))
    reach = np.abs(matrix) @ half * (1.3 if latents["sign"] == "disc" else 1.0)
    matrix *= latents["fill"] * pen.side / 2 / reach.max()
    inverse = np.linalg.inv(matrix)
    shift = np.array([strip.width, strip.height]) / 2 - inverse @ (np.ones(2) * pen.side / 2)
    affine = (*inverse[0], shift[0], *inverse[1], shift[1])

    def paste_mask(mask: Image.Image, ink: list[int]) -> None:
        mask = mask.transform((pen.side, pen.side), Image.Transform.AFFINE, affine,
                              Image.Resampling.BILINEAR)
        pen.image.paste((*ink, 255), (0, 0), mask)
    if signed:
        pen.polygon(_sign(latents, matrix / pen.side, half), latents["second_rgb"])
    elif latents["outline"]:
        paste_mask(edge, latents["second_rgb"])
    paste_mask(strip, latents["rgb"])
    return pen.finish()


def _sign(latents: dict, matrix: np.ndarray, half: np.ndarray) -> list[tuple[float, float]]:
    """Give the outline of the sign: a plate with rounded corners, or a disc around the string."""
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = np.stack([np.cos(turns), np.sin(turns)])
    power = 0.3 if latents["sign"] == "plate" else 1.0
    scale = 1.0 if latents["sign"] == "plate" else 1.3
    edge = np.sign(circle) * np.abs(circle) ** power * half[:, None] * scale
    return [(float(x) + 0.5, float(y) + 0.5) for x, y in (matrix @ edge).T]
