"""A table of images: a CSV file that lists each image's file, its category, and its domain."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.text import TextTable, check_name, read_table
from helpers.stimuli.folders import SUFFIXES, natural_key

COLUMNS = ("file", "category")
DOMAIN = "domain"
"""Optional column; without it, the domain of an image is its category."""
WHAT = "a table of images"
EXAMPLES = 3
"""Of files that are absent, so many are named."""

Row = tuple[str, str, str]
"""File (absolute, or relative to the table's folder), category, domain."""


def read_image_table(path: Path, domains: Iterable[str]) -> list[Row]:
    """Read which images a table lists, by category, then in natural order of their files.

    Files count from the table's folder and lie below it; an absolute path may lead elsewhere. The
    order of lines does not matter.

    Parameters
    ----------
    path : Path
        CSV file with the columns file and category, and perhaps domain.
    domains : iterable of str
        Domains whose spelling is known: a table may write them in capitals.

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
    _require_file(path)
    table = read_table(path, COLUMNS, optional_columns=(DOMAIN,), what=WHAT)
    if not table.lines:
        raise LabError(f"{path} lists no image", expected="one line for each image",
                       remedy="add lines such as faces/anna.png,faces")
    files = [os.path.normpath(name.replace("\\", "/")).replace(os.sep, "/")
             for name in table.columns["file"]]
    for name in dict.fromkeys(table.columns["category"] + table.columns.get(DOMAIN, [])):
        check_name(name, path, "a category or a domain")
    _refuse_duplicates(table, files)
    _refuse_absent(table, files)
    spelt = _domains(table, domains)
    return sorted(zip(files, table.columns["category"], spelt),
                  key=lambda row: (row[1], natural_key(row[0])))


def listed_files(path: Path) -> list[Path]:
    """Return the files that a table lists, as far as it can be read: some may be absent."""
    try:
        table = read_table(path, COLUMNS, optional_columns=(DOMAIN,), what=WHAT)
    except LabError:
        return []
    return [path.parent / name.replace("\\", "/") for name in table.columns["file"]]


def _require_file(path: Path) -> None:
    if path.is_dir():
        tables = sorted(file.name for file in path.glob("*.csv"))
        raise LabError(f"{path} is a folder", expected=f"{WHAT}: a CSV file with the columns "
                       f"{', '.join(COLUMNS)} and perhaps {DOMAIN}",
                       remedy=f"write path = \"…/{tables[0]}\" in the profile" if tables else
                       "write the CSV file's path in the profile; for one folder per category, "
                       "write layout = \"imagefolder\"")


def _refuse_duplicates(table: TextTable, files: list[str]) -> None:
    first: dict[str, int] = {}
    for row, name in enumerate(files):
        before = first.setdefault(name, row)
        if before == row:
            continue
        one, other = (table.columns["category"][i] for i in (before, row))
        as_what = f" as {other!r}, and as {one!r} in" if one != other else ", and in"
        raise LabError(f"{table.path}, line {table.lines[row]}: {name} is listed{as_what} line "
                       f"{table.lines[before]}", expected="each image once, in one category",
                       remedy="remove the line that is wrong")


def _refuse_absent(table: TextTable, files: list[str]) -> None:
    """Refuse files outside the folder, absent ones, and those that are no images, by their lines.
    """
    outside = [row for row, name in enumerate(files) if name == ".." or name.startswith("../")]
    _refuse(table, files, outside, "outside the table's folder", "paths below the folder of the "
            "table, or absolute ones", "move the table above the images, or write absolute paths")
    wrong = [row for row, name in enumerate(files) if not name.lower().endswith(SUFFIXES)]
    _refuse(table, files, wrong, "not read as images", f"images as {', '.join(SUFFIXES)}",
            "save them in one of these formats (PNG is lossless), or remove their lines")
    absent = [row for row, name in enumerate(files) if not (table.path.parent / name).is_file()]
    _refuse(table, files, absent, f"absent (looked for in {table.path.parent})",
            "every listed file", "correct these lines, or put the files there")


def _refuse(table: TextTable, files: list[str], rows: list[int], how: str, expected: str,
            remedy: str) -> None:
    if rows:
        named = ", ".join(f"{files[row]} (line {table.lines[row]})" for row in rows[:EXAMPLES])
        more = " …" if len(rows) > EXAMPLES else ""
        raise LabError(f"{table.path}: {len(rows)} of {len(files)} files are {how}: {named}{more}",
                       expected=expected, remedy=remedy)


def _domains(table: TextTable, domains: Iterable[str]) -> list[str]:
    """Return the domain of each row: one for each category, in a known domain's spelling."""
    spelt = {domain.casefold(): domain for domain in domains}
    categories = table.columns["category"]
    of_row = table.columns.get(DOMAIN)
    if of_row is None:
        return [spelt.get(category.casefold(), category) for category in categories]
    domain_of: dict[str, str] = {}
    for line, category, cell in zip(table.lines, categories, of_row):
        if not cell:
            raise LabError(f"{table.path}, line {line}: {DOMAIN} is empty",
                           expected=f"a {DOMAIN} in every line, or no column {DOMAIN}",
                           remedy="fill this cell in")
        domain = spelt.setdefault(cell.casefold(), cell)
        if domain_of.setdefault(category, domain) != domain:
            raise LabError(f"{table.path}, line {line}: {category!r} has the domain {domain!r}, "
                           f"and {domain_of[category]!r} further up",
                           expected="one domain for each category",
                           remedy="correct the line that is wrong, or use two categories")
    return [domain_of[category] for category in categories]
