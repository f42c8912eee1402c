"""Generated parts of a page: each lies between two comments of Markdown that name it.

Everything else is written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.core.console import echo
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write_text


def replace_part(text: str, name: str, content: str) -> str:
    """Return a Markdown text with the part of this name replaced.

    Raises
    ------
    LabError
        If the two comments that enclose the part are not there, once each.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise LabError(f"no part {name!r} in the document", expected=f"{begin} … {end}, once",
                       remedy="put the two comments back where the part belongs")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content.strip()}\n{end}{rest.split(end)[1]}"


def write_part(name: str, content: str, path: Path) -> None:
    """Replace one part of a page; one that is as it should be is not written again.

    The cards lie in the zoo, and a file written there makes all figures stale.
    """
    present = path.read_text(encoding="utf-8")
    text = replace_part(present, name, content)
    if text != present:
        atomic_write_text(path, text)
    echo(f"{path.name}: {name} written")


def write_parts(parts: Mapping[tuple[Path, str], str]) -> None:
    """Replace parts of several documents: document and name -> text."""
    for (document, name), content in parts.items():
        write_part(name, content, document)
