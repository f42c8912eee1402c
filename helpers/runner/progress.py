"""How far a run is: the cell of every notebook, seconds, and an estimate of the rest."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from helpers.core.console import echo, write

LOG_INTERVAL_S = 10.0
"""Seconds between two lines about a notebook, where a log is written and nobody watches."""
LONG_CELL_INTERVAL_S = 60.0
"""Seconds between two lines of a log about a notebook that stays at one cell."""
IDLE_S = 300.0
"""Seconds without any CPU time after which a notebook is reported to be waiting, and again after
as many more. Fits, training and decoding use CPU time all the while."""
IDLE_ADVICE = ("no process of this notebook is computing: it waits for a lock that another run "
               "holds, for a disk, for a network, or for a worker process that hangs. Nothing is "
               "ended by itself. If no other run is at work, press Ctrl-C (what is finished is "
               "kept) and run the same command again; --cell-limit MINUTES sets a limit")

EXPECTED_SECONDS = {"02": 50, "03": 140, "05": 200, "06": 120, "07": 150, "08": 150, "09": 180,
                    "10": 80, "12": 60, "13": 60, "16": 50}
"""Seconds that notebooks of the demo took on one of two cores, where no run has told yet; by
number. They decide what begins first: 05, whose networks others ask for, is put before all."""
DEFAULT_SECONDS = 25


def expected_seconds(stem: str, stamp: Mapping[str, Any] | None) -> float:
    """Return the seconds that a notebook took last time, or about as many as it may take."""
    return (stamp or {}).get("seconds") or EXPECTED_SECONDS.get(stem[:2], DEFAULT_SECONDS)


def format_duration(seconds: float) -> str:
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
    n_parallel : int
        Notebooks that run side by side.
    """

    def __init__(self, expected: Mapping[str, float], n_parallel: int) -> None:
        self.expected, self.n_parallel = dict(expected), n_parallel
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.start_times: dict[str, float] = {}
        self.durations: dict[str, float] = {}
        self.cells: dict[str, str] = {}
        self.last_report: dict[str, float] = {}
        self.n_idle_reports: dict[str, int] = {}
        self.lock = threading.Lock()

    def start(self, stem: str) -> None:
        """Note that a notebook begins."""
        with self.lock:
            self.start_times[stem] = self.last_report[stem] = time.monotonic()
            self._print_line(f"… {stem}  started")

    def cell(self, stem: str, number: int, total: int, heading: str) -> None:
        """Note that a cell begins."""
        with self.lock:
            self.cells[stem] = f"{stem}  cell {number} of {total} · {heading}"
            self._report_cell(stem, LOG_INTERVAL_S)

    def look(self, stem: str, idle_seconds: float) -> None:
        """Note that a notebook still runs, and for how long its processes have used no CPU time."""
        with self.lock:
            n_idle = int(idle_seconds // IDLE_S)
            if n_idle > self.n_idle_reports.get(stem, 0):
                self._print_line(f"  {self.cells.get(stem, stem)} · no CPU time used for "
                                 f"{format_duration(idle_seconds)}: {IDLE_ADVICE}")
            self.n_idle_reports[stem] = n_idle
            self._report_cell(stem, LONG_CELL_INTERVAL_S)

    def notice(self, stem: str, text: str) -> None:
        """Print a line that a notebook's processes wrote for the log."""
        with self.lock:
            self._print_line(f"  {stem}: {text}")

    def _report_cell(self, stem: str, interval: float) -> None:
        """Write the line of a terminal anew, or one of a log if its last is ``interval`` s ago."""
        now = time.monotonic()
        if self.is_terminal:
            self._overwrite_line()
        elif stem in self.cells and now - self.last_report[stem] >= interval:
            self.last_report[stem] = now
            duration = format_duration(now - self.start_times[stem])
            self._print_line(f"  {self.cells[stem]} · {duration}{self._remaining_text()}")

    def end(self, stem: str, text: str, problem: str = "") -> None:
        """Note that a notebook ended, and say so, and what went wrong."""
        with self.lock:
            self.durations[stem] = time.monotonic() - self.start_times[stem]
            self.cells.pop(stem, None)
            self._print_line(text + self._remaining_text() + (f"\n{problem}" if problem else ""))

    def remaining(self) -> float:
        """Return the seconds that the run will still take.

        Notebooks that have ended tell how fast this machine is, against what was expected. The
        rest is divided among those that run side by side, but takes no less than the longest.
        """
        expected_total = sum(self.expected[stem] for stem in self.durations)
        slowdown = sum(self.durations.values()) / expected_total if expected_total > 0 else 1.0
        now = time.monotonic()
        left = [max(0.0, slowdown * seconds - (now - self.start_times.get(stem, now)))
                for stem, seconds in self.expected.items() if stem not in self.durations]
        return max(sum(left) / self.n_parallel, *left) if left else 0.0

    def _remaining_text(self) -> str:
        rest = self.remaining()
        return f" · about {format_duration(rest)} left" if rest >= 1 else ""

    def _print_line(self, text: str) -> None:
        echo(("\r\x1b[K" if self.is_terminal else "") + text)
        if self.is_terminal:
            self._overwrite_line()

    def _overwrite_line(self) -> None:
        now = time.monotonic()
        parts = [f"{cell} · {format_duration(now - self.start_times[stem])}"
                 for stem, cell in self.cells.items()]
        width = shutil.get_terminal_size().columns - 1
        text = (" | ".join(parts) + self._remaining_text())[:width] if parts else ""
        write(f"\r\x1b[K{text}")
