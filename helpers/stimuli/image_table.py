"""A table of images: a CSV file that lists each image's file, its category, and its domain."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.text import TextTable, check_name, read_table
from helpers.stimuli.folders import SUFFIXES, natural_key, read_domains, spell_domain

COLUMNS = ("file", "category")
DOMAIN = "domain"
"""Optional column; without it, the domain of an image is its category."""
WHAT = "a table of images"
EXAMPLES = 3
"""Of files that are absent, so many are named."""

Row = tuple[str, str, str]
"""File (absolute, or relative to the table's folder), category, domain."""


def read_image_table(path: Path) -> list[Row]:
    """Read which images a table lists, by category, then in natural order of their files.

    Files count from the table's folder and lie below it; an absolute path may lead elsewhere. The
    order of lines does not matter.

    Parameters
    ----------
    path : Path
        CSV file with the columns file and category, and perhaps domain.

    Returns
    -------
    list of (str, str, str)

    Raises
    ------
    LabError
        As `helpers.core.text.read_table`. If there is no line; a file is listed twice, is absent,
        lies outside the folder, or is no image that is read; or if a category has two domains.
        Names lines and files.
    """
    if path.is_dir():
        tables = ", ".join(sorted(file.name for file in path.glob("*.csv")))
        raise LabError(f"{path} is a folder", expected=f"{WHAT}: a CSV file with the columns "
                       f"{', '.join(COLUMNS)} and perhaps {DOMAIN}",
                       remedy="write the CSV file's path in the profile (here is "
                       f"{tables or 'none'}); for one folder per category, write layout = "
                       "\"imagefolder\"")
    table = read_table(path, COLUMNS, optional_columns=(DOMAIN,), what=WHAT)
    categories, domains = table.columns["category"], table.columns.get(DOMAIN, ())
    empty = [line for line, domain in zip(table.lines, domains) if not domain]
    if empty or not table.lines:
        raise LabError(f"{path}, line {empty[0]}: {DOMAIN} is empty" if empty else
                       f"{path} lists no image", expected="a line such as faces/anna.png,faces "
                       f"for each image, with a {DOMAIN} in every line or in none",
                       remedy="add what is missing")
    for name in dict.fromkeys(categories):
        check_name(name, path, "a category")
    files = [os.path.normpath(name.replace("\\", "/")).replace(os.sep, "/")
             for name in table.columns["file"]]
    _refuse_files(table, files)
    domain_of = (read_domains(table, "category") if domains else
                 {category: spell_domain(category) for category in categories})
    return sorted(((file, category, domain_of[category])
                   for file, category in zip(files, categories)),
                  key=lambda row: (row[1], natural_key(row[0])))


def listed_files(path: Path) -> list[Path]:
    """Return the files that a table lists, as far as it can be read: some may be absent."""
    try:
        table = read_table(path, COLUMNS, optional_columns=(DOMAIN,), what=WHAT)
    except LabError:
        return []
    return [path.parent / name.replace("\\", "/") for name in table.columns["file"]]


def _refuse_files(table: TextTable, files: list[str]) -> None:
    """Refuse files that are listed twice, outside the folder, no images, or absent, by lines."""
    folder, counts = table.path.parent, Counter(files)
    for how, is_wrong, expected, remedy in (
            ("listed more than once", lambda name: counts[name] > 1,
             "each image once, in one category", "remove the lines that are wrong"),
            ("outside the table's folder", lambda name: name.split("/")[0] == "..",
             "paths below the folder of the table, or absolute ones",
             "move the table above the images, or write absolute paths"),
            ("not read as images", lambda name: not name.lower().endswith(SUFFIXES),
             f"images as {', '.join(SUFFIXES)}",
             "save them in one of these formats (PNG is lossless), or remove their lines"),
            (f"absent (looked for in {folder})", lambda name: not (folder / name).is_file(),
             "every listed file", "correct these lines, or put the files there")):
        wrong = [f"{name} (line {line})" for name, line in zip(files, table.lines)
                 if is_wrong(name)]
        if wrong:
            more = " …" if len(wrong) > EXAMPLES else ""
            raise LabError(f"{table.path}: {len(wrong)} of {len(files)} files are {how}: "
                           f"{', '.join(wrong[:EXAMPLES])}{more}", expected=expected,
                           remedy=remedy)
