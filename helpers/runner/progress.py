"""How far a run is: the cell of every notebook, seconds, and an estimate of the rest."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from helpers.core.console import say, write

EVERY = 10.0
"""Seconds between two lines about a notebook, where a log is written and nobody watches."""

HINTS = {"02": 50, "03": 140, "05": 200, "06": 120, "07": 150, "08": 150, "09": 180, "10": 80,
         "12": 60, "13": 60}
"""Seconds that notebooks of the demo took on one of two cores, where no run has told yet; by
number. They decide what begins first: 05, whose networks others ask for, is put before all."""
HINT = 25


def expected_seconds(stem: str, stamp: Mapping[str, Any] | None) -> float:
    """Return the seconds that a notebook took last time, or about as many as it may take."""
    known = (stamp or {}).get("seconds", 0)
    return known or HINTS.get(stem[:2], HINT)


def clock(seconds: float) -> str:
    """Write a duration: 41 s, 2 min 5 s, 1 h 4 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class RunProgress:
    """Says how far a run is, in one line that is written over, or in lines of a log.

    Parameters
    ----------
    expected : mapping of str to float
        Stem of every notebook to be run -> seconds that it should take.
    at_once : int
        Notebooks that run side by side.
    """

    def __init__(self, expected: Mapping[str, float], at_once: int) -> None:
        self.expected, self.at_once = dict(expected), at_once
        self.live = sys.stdout is not None and sys.stdout.isatty()
        self.begun: dict[str, float] = {}
        self.took: dict[str, float] = {}
        self.cells: dict[str, str] = {}
        self.told: dict[str, float] = {}
        self.lock = threading.Lock()

    def start(self, stem: str) -> None:
        """Note that a notebook begins."""
        with self.lock:
            self.begun[stem] = self.told[stem] = time.monotonic()
            self._say(f"… {stem}  started")

    def cell(self, stem: str, number: int, total: int, heading: str) -> None:
        """Note that a cell begins."""
        with self.lock:
            self.cells[stem] = f"{stem}  cell {number} of {total} · {heading}"
            now = time.monotonic()
            if self.live:
                self._write_over()
            elif now - self.told[stem] >= EVERY:
                self.told[stem] = now
                self._say(f"  {self.cells[stem]} · {clock(now - self.begun[stem])}{self._rest()}")

    def end(self, stem: str, text: str, problem: str = "") -> None:
        """Note that a notebook ended, and say so, and what went wrong."""
        with self.lock:
            self.took[stem] = time.monotonic() - self.begun[stem]
            self.cells.pop(stem, None)
            self._say(text + self._rest() + (f"\n{problem}" if problem else ""))

    def remaining(self) -> float:
        """Return the seconds that the run will still take.

        Notebooks that have ended tell how fast this machine is, against what was expected. The
        rest is divided among those that run side by side, but takes no less than the longest.
        """
        was = sum(self.expected[stem] for stem in self.took)
        pace = sum(self.took.values()) / was if was > 0 else 1.0
        now = time.monotonic()
        left = [max(0.0, pace * seconds - (now - self.begun.get(stem, now)))
                for stem, seconds in self.expected.items() if stem not in self.took]
        return max(sum(left) / self.at_once, *left) if left else 0.0

    def _rest(self) -> str:
        rest = self.remaining()
        return f" · about {clock(rest)} left" if rest >= 1 else ""

    def _say(self, text: str) -> None:
        say(("\r\x1b[K" if self.live else "") + text)
        if self.live:
            self._write_over()

    def _write_over(self) -> None:
        now = time.monotonic()
        parts = [f"{cell} · {clock(now - self.begun[stem])}" for stem, cell in self.cells.items()]
        width = shutil.get_terminal_size().columns - 1
        text = (" | ".join(parts) + self._rest())[:width] if parts else ""
        write(f"\r\x1b[K{text}")
