"""Simulated participants: where their regions lie, and what every vertex responds to.

Two flat sheets a participant. A vertex has a place, a region, a receptive field or weights on
what images show, and a level of noise. Everything is drawn from the seed and the participant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.synthetic.depicted import COLUMNS, GRID, ORIENTATIONS
from helpers.core.errors import LabError
from helpers.stimuli.quantization import on_grid

SIDES = ("lh", "rh")
SHEET = (32, 24)
"""Vertices along and across a sheet."""
RANK = 4
"""Patterns of noise that vertices of a sheet share within a trial …"""
SHARED_NOISE = 0.3
"""… and their fraction of the noise variance."""

PLACES: dict[str, tuple[float, float, int]] = {
    "V1v": (.06, .42, 34), "V1d": (.06, .58, 34), "V2v": (.15, .31, 30), "V2d": (.15, .69, 30),
    "V3v": (.23, .21, 26), "V3d": (.23, .79, 26), "hV4": (.33, .16, 28),
    "OFA": (.36, .40, 24), "FFA-1": (.55, .27, 28), "FFA-2": (.67, .22, 22),
    "aTL-faces": (.95, .15, 22),
    "EBA": (.44, .62, 44), "FBA-1": (.60, .10, 22), "FBA-2": (.73, .07, 18),
    "OPA": (.36, .88, 30), "PPA": (.70, .40, 36), "RSC": (.66, .80, 22),
    "OWFA": (.44, .27, 22), "VWFA-1": (.47, .08, 26), "VWFA-2": (.62, .36, 18),
}
"""Region: where its middle lies (posterior to anterior, ventral to dorsal) and its usual size."""

EARLY = {"V1": .05, "V2": .08, "V3": .11, "hV4": .16}
"""Smallest receptive field, as a fraction of the image (standard deviation)."""

TUNING: dict[str, tuple[str, dict[str, float]]] = {
    "OFA": ("faces", {"near face": .5, "turned": .2, "bodies": .15}),
    "FFA-1": ("faces", {"adult": .25, "bodies": .3, "animal": .2}),
    "FFA-2": ("faces", {"smiling": .35, "child": .25, "bodies": .35, "animal": .15}),
    "aTL-faces": ("faces", {}),
    "EBA": ("bodies", {"limb": .4, "faces": .2, "tool": .1}),
    "FBA-1": ("bodies", {"whole body": .4, "faces": .35}),
    "FBA-2": ("bodies", {"whole body": .5, "sitting": .2, "faces": .3}),
    "OPA": ("scenes", {"built": .3, "open": .25, "many": .15}),
    "PPA": ("scenes", {"indoor": .3, "deep": .25, "large": .25}),
    "RSC": ("scenes", {"outdoor": .25, "deep": .35}),
    "OWFA": ("characters", {"digits": .3, "tool": .1, "objects": .2}),
    "VWFA-1": ("characters", {"letters": .4, "faces": .1, "objects": .15}),
    "VWFA-2": ("characters", {"letters": .5, "long text": .3, "objects": .1}),
}
"""Region: the domain that drives it (weight 1), and what else does, on average."""

MISSING = {("subj03", "lh", "FBA-1"), ("subj03", "rh", "FBA-1"), ("subj04", "rh", "VWFA-2"),
           ("subj06", "lh", "VWFA-2"), ("subj06", "rh", "VWFA-2"), ("subj07", "lh", "FBA-2")}
"""Regions that a participant's localizer did not show."""

CONCEPTS: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {
    "food": ({"food": 1}, ()), "animals": ({"animal": 1}, ()), "numerosity": ({"many": 1}, ()),
    "warm": ({"warm": 1, "cool": -1}, ()), "cool": ({"cool": 1, "warm": -1}, ()),
    "indoor": ({"indoor": 1, "outdoor": -.5}, ()), "nature": ({"natural": 1}, ()),
    "upright": ({"upright": 1}, ()),
    "warm food": ({"warm food": 1, "cool food": -.6}, ()),
    "cool food": ({"cool food": 1, "warm food": -.6}, ()),
    "instruments": ({"instrument": 1}, ("subj01", "subj03", "subj05")),
    "cars": ({"car": 1}, ("subj02",)),
    "below baseline for writing": ({"characters": -1}, ()),
    "less for writing, above baseline": ({"characters": -1}, ()),
}
"""Patches outside the regions: weights, and who has them (nobody named: everyone)."""

TASTE = .1
"""Spread of what participants, and vertices within one, respond to besides the common tuning."""

