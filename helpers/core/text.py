"""Text that people edit: one reader of text, of lines and of tables, whoever wrote the file.

Excel, Windows and Mac leave marks of an encoding, other ends of lines, other separators, blanks
around names, and letters with accents in two parts. What has one meaning is read; anything else is
an error that names file and line. An older encoding without a mark is never guessed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.core.errors import LabError
from helpers.core.substitute_files import N_BYTES, describe_substitute

BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
                    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
                    (codecs.BOM_UTF16_BE, "utf-16"))
"""First bytes of a file -> its encoding; those of UTF-32 begin like those of UTF-16."""
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
    except FileNotFoundError as error:
        raise LabError(f"no file {path}", expected=what,
                       remedy="put it there, or correct its path") from error
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror or error}",
                       expected=f"{what}, in a file that you may read",
                       remedy="check that it is a file, and that you have the right to read it"
                       ) from error
    if content and (found := describe_substitute(content[:N_BYTES])):
        raise LabError(f"{path} cannot be read: it is {found[0]}", expected=what, remedy=found[1])
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _encoding_error(path, content, error) from error
    text = text.lstrip("\ufeff").rstrip("\x1a").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[:text.index("\0")].count("\n") + 1
        raise LabError(f"{path}, line {line}: a zero byte",
                       expected=f"{what} in UTF-8, or in UTF-16 with its mark (BOM)",
                       remedy=f"if it is a text, {UTF8_REMEDY}; if not, put the right file there")
    return unicodedata.normalize("NFC", text)


def _encoding_error(path: Path, content: bytes, error: UnicodeDecodeError) -> LabError:
    if error.encoding != "utf-8":
        return LabError(f"{path} begins like {error.encoding.upper()} and is not: {error.reason}, "
                        f"byte {error.start + 1} of {len(content)}",
                        expected="a whole text in UTF-8", remedy=UTF8_REMEDY)
    before = content[:error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    byte = content[error.start]
    return LabError(f"{path}, line {before.count(bytes([10])) + 1}: the byte 0x{byte:02x}, which "
                    f"is not UTF-8 (in Windows-1252 it is "
                    f"{bytes([byte]).decode('cp1252', 'replace')!r})",
                    expected="a text in UTF-8, or in UTF-16 with its mark (BOM)",
                    remedy=UTF8_REMEDY)


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
        cells = self.columns[name]
        if empty and "" in cells:
            cells = [cell or empty for cell in cells]
        try:
            values = np.array(list(map(float, cells)))
        except ValueError:
            values = np.array(list(map(_parse_number, cells)))
        # To Python, 1_0 is 10.
        invalid = np.flatnonzero(~(np.abs(values) <= MAX_WHOLE) | (values != np.round(values))
                                 | np.array(["_" in cell for cell in cells], bool))
        if len(invalid):
            raise self._cell_error(name, int(invalid[0]), "a whole number")
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
            raise self._cell_error(name, values.index(None), "True or False")
        return np.array(values, bool)

    def _cell_error(self, name: str, row: int, expected: str) -> LabError:
        cell = self.columns[name][row]
        return LabError(f"{self.path}, line {self.lines[row]}: {name} is "
                        f"{repr(cell) if cell else 'empty'}", expected=expected,
                        remedy="correct this cell; if it is a published table, use it as it was "
                        "published")


def _parse_number(cell: str) -> float:
    try:
        return float(cell)
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
    canonical_names = {name.casefold(): name for name in (*columns, *optional_columns)}
    headers = [_parse_header(text, mark, columns, canonical_names, header) for mark in SEPARATORS]
    matching = [pair for pair in zip(SEPARATORS, headers) if set(columns) <= set(pair[1])]
    if len({tuple(names) for _, names in matching}) != 1:  # one column needs no separator
        best_header = ", ".join(filter(None, max(headers, key=len)))[:200]
        raise LabError(f"{path} has the columns {best_header or 'none'}",
                       expected=f"{what}: the columns {','.join(columns)}, with commas (or "
                       "semicolons, or tabs) between them",
                       remedy="correct the line that names the columns" if header else
                       "use this file as it was published")
    separator, names = matching[0]
    duplicated = [name for name in canonical_names.values() if names.count(name) > 1]
    if duplicated:
        raise LabError(f"{path} has two columns {duplicated[0]!r}", expected="each column once",
                       remedy="remove or rename one of them")
    lines, rows = _parse_rows(path, text, separator, len(names))
    if header:
        lines, rows = lines[1:], rows[1:]
    table = TextTable(path, tuple(lines), {name: list(cells) for name, cells in zip(
        names, zip(*rows) if rows else [()] * len(names)) if name})
    for name in columns:
        if "" in table.columns[name]:
            row = table.columns[name].index("")
            raise LabError(f"{path}, line {lines[row]}: {name} is empty",
                           expected=f"a value for each of {','.join(columns)}",
                           remedy="fill this cell in, or remove the row")
    return table


def _parse_header(text: str, separator: str, columns: Sequence[str],
                  canonical_names: Mapping[str, str],
                  header: bool) -> list[str]:
    """Return the names of a table's columns if this were its separator; none if it is empty."""
    first = next((line for line in text.split("\n") if line.strip(f"{separator} \t")), "")
    try:
        cells = [cell.strip() for row in csv.reader([first], delimiter=separator,
                                                    skipinitialspace=True) for cell in row]
    except csv.Error:  # a cell that is too long: of no table
        return []
    while cells and not cells[-1]:
        cells.pop()
    if not header:
        return list(columns) if len(cells) == len(columns) else []
    return [canonical_names.get(cell.casefold(), cell) for cell in cells]


def _parse_rows(path: Path, text: str, separator: str, width: int
          ) -> tuple[list[int], list[list[str]]]:
    """Return line and cells of all rows that hold anything, each with ``width`` cells."""
    reader = csv.reader(io.StringIO(text.rstrip("\n") + "\n"), delimiter=separator,
                        skipinitialspace=True)
    lines, rows, start = [], [], 1
    try:
        for row in reader:
            line, start = start, reader.line_num + 1
            if start > line + 1 or row and "\n" in row[-1]:
                raise LabError(f"{path}, line {line}: a quotation mark that is not closed there",
                               expected="quotes around a whole cell, in one line",
                               remedy="close or remove the quotation mark")
            cells = list(map(str.strip, row))
            if not any(cells):
                continue
            if len(cells) != width and (len(cells) < width or any(cells[width:])):
                raise LabError(
                    f"{path}, line {line}: {len(cells)} cells: {separator.join(cells)[:80]!r}",
                    expected=f"{width} cells, with a {SEPARATORS[separator]} between them",
                    remedy=f"add what is missing, or put \"quotes\" around a cell that holds a "
                           f"{SEPARATORS[separator]}")
            lines.append(line)
            rows.append(cells[:width])
    except csv.Error as error:
        raise LabError(f"{path}, line {start}: {error}", expected="a table",
                       remedy="correct this line") from error
    return lines, rows
