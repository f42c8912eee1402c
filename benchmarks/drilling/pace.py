"""Slow motion: what lasts milliseconds is stretched, and each phase is marked as it begins.

Imported by the processes that are killed (runner, kernels, trainings, downloads). Where the
variable `PACE` is not set nothing is slowed down, and the bytes written are the same.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.core import cache

MARKS, PACE = "LAB_DRILL_MARKS", "LAB_DRILL_PACE"
"""Variables: the file to which phases are appended, and the seconds that each is stretched by."""
N_PIECES = 20

STARTING, COMPUTING, STATE, CACHE = ("starting", "computing", "writing a training state",
                                     "writing a cache file")
DRAWING, FIGURES, NOTEBOOKS = "drawing", "publishing figures", "publishing notebooks"
ARRIVING, VERIFYING = "bytes arriving", "verifying"


def mark(phase: str) -> None:
    """Append a phase to the file of marks; the end of the file is the phase that a process is in.
    """
    path = os.environ.get(MARKS)
    if path:
        with open(path, "ab", buffering=0) as file:
            file.write(f"{time.monotonic():.4f} {phase}\n".encode())


def read_marks(path: Path) -> list[tuple[float, str]]:
    """Return the phases that were marked so far, each with its time on the monotonic clock."""
    if not path.is_file():
        return []
    rows = [line.split(" ", 1) for line in path.read_text().splitlines() if " " in line]
    return [(float(seconds), phase) for seconds, phase in rows]


def wait(parts: int = 1) -> None:
    """Do nothing for one of ``parts`` equal parts of the pace."""
    time.sleep(float(os.environ.get(PACE, 0)) / parts)


def stretch(function: Callable[..., Any], phase: str, after: str = "") -> Callable[..., Any]:
    """Return a function that marks a phase, waits before and after it, and marks the next one."""
    def stretched(*arguments: Any, **named: Any) -> Any:
        mark(phase)
        wait(2)
        found = function(*arguments, **named)
        wait(2)
        if after:
            mark(after)
        return found
    return stretched


def write_slowly(path: Path, content: bytes) -> None:
    """Write a file piece by piece, so that a kill finds it half written."""
    step = max(1, -(-len(content) // N_PIECES))
    with open(path, "wb", buffering=0) as file:
        for begin in range(0, len(content), step):
            file.write(content[begin:begin + step])
            wait(N_PIECES)


def slow_cache() -> None:
    """Let this process write its cache files slowly, and the record of each after a while."""
    if np.savez.__name__ == "slow_savez":  # it does already
        return
    savez = np.savez

    def slow_savez(path: Path, **arrays: np.ndarray) -> None:
        mark(CACHE)
        buffer = io.BytesIO()
        savez(buffer, **arrays)
        write_slowly(path, buffer.getvalue())

    np.savez = slow_savez
    cache.file_digest = stretch(cache.file_digest, CACHE)


def slow_runner(runner: Any) -> None:
    """Let a runner move figures and write notebooks slowly."""
    replace = os.replace

    def slow_replace(source: Path, target: Path) -> None:
        wait(8)
        replace(source, target)

    def slow_copy(source: Path, target: Path) -> Path:
        write_slowly(Path(target), Path(source).read_bytes())
        return target

    publish = runner.Runner._publish

    def publish_slowly(self: Any, *arguments: Any) -> None:
        mark(FIGURES)
        os.replace = slow_replace
        try:
            publish(self, *arguments)
        finally:
            os.replace = replace

    runner.Runner._publish = publish_slowly
    runner.publish_notebooks = stretch(runner.publish_notebooks, NOTEBOOKS)
    shutil.copyfile = slow_copy