N_CONCEPT = 9
"""Vertices of such a patch on each sheet."""


SHEET_BITS, FIELD_BITS = 16, 24
"""What describes a vertex is a multiple of 2**-16; weights on energy, of 2**-24."""


@dataclass(frozen=True)
class Sheet:
    """One hemisphere of a participant.

    Attributes
    ----------
    places : array, float64, shape (n_vertices, 2)
        Posterior to anterior, ventral to dorsal, from 0 to 1.
    region : array of str, shape (n_vertices,)
        A region, ``concept: <name>``, or empty.
    fields : array, float64, shape (n_early, n_channels, GRID, GRID)
        Weights on the energy of images, for the vertices of early regions, in their order.
    weights : array, float64, shape (n_vertices, n_columns)
        Weights on what images show; 0 for early vertices.
    exponent : array, float64, shape (n_vertices,)
        Of the compressive response.
    centre, spread : array, float64, shape (n_vertices, 2) and (n_vertices,)
        Receptive field of early vertices (x to the right, y downwards, 0 to 1); else NaN.
    ncsnr, signal_sd, offset : array, float64, shape (n_vertices,)
        Planted: signal-to-noise ratio of a trial; spread of the signal over images, and the
        response to none of what drives the vertex, in percent signal change.
    """

    places: NDArray[np.float64]
    region: NDArray[np.str_]
    fields: NDArray[np.float64]
    weights: NDArray[np.float64]
    exponent: NDArray[np.float64]
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    ncsnr: NDArray[np.float64]
    signal_sd: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def early(self) -> NDArray[np.bool_]:
        """Vertices that respond to energy."""
        return np.isfinite(self.spread)


def is_early(region: str) -> bool:
    """Tell whether a region's vertices have receptive fields."""
    return region[:2] in EARLY or region == "hV4"


def make_sheet(subject: str, side: str, *, seed: int) -> Sheet:
    """Draw one hemisphere of a participant.

    Parameters
    ----------
    subject : str
        ``subj01`` ...
    side : {"lh", "rh"}
    seed : int
        Of the cohort.
    """
    rng = np.random.default_rng([seed, 40, int(subject[4:]), SIDES.index(side)])
    places, region = _layout(subject, side, rng)
    n = len(region)
    early = np.array([is_early(name) for name in region])
    centre, spread = np.full((n, 2), np.nan), np.full(n, np.nan)
    for v in np.flatnonzero(early):
        centre[v], spread[v] = _receptive_field(region[v], side, rng)
    fields = np.stack([_field(region[v], centre[v], spread[v], rng)
                       for v in np.flatnonzero(early)])
    # One participant's taste, the same in both hemispheres, and how still they lay.
    own = np.random.default_rng([seed, 41, int(subject[4:])])
    taste = {name: own.normal(0, TASTE, len(COLUMNS)) for name in TUNING}
    weights = np.stack([_weights(name, taste.get(str(name)), rng) for name in region])
    clarity = .5 * np.exp(own.normal(0, .25))
    ncsnr = on_grid(np.clip(clarity * np.exp(rng.normal(0, .45, n)), .1, 1.0), SHEET_BITS)
    offset = rng.uniform(0, .5, n)
    offset[region == "concept: below baseline for writing"] = .1
    offset[region == "concept: less for writing, above baseline"] = 4.5
    signal_sd = rng.uniform(.4, 1.2, n)
    signal_sd[region == "concept: less for writing, above baseline"] *= .6
    exponent = rng.uniform(.6, 1.0, n)
    return Sheet(places, region, fields, weights, exponent, centre, spread, ncsnr, signal_sd,
                 offset)


