"""Style of all figures: palette, names, legends, and saving with provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, figures_dir
from helpers.core.provenance import Provenance

WIDTH = 7.2
"""Inches of a full-width figure; half width is 3.5."""

FORMULA = "formula"
"""Id of a text in which dollar signs enclose mathematics."""
MIN_POINTS = 6.5
"""Smallest text of a figure at its printed width, points."""

COLOURS = {"faces": "#D55E00", "bodies": "#0072B2", "objects": "#E69F00", "scenes": "#117733",
           "characters": "#CC79A7", "scrambled": "0.55", "rest": "0.9"}
MARKERS = {"faces": "o", "bodies": "s", "objects": "v", "scenes": "^", "characters": "D",
           "scrambled": "x"}
HATCHES = {"faces": "", "bodies": "////", "objects": "....", "scenes": "\\\\\\\\",
           "characters": "xxxx", "rest": ""}
FURTHER_DOMAINS = (("#56B4E9", "P", "----"), ("#009E73", "X", "++++"), ("#8C510A", "p", "oooo"),
                   ("#B2A300", "h", "****"), ("#7F6DB0", "<", "||||"), ("#9E2A2B", ">", "//\\\\"))
"""Colour, marker and hatch of the user's own domains, in the order in which `add_domains` is given
them. After the last colour the first follows again, with the next marker and hatch."""
_NAMED = frozenset(COLOURS)
TRAINING = {"contrastive": "#332288", "contrastive, variant": "#88CCEE", "regression": "#999933",
            "regression, variant": "#DDCC77", "labels": "#882255", "labels, variant": "#CC6677",
            "captions": "#44AA99", "text embeddings": "#1F6F78", "shuffled": "0.75",
            "untrained": "0.5", "pretrained": "0.2"}
"""What a network or decoder was trained with -> its colour, in every figure. A variant is the same
loss in another setting (pooled participants, another head, other labels); controls are grey."""
TRAINING_MARKERS = {"contrastive": "o", "contrastive, variant": "s", "regression": "v",
                    "regression, variant": "D", "labels": "^", "labels, variant": "<",
                    "captions": "P", "text embeddings": "X", "shuffled": "x", "untrained": ".",
                    "pretrained": "*"}
TRAINING_OF = {"supervised": "labels", "clip": "captions", "targets": "text embeddings",
               "none": "untrained", "not stated": "pretrained"}
"""Objective in the registry of networks -> entry of `TRAINING`; all others compare views of images
and are contrastive."""
HEMISPHERES = {"left": "#5C2E00", "right": "#C48A4A"}
REGION_GROUPS = {"early": "white", "higher": "0.15"}
"""Early and higher regions: open and filled markers with a dark edge."""
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"
"""Colour maps of magnitudes, and of values on both sides of a reference."""

DISPLAY_NAMES = {
    "characters": "words",
    "demo-barlow-twins": "Barlow Twins", "demo-simclr": "SimCLR", "demo-supervised": "supervised",
    "demo-faces": "supervised, faces only", "demo-untrained": "untrained",
    "demo-clip": "small CLIP", "alexnet-ipcl-ref01": "IPCL",
    "alexnet-ipcl-ref09-diet-vggface2": "IPCL, faces only",
    "alexnet-gn-supervised-ref12-augset1-5x": "supervised", "alexnet-barlow-twins": "Barlow Twins",
    "alexnet-supervised": "supervised AlexNet", "alexnet-vggface": "VGGFace",
    "squeezenet1_0-imagenet": "SqueezeNet", "clip-vit-b32-openai": "CLIP ViT-B/32",
    "clip-rn50-openai": "CLIP ResNet-50", "resnet50-supervised": "ResNet-50"}
"""Domain or network -> its name in figures, where that is another one."""


def use_style() -> None:
    """Use the style sheet ``lab.mplstyle``."""
    plt.style.use(Path(__file__).with_name("lab.mplstyle"))


def new_figure(height: float, alt: str) -> Figure:
    """Return an empty full-width figure, ``height`` inches high.

    It is drawn over several cells and closed here, so that a notebook does not display it
    unfinished after the first: `save_figure` displays it.

    Parameters
    ----------
    height : float
    alt : str
        What is to be seen, for readers who do not see it: the panels and their main result, in
        words that hold whatever the run gives.
    """
    figure = plt.figure(figsize=(WIDTH, height), label=" ".join(alt.split()))
    plt.close(figure)
    return figure


def add_domains(domains: Iterable[str]) -> None:
    """Give the user's own domains colours, markers and hatches, in the order given.

    Once per notebook: the own domains of an earlier call lose theirs. Scrambled sets have the grey
    of `scrambled`.

    Parameters
    ----------
    domains : iterable of str
        All of a localizer, `ImageSet.domain_names`, whose order is the same in every notebook.
    """
    for table in (COLOURS, MARKERS, HATCHES):
        for name in table.keys() - _NAMED:
            del table[name]
    own = [domain for domain in dict.fromkeys(domains) if domain not in COLOURS]
    n_looks = len(FURTHER_DOMAINS)
    for n, domain in enumerate(sorted(own, key=_is_scrambled)):
        colour = FURTHER_DOMAINS[n % n_looks][0]
        _, marker, hatch = FURTHER_DOMAINS[(n + n // n_looks) % n_looks]
        if _is_scrambled(domain):
            colour, marker, hatch = COLOURS["scrambled"], MARKERS["scrambled"], ""
        COLOURS[domain], MARKERS[domain], HATCHES[domain] = colour, marker, hatch


def _is_scrambled(domain: str) -> bool:
    return domain.casefold().startswith("scrambled")


def display_name(name: str) -> str:
    """Return the name of a domain or of a network in figures."""
    base = name.removesuffix("-untrained")
    return DISPLAY_NAMES.get(name) or DISPLAY_NAMES.get(base, base) + ", untrained" * (base != name)


def training_of(objective: str) -> str:
    """Return the entry of `TRAINING` of a network's objective, as the registry names it."""
    return TRAINING_OF.get(objective, "contrastive")


