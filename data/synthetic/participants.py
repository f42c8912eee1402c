"""Simulated participants: where their regions lie, and what every vertex responds to.

Two flat sheets a participant. A vertex has a place, a region, a receptive field or weights on
what images show, and a level of noise. Everything is drawn from the seed and the participant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.synthetic.depicted import ENERGY_GRID, ORIENTATIONS, SEMANTIC_FEATURES
from helpers.core.errors import LabError
from helpers.stimuli.quantization import on_grid

HEMISPHERES = ("lh", "rh")
FLATMAP_SHAPE = (32, 24)
"""Vertices along and across a sheet."""
N_NOISE_PATTERNS = 4
"""Patterns of noise that vertices of a sheet share within a trial …"""
SHARED_NOISE_FRACTION = 0.3
"""… and their fraction of the noise variance."""

ROI_LAYOUT: dict[str, tuple[float, float, int]] = {
    "V1v": (.06, .42, 34), "V1d": (.06, .58, 34), "V2v": (.15, .31, 30), "V2d": (.15, .69, 30),
    "V3v": (.23, .21, 26), "V3d": (.23, .79, 26), "hV4": (.33, .16, 28),
    "OFA": (.36, .40, 12), "FFA-1": (.55, .27, 14), "FFA-2": (.67, .22, 12),
    "aTL-faces": (.95, .15, 12),
    "EBA": (.44, .62, 22), "FBA-1": (.60, .10, 12), "FBA-2": (.73, .07, 10),
    "OPA": (.36, .88, 16), "PPA": (.70, .40, 18), "RSC": (.66, .80, 12),
    "OWFA": (.44, .27, 11), "VWFA-1": (.47, .08, 13), "VWFA-2": (.62, .36, 10),
}
"""Region: where its middle lies (posterior to anterior, ventral to dorsal) and its usual size."""

MIN_RF_SD = {"V1": .05, "V2": .08, "V3": .11, "hV4": .16}
"""Smallest receptive field, as a fraction of the image (standard deviation)."""

TUNING: dict[str, tuple[str, str, dict[str, float]]] = {
    "OFA": ("faces", "near face", {"turned": .2, "bodies": .1}),
    "FFA-1": ("faces", "adult", {"bodies": .1, "animal": .2}),
    "FFA-2": ("faces", "child", {"smiling": .3, "bodies": .1, "animal": .15}),
    "aTL-faces": ("faces", "", {}),
    "EBA": ("bodies", "limb", {"faces": .1, "tool": .1}),
    "FBA-1": ("bodies", "whole body", {"faces": .15}),
    "FBA-2": ("bodies", "sitting", {"whole body": .3, "faces": .1}),
    "OPA": ("scenes", "built", {"many": .15}),
    "PPA": ("scenes", "indoor", {"deep": .25, "large": .1}),
    "RSC": ("scenes", "open", {"outdoor": .25, "deep": .35}),
    "OWFA": ("characters", "digits", {"tool": .1, "objects": .1}),
    "VWFA-1": ("characters", "letters", {"faces": .1, "objects": .1}),
    "VWFA-2": ("characters", "long text", {"objects": .1}),
}
"""Region: the domain that drives it, the kind within the domain that drives it as much (weights
near 1), and what else does, on average. Regions of one domain have directions of their own."""

MISSING_ROIS = {("subj03", "lh", "FBA-1"), ("subj03", "rh", "FBA-1"), ("subj04", "rh", "VWFA-2"),
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
    "round food": ({"round food": 1, "long food": -.6}, ()),
    "long food": ({"long food": 1, "round food": -.6}, ()),
}
"""Patches outside the regions: weights, and who has them (nobody named: everyone)."""

PLANTED_LAST = ("round food", "long food")
"""Concepts whose patches take vertices that are free once all else is drawn: every other vertex
is as it was before these were added to the world."""

TUNING_SD = .03
"""Spread of what participants, and vertices within one, respond to besides the common tuning."""

RANDOM_FRACTION = 1 / 7
"""Of the vertices outside all regions and patches: respond to a mixture like nobody else's."""

N_CONCEPT_VERTICES = 9
"""Vertices of such a patch on each sheet."""


PARAMETER_BITS, ENERGY_WEIGHT_BITS = 16, 24
"""What describes a vertex is a multiple of 2**-16; weights on energy, of 2**-24."""


