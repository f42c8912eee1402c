"""The only ways in which helpers speak: a line, and a progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")

HEADLESS = "LAB_HEADLESS"
"""Environment variable: set by the runner and by CI, where bars would fill logs."""


def echo(text: str = "") -> None:
    """Write one line to standard output at once.

    Letters that the output cannot show are replaced; that nobody listens is no error.
    """
    write(text + "\n")


def write(text: str) -> None:
    """Write to standard output as it is, at once, as `echo` does."""
    stream = sys.stdout
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoded = text.encode(stream.encoding or "ascii", "replace")
            stream.write(encoded.decode(stream.encoding or "ascii"))
        stream.flush()
    except (OSError, ValueError, AttributeError):  # full, closed, or there is none at all
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


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
    return tqdm(iterable, desc=label, total=total, mininterval=0.5, leave=False,
                disable=_bars_disabled())


def manual_bar(label: str, total: int, *, hidden: bool = False) -> tqdm:
    """Return a bar to be moved by hand; use it as a context."""
    return tqdm(desc=label, total=total, mininterval=0.5, leave=False,
                disable=hidden or _bars_disabled())


def _bars_disabled() -> bool:
    return bool(os.environ.get(HEADLESS)) or sys.stderr is None
