"""Floor 1. Image sets on disk: which pictures, of which category and domain, in which order.

Three layouts are read, and nothing else is known of where a set comes from: fLoc folders,
the seven "classic" folders, and an ImageFolder with one sub-folder per class.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from helpers.digest import file_digest
from helpers.errors import LabError

DOMAINS = ("faces", "bodies", "objects", "scenes", "characters")
"""Intact domains, in the order of the authors' domain index (spec 2.1)."""

FLOC = {"adult": "faces", "body": "bodies", "car": "objects", "child": "faces",
        "corridor": "scenes", "house": "scenes", "instrument": "objects", "limb": "bodies",
        "number": "characters", "scrambled": "scrambled", "word": "characters"}
"""Folders of the VPNL functional localizer and their domains (spec 2.1)."""

CLASSIC = {"1-Faces": "faces", "2-Bodies": "bodies", "3-Scenes": "scenes",
           "4-Words": "characters", "5-Objects": "objects",
           "6-ScrambledObjects": "scrambled objects", "7-ScrambledWords": "scrambled words"}
"""Folders of the independent probe set (spec 2.1)."""

SUFFIXES = (".jpg", ".jpeg", ".png")

Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class ImageSet:
    """Pictures in a fixed order, each with its category and its domain.

    Attributes
    ----------
    root : Path
    files : tuple of str
        Paths relative to ``root``, ordered by category, then by number.
    categories : tuple of str
        Folder of each picture.
    domains : tuple of str
        Domain of each picture (its category where the layout has no domains).
    """

    root: Path
    files: tuple[str, ...]
    categories: tuple[str, ...]
    domains: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents of all pictures: the identity of the set."""
        with ThreadPoolExecutor() as pool:
            digests = list(pool.map(lambda name: file_digest(self.root / name), self.files))
        lines = "\n".join(f"{name} {digest}" for name, digest in zip(self.files, digests))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Domains that occur: the intact ones in the paper's order, then the others."""
        present = dict.fromkeys(self.domains)
        first = [domain for domain in DOMAINS if domain in present]
        return tuple(first + [domain for domain in present if domain not in first])

    @property
    def halves(self) -> np.ndarray:
        """Half of each picture, int, shape (n_images,): 0, 1, 0, 1, ... within its category."""
        seen: Counter[str] = Counter()
        half = np.empty(len(self), dtype=int)
        for index, category in enumerate(self.categories):
            half[index] = seen[category] % 2
            seen[category] += 1
        return half

    def select(self, chosen: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the set of some of the pictures, in the order given."""
        pick = lambda values: tuple(values[i] for i in chosen)  # noqa: E731
        return ImageSet(self.root, pick(self.files), pick(self.categories), pick(self.domains))

    def open(self, index: int) -> Image.Image:
        """Decode one picture as RGB.

        Raises
        ------
        LabError
            If the file is missing, truncated or no image.
        """
        path = self.root / self.files[index]
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise LabError(f"{path}: {error}", expected="a complete JPEG or PNG picture",
                           remedy="delete the file (or its set) and let it be made or fetched "
                                  "again") from error

    def batches(self, index_batches: Iterable[Sequence[int]], transform: Transform,
                *, threads: int = 4) -> Iterator[Tensor]:
        """Yield decoded, transformed batches, the next one being decoded meanwhile.

        Parameters
        ----------
        index_batches : iterable of sequences of int
            Pictures of each batch.
        transform : callable
            Picture -> float32 tensor (3, height, width).

        Yields
        ------
        Tensor, float32, shape (n_images, 3, height, width)
        """
        with ThreadPoolExecutor(threads) as pool:
            waiting = None
            for indices in index_batches:
                coming = [pool.submit(lambda i: transform(self.open(i)), int(i)) for i in indices]
                if waiting is not None:
                    yield torch.stack([job.result() for job in waiting])
                waiting = coming
            if waiting is not None:
                yield torch.stack([job.result() for job in waiting])


def floc(root: Path) -> ImageSet:
    """Read a functional localizer in fLoc layout: 11 folders with equally many pictures."""
    return _folders(root, FLOC)


def classic(root: Path) -> ImageSet:
    """Read a probe set in the "classic" layout: 7 folders with equally many pictures."""
    return _folders(root, CLASSIC)


def image_folder(root: Path) -> ImageSet:
    """Read an ImageFolder: one sub-folder per class, any number of pictures each."""
    categories = {path.name: path.name for path in _subfolders(root)}
    if not categories:
        raise LabError(f"no class folder in {root}", expected="one sub-folder per class",
                       remedy="check the path of this image set in the profile")
    return _folders(root, categories, equal=False)


LAYOUTS = {"floc": floc, "classic": classic, "imagefolder": image_folder}
"""Layout name in a profile -> reader."""


def _folders(root: Path, domain_of: dict[str, str], *, equal: bool = True) -> ImageSet:
    """Read category folders, alphabetically, refusing whatever would shift a label."""
    found = [path.name for path in _subfolders(root)]
    strange = sorted(set(found) - set(domain_of))
    if strange:
        raise LabError(f"unknown category {strange[0]!r} in {root}",
                       expected=f"only {', '.join(sorted(domain_of))}",
                       remedy="move the folder elsewhere or correct its name")
    members = {category: _pictures(root / category) for category in sorted(domain_of)}
    empty = [category for category, names in members.items() if not names]
    if empty:
        raise LabError(f"no pictures of category {empty[0]!r} in {root}",
                       expected=f"a folder {empty[0]}/ with .jpg or .png files",
                       remedy="delete the set and let it be made or fetched again")
    counts = {category: len(names) for category, names in members.items()}
    if equal and len(set(counts.values())) > 1:
        raise LabError(f"unequal counts in {root}: {counts}",
                       expected="equally many pictures in every category",
                       remedy="delete the set and let it be made or fetched again")
    rows = [(f"{category}/{name}", category) for category, names in members.items()
            for name in names]
    return ImageSet(root, tuple(name for name, _ in rows), tuple(c for _, c in rows),
                    tuple(domain_of[c] for _, c in rows))


def _subfolders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise LabError(f"no folder {root}", expected="an image set there",
                       remedy="check the data directory (LAB_DATA) and the profile's path")
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path) -> list[str]:
    """List a folder's pictures in natural order (adult-2 before adult-10)."""
    if not folder.is_dir():
        return []
    names = [p.name for p in folder.iterdir()
             if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part
                                           for part in re.split(r"(\d+)", name)])
