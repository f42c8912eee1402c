"""Tiny localizers with other domains than the paper's, and a profile of the demo's networks.

Images are coarse squares that all images of a class have in common, under noise, so that units of
any network are selective for some domain.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.core.paths import PACKAGE
from support.brain_files import write_tiny_nsd

FACES, BODIES, SCENES = ("adult", "child"), ("body", "limb"), ("house", "corridor")
WORLDS: dict[str, dict[str, tuple[str, ...]]] = {
    "four": {"faces": FACES, "bodies": BODIES, "objects": ("car", "instrument"), "scenes": SCENES,
             "scrambled": ("scrambled",)},
    "own": {"tools": ("saw", "hammer"), "scenes": SCENES, "bodies": BODIES, "faces": FACES},
    "two": {"scenes": SCENES, "faces": FACES},
    "one": {"tools": ("saw", "hammer"), "scrambled": ("scrambled",)},
}
"""World -> domain -> class folders of its localizer."""
SECOND_SETS = {"own": ("faces", "bodies", "scenes"), "four": ("tools", "faces")}
"""World -> domains of its second image set; the localizer's halves serve where it has none, or one
with fewer than two of its domains."""
N_PER_CLASS, N_CLASSES, SIDE = 8, 48, 24
ROIS = ["FFA-1", "EBA", "PPA"]


def write_domain_world(folder: Path, world: str) -> Path:
    """Write image sets, a cohort and a profile; return the path of the profile."""
    domains, data = WORLDS[world], folder / "data"
    write_images(data / "localizer", domains)
    if world in SECOND_SETS:
        write_images(data / "probe", {d: (f"{d}-2",) for d in SECOND_SETS[world]}, per_class=12)
    write_images(data / "diet" / "val", {d: tuple(f"{d}{i}" for i in range(12)) for d in (
        "faces", "bodies", "scenes", "tools")}, per_class=4)
    write_tiny_nsd(data / "nsd", n_shared=12, n_own=36, size=SIDE)
    path = folder / f"{world}.toml"
    path.write_text(dump_toml(_profile(world)))
    return path


def write_images(folder: Path, domains: Mapping[str, tuple[str, ...]],
                 per_class: int = N_PER_CLASS) -> None:
    """Write folders of images and the list of their domains."""
    rng, lines = np.random.default_rng(0), ["class,domain"]
    for domain, classes in domains.items():
        for name in classes:
            squares = np.random.default_rng(list(domain.encode())).integers(0, 255, (6, 6, 3))
            (folder / name).mkdir(parents=True)
            lines.append(f"{name},{domain}")
            for number in range(per_class):
                noise = rng.integers(0, 255, (SIDE, SIDE, 3))
                pixels = (noise + 2 * np.kron(squares, np.ones((4, 4, 1), int))) // 3
                Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    (folder / "classes.csv").write_text("\n".join(lines) + "\n")


def _profile(world: str) -> dict:
    """Return the demo's profile with these image sets, and fewer of everything that takes time."""
    profile = tomllib.loads((PACKAGE / "profiles" / "demo.toml").read_text())
    profile |= {"name": world, "title": "A test"}
    names = ("localizer", *["probe"] * (world in SECOND_SETS), "diet", "training_diet")
    profile["image_sets"] = {name: {"layout": "imagefolder", "path": f"data/{name}",
                                    "source": "local"} for name in names}
    profile["networks"] |= {"compare": ["demo-faces"]}
    profile["lesions"] |= {"n_random": 2, "compare": ["demo-untrained"]}
    profile["channels"] |= {"images": "localizer", "n_per_category": 6,
                            "categories": [classes[0] for classes in WORLDS[world].values()][:4]}
    profile["cohort"] |= {"source": "fetch:nsd", "n_pool": 36, "n_shared": 12}
    profile["encoding"] |= {"rois": ROIS, "layers": ["relu6", "relu7"], "face_layers": ["relu7"],
                            "curve_rois": ROIS[1:], "single_domain_rois": {"FFA-2": "faces"}}
    language = profile["language"]
    language |= {"n_boot": 4, "n_nulls": 4, "n_units": 4, "regions": {
        "faces": "FFA-1", "scenes": "PPA", "characters": "VWFA-1"}}
    del language["record"]
    for role in ("views", "objects"):
        del language["conditions"][language.pop(role)]
    for table in ("transfer_cohort", "finetuning", "landscape", "laterality", "decoding",
                  "concepts", "synthetic"):
        del profile[table]
    if world not in SECOND_SETS:
        del language["second_localizer"]
    return profile


def dump_toml(table: Mapping[str, object], prefix: str = "") -> str:
    """Write a profile: values first, then its tables."""
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in table.items()
             if not isinstance(value, Mapping)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            inner = f"{prefix}{json.dumps(name)}"
            lines += [f"[{inner}]", dump_toml(value, f"{inner}.")]
    return "\n".join(lines) + "\n"