@dataclass(frozen=True)
class SimulatedVertices:
    """One hemisphere of a participant.

    Attributes
    ----------
    positions : array, float64, shape (n_vertices, 2)
        Posterior to anterior, ventral to dorsal, from 0 to 1.
    region : array of str, shape (n_vertices,)
        A region, ``concept: <name>``, or empty.
    energy_weights : array, float64, shape (n_early, n_channels, GRID, GRID)
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

    positions: NDArray[np.float64]
    region: NDArray[np.str_]
    energy_weights: NDArray[np.float64]
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
    return region[:2] in MIN_RF_SD or region == "hV4"


def simulate_vertices(subject: str, hemisphere: str, *, seed: int) -> SimulatedVertices:
    """Draw one hemisphere of a participant.

    Parameters
    ----------
    subject : str
        ``subj01`` ...
    hemisphere : {"lh", "rh"}
    seed : int
        Of the cohort.
    """
    rng = np.random.default_rng([seed, 40, int(subject[4:]), HEMISPHERES.index(hemisphere)])
    positions, region = _assign_regions(subject, hemisphere, rng)
    n = len(region)
    early = np.array([is_early(name) for name in region])
    centre, spread = np.full((n, 2), np.nan), np.full(n, np.nan)
    for v in np.flatnonzero(early):
        centre[v], spread[v] = _draw_receptive_field(region[v], hemisphere, rng)
    energy_weights = np.stack([_draw_energy_weights(region[v], centre[v], spread[v], rng)
                               for v in np.flatnonzero(early)])
    # One participant's taste, the same in both hemispheres, and how still they lay.
    participant_rng = np.random.default_rng([seed, 41, int(subject[4:])])
    participant_tuning = {name: participant_rng.normal(0, TUNING_SD,
                                                       len(SEMANTIC_FEATURES)) for name in TUNING}
    weights = np.stack([_draw_feature_weights(name, participant_tuning.get(str(name)),
                                              rng) for name in region])
    for patch in _plant_last(positions, region):
        weights[patch] = [_draw_feature_weights(name, None, rng) for name in region[patch]]
    ncsnr_level = .5 * np.exp(participant_rng.normal(0, .25))
    ncsnr = on_grid(np.clip(ncsnr_level * np.exp(rng.normal(0, .45, n)), .1, 1.0), PARAMETER_BITS)
    offset = rng.uniform(0, .5, n)
    offset[region == "concept: below baseline for writing"] = .1
    offset[region == "concept: less for writing, above baseline"] = 4.5
    signal_sd = rng.uniform(.4, 1.2, n)
    signal_sd[region == "concept: less for writing, above baseline"] *= .6
    exponent = rng.uniform(.6, 1.0, n)
    return SimulatedVertices(positions, region, energy_weights, weights, exponent, centre, spread,
                             ncsnr, signal_sd,
                             offset)


def _assign_regions(subject: str, hemisphere: str, rng: np.random.Generator
            ) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Give vertices to regions: each grows from its middle over what is free."""
    x, y = np.meshgrid(np.linspace(0, 1, FLATMAP_SHAPE[0]), np.linspace(0, 1, FLATMAP_SHAPE[1]),
                       indexing="ij")
    positions = np.column_stack([x.ravel(), y.ravel()])
    region = np.full(len(positions), "", dtype="U48")
    patches = [(name, (px, py), max(8, round(size * rng.uniform(.75, 1.25))))
               for name, (px, py, size) in ROI_LAYOUT.items() if (subject, hemisphere,
                                                                  name) not in MISSING_ROIS]
    patches += [(f"concept: {name}", tuple(concept_centre), N_CONCEPT_VERTICES)
                for (name, (_, owners)), concept_centre in zip(CONCEPTS.items(), _concept_centres())
                if name not in PLANTED_LAST and (not owners or subject in owners)]
    for name, patch_centre, size in patches:
        jittered_centre = np.array(patch_centre) + rng.normal(0, .012, 2)
        region[_grow_patch(positions, region == "", jittered_centre, size)] = name
    return positions, region


def _concept_centres() -> NDArray[np.float64]:
    """Return where the middle of each concept's patch lies, the same in all participants."""
    return np.random.default_rng(7).uniform([.3, .1], [.98, .98], (len(CONCEPTS), 2))


def _plant_last(positions: NDArray[np.float64], region: NDArray[np.str_]) -> list[list[int]]:
    """Give free vertices to the concepts in ``PLANTED_LAST``, in place; return their patches."""
    patches = []
    for name, centre in zip(CONCEPTS, _concept_centres()):
        if name in PLANTED_LAST:
            patches.append(_grow_patch(positions, region == "", centre, N_CONCEPT_VERTICES))
            region[patches[-1]] = f"concept: {name}"
    return patches


