"""Files that lie in place of others: web pages, pointers of Git LFS and git-annex, empty files.

A download that asked for a login, and a clone without its large files, leave such a file under the
right name. It is whole, so that fetching it again the same way brings the same.
"""

from __future__ import annotations

import re
from pathlib import Path

from helpers.core.errors import LabError

SUBSTITUTES = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"),
     "a pointer of Git LFS, not the file itself",
     "run `git lfs pull` where it was cloned, and copy the file from there"),
    (re.compile(rb"/annex/objects/\S+\s*\Z"),
     "a pointer of git-annex, not the file itself",
     "run `datalad get` or `git annex get` with its name where it was cloned, and copy the file "
     "from there"),
    (re.compile(rb"<(!doctype\s+html|html|head|body|\?xml|error>)", re.IGNORECASE),
     "a web page: {excerpt}",
     "open its address in a browser: the server may ask for a login, for consent, or to wait; then "
     "fetch it again"))
"""How such a file begins, what it is, and what to do."""
N_BYTES = 512
"""Of a file's beginning, that are looked at."""


def substitute_error(path: Path, expected: str) -> LabError | None:
    """Return the error for a file that lies in place of another; None where it is no such file.

    Parameters
    ----------
    path : Path
    expected : str
        What should be there.
    """
    try:
        with path.open("rb") as file:
            head = file.read(N_BYTES)
    except OSError:
        return None
    found = describe_substitute(head)
    return LabError(f"{path} cannot be read: it is {found[0]}", expected=expected,
                    remedy=found[1]) if found else None


def describe_substitute(head: bytes) -> tuple[str, str] | None:
    """Say what a file that begins like this is, and what to do; None where it may be data."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return "empty", "fetch it again, or copy it again from where it was made"
    for beginning, what, remedy in SUBSTITUTES:
        if beginning.match(text):
            return what.format(excerpt=excerpt(text)), remedy
    return None


def excerpt(text: bytes) -> str:
    """Return the first characters of a text, in one line."""
    return repr(" ".join(text.decode("utf-8", errors="replace").split())[:60])
