"""The strip of figures above README: a part of one published figure for each paper, side by side.

The image says in its own metadata from which files it was made, so that a strip that is older than
its figures is found by reading (`is_stale`), whatever library wrote the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from helpers.core.digest import file_digest, text_digest
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, atomic_write

STRIP = ROOT / "docs" / "images" / "strip.png"
FIGURES = ROOT / "figures" / "demo"
MADE_FROM = "Made from"
"""Key of the metadata: a digest of the panels and of the figures that they were cut from."""


@dataclass(frozen=True)
class Panel:
    """A part of a figure.

    Attributes
    ----------
    stem : str
        The figure.
    left, top, right, bottom : float
        The part, as fractions of width and height.
    title : str
    """

    stem: str
    left: float
    top: float
    right: float
    bottom: float
    title: str


PANELS = (
    Panel("01_localize_selective_units", 0.0, 0.378, 0.575, 0.862, "01 · selective units"),
    Panel("05_finetune_to_a_region", 0.0, 0.03, 1.0, 0.512, "05 · fine-tuned to a region"),
    Panel("11_find_shared_concepts", 0.0, 0.0, 1.0, 0.415, "11 · shared concepts"),
    Panel("15_watch_selectivity_emerge", 0.0, 0.0, 1.0, 0.52, "15 · with and without language"),
)
WIDTH, HEIGHT, TITLE, GAP = 460, 300, 32, 16
"""Pixels of a panel, of its title and between panels."""
COLOURS = 128
"""Colours of the palette, which keeps the file small."""


def made_from(folder: Path = FIGURES) -> str:
    """Return a digest of what the strip is made from: the panels, the figures' bytes.

    Raises
    ------
    LabError
        If a figure is not there.
    """
    paths = [folder / f"{panel.stem}.png" for panel in PANELS]
    for path in paths:
        if not path.is_file():
            raise LabError(f"{path} is not there", expected="the figures of the demo",
                           remedy=f"make figure-{path.stem[:2]}")
    return text_digest(repr(PANELS) + "".join(map(file_digest, paths)))


def draw_strip(folder: Path = FIGURES) -> Image.Image:
    """Return the strip as an image: each part fits its panel, on white, below its title."""
    font = ImageFont.truetype(Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 19)
    strip = Image.new("RGB", (len(PANELS) * (WIDTH + GAP) - GAP, HEIGHT + TITLE), "white")
    draw = ImageDraw.Draw(strip)
    for index, panel in enumerate(PANELS):
        with Image.open(folder / f"{panel.stem}.png") as figure:
            edges = (panel.left, panel.top, panel.right, panel.bottom)
            part = figure.convert("RGB").crop(
                [round(edge * size) for edge, size in zip(edges, figure.size * 2)])
        part.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        left = index * (WIDTH + GAP)
        strip.paste(part, (left + (WIDTH - part.width) // 2, TITLE))
        draw.text((left + 6, 2), panel.title, fill="black", font=font)
    return strip


def write_strip(path: Path = STRIP, folder: Path = FIGURES) -> Path:
    """Draw the strip and write it as a PNG that names what it was made from."""
    note = PngInfo()
    note.add_text(MADE_FROM, made_from(folder))
    image = draw_strip(folder).quantize(COLOURS, dither=Image.Dither.NONE)
    return atomic_write(path, lambda part: image.save(part, optimize=True, pnginfo=note))


def is_stale(path: Path = STRIP, folder: Path = FIGURES) -> bool:
    """Say whether a strip was made from other figures than those of a folder."""
    with Image.open(path) as strip:
        return strip.info.get(MADE_FROM) != made_from(folder)
