"""Model cards of the demo networks and the list of drawn parts: generated parts of two pages.

    python -m docs.pages      write data/zoo/README.md and data/synthetic/README.md anew

Numbers come from the record of training (``data/zoo/zoo.json``), the registry of networks, the
files of weights and ``data/synthetic/digests.json``; ``data/zoo/cards.toml`` holds what only a
person can say.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean

from helpers.config.validation import read_toml
from helpers.core.errors import LabError, one_of
from helpers.core.paths import PACKAGE, ROOT, format_size, zoo_dir
from helpers.figures.deviations import markdown_table

ZOO_PAGE, DATA_PAGE = zoo_dir() / "README.md", ROOT / "data" / "synthetic" / "README.md"
ACCURACY, CARDS, PARTS = "accuracy", "cards", "parts"
REGISTRY = PACKAGE / "networks" / "registry.toml"
NOTES = ("task", "use", "limits")
PROBES = (("domains", "domains"), ("48 classes", "classes"))
"""What the probes of the record tell apart: in words, and its key."""


def read_record() -> dict[str, dict]:
    """Return the record of training: network, with its seed where there are several -> entries."""
    return json.loads((zoo_dir() / "zoo.json").read_text(encoding="utf-8"))


def demo_networks() -> dict[str, dict]:
    """Return the tables of the registry whose weights are in ``data/zoo``, with their notes.

    Raises
    ------
    LabError
        If a network has no card in ``cards.toml``, a card no network, or a note is missing.
    """
    notes = read_toml(zoo_dir() / "cards.toml")
    tables = {name: table for name, table in read_toml(REGISTRY).items()
              if name.startswith("demo-")}
    for name in tables.keys() ^ notes.keys():
        raise LabError(f"{name} is in the registry or in data/zoo/cards.toml, not in both",
                       expected=one_of(tables), remedy="write its card, or correct the name")
    for name, words in notes.items():
        if set(words) != set(NOTES):
            raise LabError(f"the card of {name} holds {', '.join(words)}",
                           expected=f"{', '.join(NOTES)}", remedy="complete data/zoo/cards.toml")
    return {name: {**table, **notes[name]} for name, table in tables.items()}


def records_of(name: str, record: Mapping[str, dict]) -> list[dict]:
    """Return the entries of a network in the record: one, or one per seed."""
    return [record[key] for key in sorted(record)
            if key == name or key.startswith(f"{name}-seed")]


def count_weights(path: Path) -> int:
    """Return how many numbers a safetensors file holds, from its header alone."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items()
               if name != "__metadata__")


def accuracy_part(record: Mapping[str, dict]) -> str:
    """Return the table of accuracies: two probes on the diet's validation images."""
    rows = [("raw pixels", *_accuracies([{"probes": record["demo-untrained"]["raw_pixels"]}]))]
    rows += [(f"[{name}](#{name})", *_accuracies(records_of(name, record)))
             for name in demo_networks()]
    chance = record["demo-untrained"]["probes"]["diet"]
    rows += [("chance", *(f"{chance[key]['chance']:.2f}" for _, key in PROBES))]
    header = ("network", *(f"{name}: neighbours / linear" for name, _ in PROBES))
    return markdown_table(header, rows)


def _accuracies(entries: Iterable[Mapping]) -> list[str]:
    """Return the cells of a network, means over its seeds; a dash where nothing was measured."""
    probes = [entry["probes"]["diet"] for entry in entries if "probes" in entry]
    return [" / ".join(f"{fmean(probe[key][kind] for probe in probes):.2f}"
                       for kind in ("knn", "linear")) if probes else "–" for _, key in PROBES]


def cards_part(record: Mapping[str, dict]) -> str:
    """Return one card per network of the registry."""
    return "\n\n".join(_card(name, table, records_of(name, record))
                       for name, table in demo_networks().items())


