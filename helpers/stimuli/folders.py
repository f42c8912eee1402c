"""Folders of images: which are categories, which files are images, and in which order."""

from __future__ import annotations

import filecmp
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from helpers.config.validation import suggest
from helpers.core.errors import LabError
from helpers.core.stray_files import find_original, is_stray
from helpers.core.text import TextTable, check_name, normalise_name, read_lines, read_table

DOMAINS = ("faces", "bodies", "objects", "scenes", "characters")
"""Intact domains, in the order of the authors' domain index (authors' classes.py)."""
CLASSES_FILE = "classes.csv"
"""An ImageFolder may say in this file (columns category, domain) to which domain a category
belongs; it lies in the set's folder or in the one above."""
CATEGORY_COLUMNS = ("category", "class")
"""Names of the first column: either."""

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff",
            ".webp")
"""Formats that are read: those of torchvision's ImageFolder, and JPEG's other names."""
OTHER_SUFFIXES = (".gif", ".apng", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".tga",
                  ".ico", ".psd", ".svg", ".eps", ".raw", ".dng", ".cr2", ".nef", ".arw", ".exr")
"""Formats of images that are not read: never left out in silence."""


def subfolders(root: Path) -> dict[str, Path]:
    """Return the folders in a folder, by their names as lists have them; strays are left out."""
    if not root.is_dir():
        raise LabError(f"{root} is a file" if root.is_file() else f"no folder {root}",
                       expected="the folder of an image set",
                       remedy="correct the key 'path' in the profile, or the data directory "
                       "(LAB_DATA); for a CSV file that lists images, write layout = \"table\"")
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        if path.is_dir() and not is_stray(path.name):
            check_name(path.name, root, "a folder")
            if found.setdefault(normalise_name(path.name), path) is not path:
                raise LabError(f"two folders {normalise_name(path.name)!r} in {root}, which "
                               "differ in blanks or in how accents are written",
                               expected="one folder per class",
                               remedy="put their images into one of them")
    return dict(sorted(found.items()))


def list_images(folder: Path) -> list[str]:
    """List a folder's images in natural order (adult-2 before adult-10, then a01 before a1).

    Strays are left out, and copies: of another's name with "(1)" or "copy", and of its content.

    Raises
    ------
    LabError
        If there are images in a format that is not read, or in folders further down.
    """
    if not folder.is_dir():
        return []
    names, below = _visible_entries(folder)
    deeper = {name: n for name in sorted(below) if (n := count_images(folder / name))}
    if deeper:
        raise LabError(f"{sum(deeper.values())} images in folders below {folder}, which are not "
                       f"read: {', '.join(list(deeper)[:3])}",
                       expected="the images of a category in its folder itself",
                       remedy="move these folders up beside the others, so that each is a category "
                       f"(with a domain in {CLASSES_FILE}); or list every image in a table "
                       "(layout \"table\")")
    other = sorted(name for name in names if name.lower().endswith(OTHER_SUFFIXES))
    if other:
        raise LabError(f"{len(other)} images in {folder} that are not read: "
                       f"{', '.join(other[:3])}", expected=f"images as {', '.join(SUFFIXES)}",
                       remedy="save them as PNG, or move them out of the image set")
    names = {name for name in names if name.lower().endswith(SUFFIXES)}
    copies = {name for name in names if (of := find_original(name, names))
              and _same_content(folder / name, folder / of)}
    return sorted(names - copies, key=natural_key)


def count_images(folder: Path) -> int:
    """Count the files in a folder itself that are named as images, read or not."""
    return sum(name.lower().endswith((*SUFFIXES, *OTHER_SUFFIXES))
               for name in _visible_entries(folder)[0])


def describe_files(folder: Path) -> str:
    """Say which files a folder holds, for an error: "50 files as .mat, 2 as .txt"; "" for none."""
    names = _visible_entries(folder)[0] if folder.is_dir() else ()
    counts = Counter(Path(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{n}{' files' * (i == 0)} as {suffix}"
                     for i, (suffix, n) in enumerate(counts.most_common(3)))


def _visible_entries(folder: Path) -> tuple[set[str], set[str]]:
    """Return the names of the files and of the folders in a folder, without strays."""
    files, below = set(), set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_stray(entry.name):
                (below if entry.is_dir() else files).add(entry.name)
    return files, below


def _same_content(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers by value; names that tie (a1, a01), by their letters."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def refuse_copied_folders(root: Path, names: Collection[str]) -> None:
    """Refuse a folder (of a class, a participant) whose name is that of a copy of another's."""
    for name in names:
        of = find_original(name, names)
        if of is not None:
            raise LabError(f"the folder {name!r} in {root} has the name of a copy of {of!r}",
                           expected="a folder for each, and no copies",
                           remedy="move it elsewhere; if it is another one, rename it (or list it, "
                           f"if it is a class, with all others in {CLASSES_FILE})")


def spell_domain(name: str) -> str:
    """Return the name of a domain: one of the paper's in its letters, if it is written FACES."""
    return name.casefold() if name.casefold() in DOMAINS else name


def read_domains(table: TextTable, category_column: str) -> dict[str, str]:
    """Return category -> domain as a table lists them, refusing two domains of one category.

    A domain that is written in several ways, such as Tools and tools, is spelt as at first.
    """
    spelt = {domain: domain for domain in DOMAINS}
    domain_of: dict[str, str] = {}
    for line, name, cell in zip(table.lines, table.columns[category_column],
                                table.columns["domain"]):
        domain = check_name(spelt.setdefault(cell.casefold(), cell), table.path, "a domain")
        if domain_of.setdefault(name, domain) != domain:
            raise LabError(f"{table.path}, line {line}: {name!r} has the domain {domain!r}, and "
                           f"{domain_of[name]!r} further up",
                           expected="one domain for each category",
                           remedy="correct the line that is wrong, or use two categories")
    return domain_of


def read_classes(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Read the domains of classes, refusing a list that leaves one out or names two domains.

    Parameters
    ----------
    path : Path
        Columns category (or class) and domain.
    names : sequence of str
        Classes that must be listed.
    """
    column = _category_column(path)
    domain_of = read_domains(read_table(path, (column, "domain"), what="a line for every category"),
                             column)
    missing = [name for name in names if name not in domain_of]
    if missing:
        near = suggest(missing[0], domain_of)
        raise LabError(f"{path} does not list the class {missing[0]!r} ({len(missing)} of the "
                       f"{len(names)} class folders are absent; it lists "
                       f"{', '.join(list(domain_of)[:3]) or 'nothing'} …)",
                       expected="a line for every class folder",
                       remedy=f"add the lines{near and '; ' + near}; if the list is that of "
                       "another image set, move it elsewhere")
    return domain_of


def _category_column(path: Path) -> str:
    """Return how the file calls its column of categories, as the line that names columns has it."""
    header = next((line for _, line in read_lines(path) if not line.casefold().startswith("sep=")),
                  "")
    cells = {cell.strip() for cell in re.split(r"[,;\t\"']", header.casefold())}
    return next((name for name in CATEGORY_COLUMNS if name in cells), CATEGORY_COLUMNS[0])
