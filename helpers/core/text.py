"""Text that people edit: one reader of text, of lines and of tables, whoever wrote the file.

Excel, Windows and Mac leave marks of an encoding, other ends of lines, other separators, blanks
around names, and letters with accents in two parts. What has one meaning is read; anything else is
an error that names file and line. An older encoding without a mark is never guessed.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.substitute_files import substitute_error

BYTE_ORDER_MARKS = {"utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
                    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)}
"""Encoding -> how a file in it begins; what begins like UTF-32 also begins like UTF-16."""
UTF8_REMEDY = ("save it as UTF-8 (Excel: 'CSV UTF-8'; Notepad: Save as, encoding UTF-8; or "
               "iconv -f WINDOWS-1252 -t UTF-8, with the encoding it really has)")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
LONGEST_NAME = 150
UNSAFE_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f<>\u2028-\u202e\u2066-\u2069]|\]\(")
UNSAFE_IN_FILES = re.compile(r"[/\\]|^\.")
"""What a name from data must not hold; among them marks that turn the direction of writing."""
MAX_WHOLE = 2**53
"""Whole numbers up to here are exact, also where they are written with decimals."""
BOOLEANS = {**dict.fromkeys(("true", "yes", "1", "1.0"), True),
            **dict.fromkeys(("false", "no", "0", "0.0"), False)}


def read_text(path: Path, what: str = "a text") -> str:
    """Read a text: UTF-8 with or without its mark, UTF-16 or UTF-32 with it; lines end in ``\\n``.

    Letters with accents come out in one part (Unicode's form NFC), as most systems write them.

    Parameters
    ----------
    path : Path
    what : str
        What should be there, for the error.

    Raises
    ------
    LabError
        If the file is missing or locked, or is in another encoding: names byte and line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"no file {path}" if isinstance(error, FileNotFoundError) else
                       f"{path} cannot be read: {error.strerror or error}", expected=what,
                       remedy="put it there, or correct its path; if it is there, check that it "
                       "is a file, and that you have the right to read it") from error
    if content and (substitute := substitute_error(path, what)):
        raise substitute
    encoding = next((name for name, marks in BYTE_ORDER_MARKS.items()
                     if content.startswith(marks)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        byte = content[error.start:error.start + 1]
        seen = (f"the byte 0x{byte.hex()}, which is not UTF-8 (in Windows-1252 it is "
                f"{byte.decode('cp1252', 'replace')!r})" if encoding == "utf-8" else
                f"it begins like {encoding.upper()} and is not: {error.reason}")
        raise _encoding_error(path, content[:error.start].decode(encoding, "replace"), seen,
                              what) from error
    if "\0" in text:
        raise _encoding_error(path, text[:text.index("\0")], "a zero byte", what)
    text = re.sub(r"\r\n?", "\n", text.lstrip("\ufeff").rstrip("\x1a"))
    return unicodedata.normalize("NFC", text)


def _encoding_error(path: Path, before: str, seen: str, what: str) -> LabError:
    line = len(re.findall(r"\r\n?|\n", before)) + 1
    return LabError(f"{path}, line {line}: {seen}",
                    expected=f"{what} in UTF-8, or in UTF-16 with its mark (BOM)",
                    remedy=f"if it is a text, {UTF8_REMEDY}; if not, put the right file there")


def normalise_name(name: str) -> str:
    """Return a name as names are compared: no blanks around it, accents in one part (NFC)."""
    return unicodedata.normalize("NFC", name).strip()


def check_name(name: str, where: object, what: str, *, of_file: bool = False) -> str:
    """Return a name that comes from data, refusing what figures, notebooks and pages would execute.

    Parameters
    ----------
    name : str
        Of a category, a domain, a region, a participant.
    where : Path or str
        The file or folder, for the error.
    what : str
        What it names, for the error.
    of_file : bool
        Whether names of files are made of it.

    Raises
    ------
    LabError
        If it is longer than `LONGEST_NAME`; if it holds a control character, an angle bracket
        (HTML) or the middle of a link (Markdown); of a file's name, also a slash or a first dot.
    """
    bad = UNSAFE_IN_NAMES.search(name) or (of_file and UNSAFE_IN_FILES.search(name))
    if bad or len(name) > LONGEST_NAME:
        seen = f"holds {bad[0]!r}" if bad else f"has {len(name)} letters"
        raise LabError(f"{where}: the name {name[:60]!r} of {what} {seen}",
                       expected=f"a name of {LONGEST_NAME} letters or fewer without < and >, "
                       "control characters and links"
                       + ", without slashes, not beginning with a dot" * of_file,
                       remedy="rename it: it is written into figures, tables and notebooks")
    return name


def read_lines(path: Path, what: str = "a list") -> list[tuple[int, str]]:
    """Return number and text of the lines of a list, blanks around them and empty ones left out."""
    return [(number, line.strip())
            for number, line in enumerate(read_text(path, what).split("\n"), 1) if line.strip()]


@dataclass(frozen=True)
class TextTable:
    """Cells of a table, as text without blanks around it.

    Attributes
    ----------
    path : Path
    lines : tuple of int
        Line of each row in the file.
    columns : mapping of str to list of str
    """

    path: Path
    lines: tuple[int, ...]
    columns: Mapping[str, list[str]]

    def integers(self, name: str, *, empty: str = "") -> NDArray[np.int64]:
        """Return a column of whole numbers (3 or 3.0), int64, shape (n_rows,).

        Parameters
        ----------
        name : str
        empty : str
            What an empty cell means; by default it is refused.

        Raises
        ------
        LabError
            If a cell is no whole number: names the line.
        """
        values = np.array([_parse_number(cell or empty) for cell in self.columns[name]])
        invalid = np.flatnonzero(~(np.abs(values) <= MAX_WHOLE) | (values != np.round(values)))
        if len(invalid):
            raise self.cell_error(name, int(invalid[0]), "a whole number")
        return values.astype(np.int64)

    def booleans(self, name: str) -> NDArray[np.bool_]:
        """Return a column of true and false (yes, no, 1, 0), bool, shape (n_rows,).

        Raises
        ------
        LabError
            If a cell is neither: names the line.
        """
        values = [BOOLEANS.get(cell.lower()) for cell in self.columns[name]]
        if None in values:
            raise self.cell_error(name, values.index(None), "True or False")
        return np.array(values, bool)

    def cell_error(self, name: str, row: int, expected: str) -> LabError:
        """Return the error to raise about a cell: names the line."""
        cell = self.columns[name][row]
        return LabError(f"{self.path}, line {self.lines[row]}: {name} is "
                        f"{repr(cell) if cell else 'empty'}", expected=expected,
                        remedy="correct this cell; if it is a published table, use it as it was "
                        "published")


def _parse_number(cell: str) -> float:
    try:
        return float("nan" if "_" in cell else cell)  # to Python, 1_0 is 10
    except ValueError:
        return float("nan")


def read_table(path: Path, columns: Sequence[str], *, header: bool = True,
               optional_columns: Sequence[str] = (), what: str = "a table") -> TextTable:
    """Read a CSV file: commas, or the semicolons and tabs that Excel writes.

    Names of columns may be in another case and order; further columns are kept. Empty rows are
    left out.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Columns that must be there, by the names that the result has.
    header : bool
        Whether the first line names the columns; without it, they are ``columns``.
    optional_columns : sequence of str
        Further columns, whose cells may be empty; of ``columns``, none may.
    what : str
        What the table is, for errors.

    Raises
    ------
    LabError
        As `read_text`; if a column is missing or named twice, a row has more or fewer cells, or a
        cell is empty or spans lines: names the line.
    """
    text = re.sub(r"\Asep=.(?=\n)", "", read_text(path, what), flags=re.IGNORECASE)
    lines = list(enumerate(text.split("\n"), 1))
    first = next((pair for pair in lines if re.search(r"[^\s,;]", pair[1])), lines[0])
    names, separator = _column_names(path, *first, columns, optional_columns, header, what)
    rows = {number: cells for number, line in lines[first[0] if header else 0:]
            if any(cells := _split_line(path, number, line, separator))}
    for number, cells in rows.items():
        if len(cells) < len(names) or any(cells[len(names):]):
            mark = SEPARATORS[separator]
            raise LabError(f"{path}, line {number}: {len(cells)} cells: "
                           f"{separator.join(cells)[:80]!r}",
                           expected=f"{len(names)} cells, with a {mark} between them",
                           remedy="add what is missing, or put \"quotes\" around a cell that holds "
                           f"a {mark}")
    table = TextTable(path, tuple(rows), {name: [cells[i] for cells in rows.values()]
                                          for i, name in enumerate(names) if name})
    for name in columns:
        if "" in table.columns[name]:
            raise table.cell_error(name, table.columns[name].index(""),
                                   f"a value for each of {','.join(columns)}")
    return table


def _column_names(path: Path, number: int, line: str, columns: Sequence[str],
                  optional_columns: Sequence[str], header: bool, what: str
                  ) -> tuple[tuple[str, ...], str]:
    """Return the names of a table's columns, by its first line, and what separates its cells."""
    canonical_names = {name.casefold(): name for name in (*columns, *optional_columns)}
    headers = {}
    for separator in SEPARATORS:
        cells = _split_line(path, number, line, separator)
        while cells and not cells[-1]:
            cells.pop()
        headers[separator] = ([canonical_names.get(cell.casefold(), cell) for cell in cells]
                              if header else columns if len(cells) == len(columns) else [])
    matching = {tuple(names): separator for separator, names in reversed(headers.items())
                if set(columns) <= set(names)}
    if len(matching) != 1:  # one column needs no separator
        best_header = ", ".join(filter(None, max(headers.values(), key=len)))[:200]
        raise LabError(f"{path} has the columns {best_header or 'none'}",
                       expected=f"{what}: the columns {','.join(columns)}, with commas (or "
                       "semicolons, or tabs) between them",
                       remedy="correct the line that names the columns" if header else
                       "use this file as it was published")
    ((names, separator),) = matching.items()
    duplicated = [name for name in canonical_names.values() if names.count(name) > 1]
    if duplicated:
        raise LabError(f"{path} has two columns {duplicated[0]!r}", expected="each column once",
                       remedy="remove or rename one of them")
    return names, separator


def _split_line(path: Path, number: int, line: str, separator: str) -> list[str]:
    """Return the cells of a line, without blanks around them."""
    try:
        (cells,) = csv.reader([f"{line}\n"], delimiter=separator, skipinitialspace=True)
        if cells and "\n" in cells[-1]:
            raise csv.Error("a quotation mark that is not closed there")
    except csv.Error as error:
        raise LabError(f"{path}, line {number}: {error}",
                       expected="cells in one line, a quotation mark on both sides or on none",
                       remedy="correct this line") from error
    return [cell.strip() for cell in cells]