def _card(name: str, table: Mapping, entries: list[dict]) -> str:
    lines = [("Trained to", table["task"]), ("On", _images(table, entries)),
             ("Architecture", _architecture(name, table)),
             ("Training", _training(entries)),
             ("Accuracy", _measured(entries)), ("Used for", table["use"]),
             ("Limits", table["limits"]), ("Licence", "MIT, with this repository")]
    return f"### {name}\n\n" + "\n".join(f"- **{head}:** {text}" for head, text in lines if text)


def _images(table: Mapping, entries: list[dict]) -> str:
    n_images = max((entry.get("n_images", 0) for entry in entries), default=0)
    diet = f"{table['diet']}, {n_images:,} images; " if n_images else ""
    return f"{diet}shown at {table['preprocessing']['crop']} px"


def _architecture(name: str, table: Mapping) -> str:
    options = ", ".join(f"{key} {value}" for key, value in table.get("options", {}).items())
    files = sorted(path for path in zoo_dir().glob(f"{name}*.safetensors")
                   if re.fullmatch(rf"{re.escape(name)}(-seed\d+|-text)?", path.stem))
    sizes = ", ".join(dict.fromkeys(f"{count_weights(path) / 1e6:.2f} million numbers in float16, "
                                    f"{format_size(path.stat().st_size)}" for path in files))
    seeds = f", {len(files)} seeds" if "seeds" in table and files else ""
    parts = (f"`{table['architecture']}`", options, sizes)
    return "; ".join(part for part in parts if part) + seeds


def _training(entries: list[dict]) -> str:
    trained = [entry for entry in entries if "recipe" in entry]
    if not trained:
        return "none"
    minutes = [entry["seconds"] / 60 for entry in trained]
    spread = f"{min(minutes):.0f}" + f" to {max(minutes):.0f}" * (len(minutes) > 1)
    platform = trained[0]["platform"]
    described = ", then ".join(
        f"{recipe['epochs']} epochs, batches of {recipe['batch_size']}, crops of "
        f"{recipe['augmentation']['size']} px" + ", Muon" * (recipe.get("optimizer") == "muon")
        for recipe in map(trained[0].get, ("recipe before", "recipe")) if recipe)
    return (f"{described}; {spread} minutes on {platform['threads']} "
            f"thread{'s' * (platform['threads'] > 1)} of an {platform['chip']}")


def _measured(entries: list[dict]) -> str:
    parts = [f"{name} {cell} (neighbours / linear)"
             for (name, _), cell in zip(PROBES, _accuracies(entries)) if cell != "–"]
    if parts and len(entries) > 1:
        parts[-1] += f", means of {len(entries)} seeds"
    for entry in entries:
        if "faces_diet" in entry.get("probes", {}):
            own = entry["probes"]["faces_diet"]["classes"]
            parts.append(f"200 identities {own['knn']:.2f} / {own['linear']:.2f}")
        if "retrieval" in entry:
            found, explained = entry["retrieval"], sorted(entry["ground truth R2"].items(),
                                                          key=lambda item: -item[1])
            parts += [f"of {found['n']:,} images never seen, {found['top 1']:.0%} find their "
                      f"caption as the nearest, {found['top 10']:.0%} among the ten nearest",
                      f"images use some {entry['effective dimension']:.0f} dimensions",
                      "of what drives the simulated brains, embeddings tell (cross-validated R²) "
                      + ", ".join(f"{name} {r2:.2f}" for name, r2 in explained)]
    return "; ".join(parts)


def parts_part() -> str:
    """Return the table of drawn parts: how many files each has at the demo's size."""
    whole = json.loads((ROOT / "data/synthetic/digests.json").read_text(encoding="utf-8"))["whole"]
    return markdown_table(("part", "files", "digest (SHA-256 of names and contents)"),
                          ((name, f"{entry['files']:,}", f"`{entry['sha256'][:12]}`…")
                           for name, entry in whole.items()))


def generated_parts() -> dict[tuple[Path, str], str]:
    """Return every generated part: document and name -> text."""
    record = read_record()
    return {(ZOO_PAGE, ACCURACY): accuracy_part(record), (ZOO_PAGE, CARDS): cards_part(record),
            (DATA_PAGE, PARTS): parts_part()}