def panel_letter(axes: Axes, letter: str, *, x: float = -0.02, y: float = 1.04) -> None:
    """Draw a bold letter at the upper left of a panel (in axes coordinates)."""
    axes.text(x, y, letter, transform=axes.transAxes, fontsize=9, fontweight="bold",
              ha="right", va="bottom")


def label_layers(axes: Axes, layers: Sequence[str], *, max_labels: int = 8) -> None:
    """Label at most ``max_labels`` layers on the x axis.

    Layers with weights (conv, fc) are labelled; where names are module paths (``features.3.…``),
    the first layer of each block.
    """
    named = {i: layer for i, layer in enumerate(layers) if layer.startswith(("conv", "fc"))}
    if len(named) < 2:
        blocks = [".".join(layer.split(".")[:2]) for layer in layers]
        named = {blocks.index(block): block for block in dict.fromkeys(blocks)}
    step = -(-len(named) // max_labels)
    axes.set_xticks(list(named)[::step], list(named.values())[::step], rotation=60, ha="right",
                    rotation_mode="anchor")


def domain_legend(figure: Figure, domains: Sequence[str], *, loc: str = "upper center") -> None:
    """Draw one legend of domains, colours and markers, along an edge of the figure."""
    top_legend(figure, [plt.Line2D([], [], color=COLOURS[d], marker=MARKERS[d], markersize=4,
                                   label=display_name(d)) for d in domains], loc=loc,
               ncols=min(len(domains), 8), columnspacing=2.5)


def top_legend(figure: Figure, handles: Sequence[Artist], *, loc: str = "upper center",
               ncols: int = 0, columnspacing: float = 1.4) -> None:
    """Draw a legend along an edge of the figure, in one row unless ``ncols`` is given."""
    figure.legend(handles=handles, loc=loc, ncols=ncols or len(handles),
                  columnspacing=columnspacing)


def say_absent(axes: Axes, words: str) -> None:
    """Write why a panel is empty, in its middle."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center")
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")


def percent_axis(axis: Axis) -> None:
    """Write the ticks of an axis of proportions in percent."""
    axis.set_major_formatter(lambda fraction, _position: f"{100 * fraction:g}%")


def save_figure(figure: Figure, provenance: Provenance,
                panels: Mapping[str, pd.DataFrame] | None = None, *, part: str = "") -> None:
    """Write the figure as PNG and PDF, and one tidy CSV per panel; display it.

    The stamp at the lower edge states profile, REAL or SYNTHETIC, seed, device and code; so do the
    files' metadata. Dates are left out, so equal figures are equal files. Infinite values cannot be
    drawn: their number by panel is written beside the stamp, the values themselves in the CSV. The
    text that describes the figure (`new_figure`) goes with the displayed image and into the PNG.

    Parameters
    ----------
    figure : Figure
    provenance : Provenance
    panels : mapping of str to table, optional
    part : str
        Of a second figure of the notebook: ``supplement``; files are named after it.

    Raises
    ------
    LabError
        If a text is smaller than `MIN_POINTS`.
    """
    folder, stem, panels = figures_dir(provenance.profile), provenance.notebook, panels or {}
    name, alt = "-".join(filter(None, (stem, part))), str(figure.get_label())
    figure.text(0.995, 0.004, f"{name} · {provenance.line}", ha="right", va="bottom",
                fontsize=MIN_POINTS, color="0.45")
    n_infinite = {panel: int(np.isinf(table.select_dtypes("number").to_numpy(float)).sum())
                  for panel, table in panels.items()}
    if any(n_infinite.values()):
        figure.text(0.005, 0.004, "infinite, not drawn: " + ", ".join(
            f"{n} in {panel}" for panel, n in n_infinite.items() if n), va="bottom",
            fontsize=MIN_POINTS)
    _require_readable_text(figure)
    take_names_literally(figure)
    metadata = {"pdf": {"Creator": provenance.line, "CreationDate": None, "ModDate": None,
                        "Producer": None},
                "png": {"Description": provenance.line, "Comment": alt, "Software": None}}
    for ending, entries in metadata.items():
        atomic_write(folder / f"{name}.{ending}",
                     partial(figure.savefig, metadata={"Title": name, **entries}))
    for panel, table in panels.items():
        atomic_write(folder / f"{stem}-{panel}.csv", partial(
            table.to_csv, index=False, float_format="%.4g", lineterminator="\n"))
    show_figure(figure)


def take_names_literally(figure: Figure) -> Figure:
    r"""Let a dollar sign in a name be a dollar sign, not the beginning of mathematics; return it.

    Names of categories, regions and networks come from data; "$x^$" would end a run, and "a$b$c"
    be drawn as another name. Mathematics are powers on logarithmic axes (``$\mathdefault{...}$``)
    and what `helpers.figures.schematic` marks with `FORMULA`.
    """
    for axis in figure.findobj(Axis):
        axis.get_ticklabels()  # written now, from the names that its ticks have
    for text in figure.findobj(Text):
        if "$" in text.get_text() and text.get_gid() != FORMULA \
                and not text.get_text().startswith(r"$\mathdefault"):
            text.set_parse_math(False)
    return figure


def show_figure(figure: Figure) -> None:
    """Display a figure in the notebook, with the text that describes it."""
    take_names_literally(figure)
    if get_ipython() is not None:
        display(figure, metadata={"image/png": {"alt": str(figure.get_label())}})


def _require_readable_text(figure: Figure) -> None:
    small = sorted({(text.get_fontsize(), text.get_text()) for text in figure.findobj(Text)
                    if text.get_visible() and text.get_text().strip()
                    and text.get_fontsize() < MIN_POINTS - 1e-6})
    if small:
        raise LabError(f"{len(small)} texts of a figure are smaller than {MIN_POINTS} points: "
                       + "; ".join(f"{words!r} ({size:g})" for size, words in small[:5]),
                       expected="text that can be read in print",
                       remedy="leave the font size to the style sheet, and shorten the words")
