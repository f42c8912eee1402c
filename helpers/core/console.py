"""The only ways in which helpers speak: a line, and a progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")

HEADLESS = "LAB_HEADLESS"
"""Environment variable: set by the runner and by CI, where bars would fill logs."""
NOTICES = "LAB_NOTICES"
"""Environment variable: set by the runner to a file, whose lines it prints in its log."""


def echo(text: str = "") -> None:
    """Write one line to standard output at once.

    Letters that the output cannot show are replaced; that nobody listens is no error.
    """
    write(text + "\n")


def write(text: str) -> None:
    """Write to standard output as it is, at once, as `echo` does."""
    try:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # full, closed, or there is none at all
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def notice(text: str) -> None:
    """Report in the log what a person should know and no result depends on, such as damage mended.

    In a notebook that the runner executes, the line stands in the runner's log and not in the
    output of a cell, so that the executed notebook is the same with and without it; worker
    processes, whose standard output nobody reads, are heard as well.
    """
    path = os.environ.get(NOTICES)
    if path:
        with suppress(OSError):
            # One write at the end of the file: lines of several processes do not mix.
            with open(path, "ab", buffering=0) as file:
                file.write(f"{' '.join(text.split())}\n".encode())
            return
    echo(text)


def progress(iterable: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Pass ``iterable`` on, with a bar where a person is watching.

    Parameters
    ----------
    iterable : iterable
    label : str
        What is being done, in the words of the reader.
    total : int, optional
        Length, where ``iterable`` does not know it.
    """
    return _bar(iterable, label, total)


def manual_bar(label: str, total: int, *, hidden: bool = False) -> tqdm:
    """Return a bar to be moved by hand; use it as a context."""
    return _bar(None, label, total, hidden)


def _bar(iterable: Iterable[T] | None, label: str, total: int | None,
         hidden: bool = False) -> tqdm:
    return tqdm(iterable, desc=label, total=total, mininterval=0.5, leave=False,
                disable=hidden or bool(os.environ.get(HEADLESS)) or sys.stderr is None)
