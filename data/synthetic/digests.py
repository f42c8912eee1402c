"""Digests of the drawn world, to prove that every machine draws the same.

    python -m data.synthetic.digests                       draw a sample of each part, compare
    python -m data.synthetic.digests diet=data/demo/diet   compare a part of the demo's sizes
    python -m data.synthetic.digests --write [diet=...]    after a drawing changed on purpose

Compared is ``data/synthetic/digests.json``. A sample holds the first images of every class, which
are also the first ones of the whole part.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from data.synthetic import image_files as files
from data.synthetic.algonauts_files import write_algonauts
from data.synthetic.captioned_files import write_captioned
from data.synthetic.nod_files import write_nod
from data.synthetic.nsd_files import write_nsd
from data.synthetic.task_files import write_attributes, write_places
from helpers.core.console import echo
from helpers.core.paths import ROOT, atomic_write
from helpers.stimuli.image_sets import floc
from helpers.stimuli.six_category_localizer import make_six_category_localizer

DIGESTS_FILE = ROOT / "data" / "synthetic" / "digests.json"


def _write_six_sets(folder: Path) -> None:
    """Write the six sets that are made from a small localizer as they are opened."""
    images = make_six_category_localizer(floc(files.write_localizer(folder / "of", seed=0,
                                                                    n_per_category=8)))
    for index in range(len(images)):
        images.open(index).save(folder / f"{index:03d}.png")


def _write_algonauts(folder: Path) -> None:
    """Write a small cohort, and what Algonauts would have made of it."""
    nsd = write_nsd(folder / "nsd", seed=0, n_subjects=1, n_shared=300, n_sessions=2, size=48)
    write_algonauts(folder / "algonauts", nsd=nsd)


SAMPLE_WRITERS: dict[str, Callable[[Path], object]] = {
    "localizer": partial(files.write_localizer, seed=0, n_per_category=6),
    "six sets": _write_six_sets,
    "probe": partial(files.write_probe, seed=0, n_per_category=6),
    "channels": partial(files.write_channels, seed=0, n_per_category=6),
    "diet": partial(files.write_diet, seed=0, n_train=0, n_val=144),
    "training diet": partial(files.write_diet, seed=0, n_train=48, n_val=48),
    "faces": partial(files.write_faces_diet, seed=0, n_identities=8, n_train_per_identity=4,
                     n_val_per_identity=1),
    "nsd": partial(write_nsd, seed=0, n_subjects=2, n_shared=150, n_sessions=1),
    "algonauts": _write_algonauts,
    "nod": partial(write_nod, seed=0, n_subjects=2, n_runs=1),
    "places": partial(write_places, seed=0, n_images=80),
    "attributes": partial(write_attributes, seed=0, n_images=90),
    "captioned": partial(write_captioned, seed=0, n_images=80),
}
"""Part -> writer of a sample of it, a second or two of one core each."""


def _read_content(path: Path) -> bytes:
    """Return what a file says; how it was compressed depends on the installed libraries."""
    if path.suffix == ".mgz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".png":
        with Image.open(path) as image:
            return repr((image.mode, image.size)).encode() + image.tobytes()
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    return path.read_bytes()


def folder_digest(folder: Path) -> dict[str, int | str]:
    """Return the number of files in a folder and the digest of their names and contents."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(_read_content(path)).hexdigest()}"
             for path in paths)
    return {"files": len(paths), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def compute_sample_digests(*parts: str) -> dict[str, dict[str, int | str]]:
    """Draw a sample of some parts (default: of all) in a temporary folder; return its digests."""
    digests = {}
    for part in parts or SAMPLE_WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            SAMPLE_WRITERS[part](Path(folder) / "sample")
            digests[part] = folder_digest(Path(folder) / "sample")
    return digests


def read_expected_digests(section: str) -> dict[str, dict[str, int | str]]:
    """Return the committed digests: of ``samples``, or of ``whole`` parts of the demo's sizes."""
    return json.loads(DIGESTS_FILE.read_text(encoding="utf-8"))[section]


def main(arguments: list[str] | None = None) -> int:
    """Compare digests with the table, or write it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m data.synthetic.digests",
                                     description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("parts", nargs="*", metavar="PART=FOLDER", help="drawn parts")
    options = parser.parse_args(arguments)
    folders = dict(text.split("=", 1) for text in options.parts)
    section = "whole" if folders else "samples"
    digests = {part: folder_digest(Path(folder))
               for part, folder in folders.items()} or compute_sample_digests()
    if options.write:
        table = json.loads(
            DIGESTS_FILE.read_text(encoding="utf-8")) if DIGESTS_FILE.is_file() else {}
        table[section] = table.get(section, {}) | digests
        text = json.dumps(table, indent=1, sort_keys=True) + "\n"
        atomic_write(DIGESTS_FILE, lambda path: path.write_text(text, encoding="utf-8"))
        return 0
    changed = [part for part, digest in digests.items()
               if read_expected_digests(section).get(part) != digest]
    echo(f"drawn differently: {', '.join(changed)}" if changed
         else f"{len(digests)} parts as listed")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