def _grow_patch(positions: NDArray[np.float64], free: NDArray[np.bool_],
                patch_centre: NDArray[np.float64],
                size: int) -> list[int]:
    """Grow one connected patch of free vertices, as near to ``patch_centre`` as there is room."""
    distance = np.hypot(*((positions - patch_centre) * [1.3, 1]).T)
    neighbours, rejected = _neighbours(), set()
    for start in np.argsort(distance, kind="stable").tolist():
        if not free[start] or start in rejected:
            continue
        patch, frontier = [], {start}
        while frontier and len(patch) < size:
            nearest = min(frontier, key=lambda v: (distance[v], v))
            patch.append(nearest)
            frontier |= {v for v in neighbours[nearest] if free[v]}
            frontier -= set(patch)
        if len(patch) == size:
            return patch
        rejected |= set(patch)  # a pocket between other regions: too small
    raise LabError(f"no room for a patch of {size} vertices",
                   expected="a sheet with room for all regions", remedy="enlarge FLATMAP_SHAPE")


@lru_cache(maxsize=1)
def _neighbours() -> list[list[int]]:
    """Return the vertices beside each vertex of a sheet."""
    vertex_ids = np.arange(FLATMAP_SHAPE[0] * FLATMAP_SHAPE[1]).reshape(FLATMAP_SHAPE)
    adjacent: list[list[int]] = [[] for _ in range(vertex_ids.size)]
    for one, other in ((vertex_ids[1:], vertex_ids[:-1]), (vertex_ids[:, 1:], vertex_ids[:, :-1])):
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist()):
            adjacent[a].append(b)
            adjacent[b].append(a)
    return adjacent


def _draw_receptive_field(name: str, hemisphere: str, rng: np.random.Generator
                     ) -> tuple[NDArray[np.float64], float]:
    """Draw a contralateral field: upper for ventral regions, lower for dorsal ones."""
    eccentricity = .05 + .4 * rng.random() ** 1.3
    angle = rng.uniform(0, np.pi / 2)
    if name == "hV4":
        angle = rng.uniform(-np.pi / 2, np.pi / 2)
    elif name.endswith("d"):
        angle = -angle
    contralateral_sign = 1 if hemisphere == "lh" else -1
    centre = np.array([.5 + contralateral_sign * eccentricity * np.cos(angle),
                       .5 - eccentricity * np.sin(angle)])
    min_sd = MIN_RF_SD["hV4" if name == "hV4" else name[:2]]
    spread = min_sd * (1 + 1.2 * eccentricity) * rng.uniform(.8, 1.2)
    return on_grid(centre, PARAMETER_BITS), float(on_grid(spread, PARAMETER_BITS))


def _draw_energy_weights(name: str, centre: NDArray, spread: float, rng: np.random.Generator
           ) -> NDArray[np.float64]:
    """Weigh channels and blocks: one orientation and frequency most; in hV4 colour as well."""
    block_centres = (np.arange(ENERGY_GRID) + .5) / ENERGY_GRID
    window = np.exp(-((block_centres[None] - centre[0]) ** 2
                      + (block_centres[:, None] - centre[1]) ** 2)
                    / (2 * spread**2))
    preferred = rng.integers(ORIENTATIONS)
    orientation_offset = np.arange(ORIENTATIONS) - preferred
    orientation = np.exp(1.5 * (np.cos(2 * np.pi * orientation_offset / ORIENTATIONS) - 1))
    scale = rng.dirichlet([.6, 1.0, .8])
    colour = rng.uniform(.5, 1.5, 2) if name == "hV4" else np.zeros(2)
    channel = np.concatenate([(scale[:, None] * orientation).ravel(), .15 * colour])
    return on_grid(channel[:, None, None] * (window / window.sum()), ENERGY_WEIGHT_BITS)


def _draw_feature_weights(name: str, participant_tuning: NDArray | None,
                          rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a vertex's weights on what images show."""
    weights = dict.fromkeys(SEMANTIC_FEATURES, 0.0)
    if name.startswith("concept: "):
        weights |= CONCEPTS[name.removeprefix("concept: ")][0]
    elif name == "aTL-faces":
        weights["faces"] = 1.0
    elif name in TUNING:
        domain, kind, others = TUNING[name]
        for feature, tuning_offset in zip(SEMANTIC_FEATURES, participant_tuning):
            # its own, like nobody else's
            weights[feature] = tuning_offset + rng.normal(0, TUNING_SD)
        weights[domain] = rng.uniform(.7, 1.3)
        weights[kind] += rng.uniform(.7, 1.3)
        for feature, mean_weight in others.items():
            weights[feature] += mean_weight * rng.gamma(2, .5)  # graded: some much, some hardly
    elif not name and rng.random() < RANDOM_FRACTION:
        weights |= {feature: rng.normal(0, .3) for feature in SEMANTIC_FEATURES}
    return on_grid([weights[feature] for feature in SEMANTIC_FEATURES], PARAMETER_BITS)