def _layout(subject: str, side: str, rng: np.random.Generator
            ) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Give vertices to regions: each grows from its middle over what is free."""
    x, y = np.meshgrid(np.linspace(0, 1, SHEET[0]), np.linspace(0, 1, SHEET[1]), indexing="ij")
    places = np.column_stack([x.ravel(), y.ravel()])
    region = np.full(len(places), "", dtype="U48")
    wanted = [(name, (px, py), max(8, round(size * rng.uniform(.75, 1.25))))
              for name, (px, py, size) in PLACES.items() if (subject, side, name) not in MISSING]
    spots = np.random.default_rng(7).uniform([.3, .1], [.98, .98], (len(CONCEPTS), 2))
    wanted += [(f"concept: {name}", tuple(spot), N_CONCEPT)
               for spot, (name, (_, owners)) in zip(spots, CONCEPTS.items())
               if not owners or subject in owners]
    for name, middle, size in wanted:
        shifted = np.array(middle) + rng.normal(0, .012, 2)
        region[_patch(places, region == "", shifted, size)] = name
    return places, region


def _patch(places: NDArray[np.float64], free: NDArray[np.bool_], middle: NDArray[np.float64],
           size: int) -> list[int]:
    """Grow one connected patch of free vertices, as near to ``middle`` as there is room."""
    distance = np.hypot(*((places - middle) * [1.3, 1]).T)
    neighbours, tried = _neighbours(), set()
    for start in np.argsort(distance, kind="stable").tolist():
        if not free[start] or start in tried:
            continue
        taken, edge = [], {start}
        while edge and len(taken) < size:
            nearest = min(edge, key=lambda v: (distance[v], v))
            taken.append(nearest)
            edge |= {v for v in neighbours[nearest] if free[v]}
            edge -= set(taken)
        if len(taken) == size:
            return taken
        tried |= set(taken)  # a pocket between other regions: too small
    raise LabError(f"no room for a patch of {size} vertices",
                   expected="a sheet with room for all regions", remedy="enlarge SHEET")


@lru_cache(maxsize=1)
def _neighbours() -> list[list[int]]:
    """Return the vertices beside each vertex of a sheet."""
    number = np.arange(SHEET[0] * SHEET[1]).reshape(SHEET)
    beside: list[list[int]] = [[] for _ in range(number.size)]
    for one, other in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1])):
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist()):
            beside[a].append(b)
            beside[b].append(a)
    return beside


def _receptive_field(name: str, side: str, rng: np.random.Generator
                     ) -> tuple[NDArray[np.float64], float]:
    """Draw a contralateral field: upper for ventral regions, lower for dorsal ones."""
    eccentricity = .05 + .4 * rng.random() ** 1.3
    angle = rng.uniform(0, np.pi / 2)
    if name == "hV4":
        angle = rng.uniform(-np.pi / 2, np.pi / 2)
    elif name.endswith("d"):
        angle = -angle
    right = 1 if side == "lh" else -1
    centre = np.array([.5 + right * eccentricity * np.cos(angle),
                       .5 - eccentricity * np.sin(angle)])
    smallest = EARLY["hV4" if name == "hV4" else name[:2]]
    spread = smallest * (1 + 1.2 * eccentricity) * rng.uniform(.8, 1.2)
    return on_grid(centre, SHEET_BITS), float(on_grid(spread, SHEET_BITS))


def _field(name: str, centre: NDArray, spread: float, rng: np.random.Generator
           ) -> NDArray[np.float64]:
    """Weigh channels and blocks: one orientation and frequency most; in hV4 colour as well."""
    middle = (np.arange(GRID) + .5) / GRID
    window = np.exp(-((middle[None] - centre[0]) ** 2 + (middle[:, None] - centre[1]) ** 2)
                    / (2 * spread**2))
    preferred = rng.integers(ORIENTATIONS)
    turn = np.arange(ORIENTATIONS) - preferred
    orientation = np.exp(1.5 * (np.cos(2 * np.pi * turn / ORIENTATIONS) - 1))
    scale = rng.dirichlet([.6, 1.0, .8])
    colour = rng.uniform(.5, 1.5, 2) if name == "hV4" else np.zeros(2)
    channel = np.concatenate([(scale[:, None] * orientation).ravel(), .15 * colour])
    return on_grid(channel[:, None, None] * (window / window.sum()), FIELD_BITS)


def _weights(name: str, taste: NDArray | None, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a vertex's weights on what images show."""
    weights = dict.fromkeys(COLUMNS, 0.0)
    if name.startswith("concept: "):
        weights |= CONCEPTS[name.removeprefix("concept: ")][0]
    elif name == "aTL-faces":
        weights["faces"] = 1.0
    elif name in TUNING:
        domain, others = TUNING[name]
        for word, shift in zip(COLUMNS, taste):
            weights[word] = shift + rng.normal(0, TASTE)  # its own, like nobody else's
        weights[domain] = rng.uniform(.7, 1.3)
        for word, usual in others.items():
            weights[word] += usual * rng.gamma(2, .5)  # graded: some much, some hardly
    elif not name and rng.random() < .5:
        weights |= {word: rng.normal(0, .3) for word in COLUMNS}
    return on_grid([weights[word] for word in COLUMNS], SHEET_BITS)
