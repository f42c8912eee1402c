"""Where a drill may do harm: a temporary folder of its own, and processes that it started itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from helpers.core.errors import LabError
from helpers.core.paths import (
    CACHE_VARIABLE,
    DATA_VARIABLE,
    FIGURES_VARIABLE,
    ROOT,
    cache_dir,
)

TOKEN, PREFIX, MARKER = "LAB_DRILL", "lab-drill-", ".drill"
TIMEOUT_S = 900
"""Seconds within which every process that is not killed must have ended."""
PRELOADED = ("helpers.runner.__main__", "helpers.finetuning.training_loop",
             "helpers.training.readout", "helpers.datasets.fetch")
"""Loaded once, so that a process to be killed begins at once."""


@dataclass
class Ended:
    """How a process ended: status (negative: the signal that killed it), and what it said."""

    status: int
    said: str


@dataclass
class Ground:
    """A temporary folder, and what runs in it; a context that leaves neither behind.

    Attributes
    ----------
    folder : Path
        Made by `open_ground`, with a marker: nothing is killed, filled or damaged elsewhere.
    """

    folder: Path
    token: str
    preload: tuple[str, ...] = PRELOADED
    started: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = get_context("forkserver")
        self.context.set_forkserver_preload(list(self.preload))

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started.values():
            if process.is_alive():
                self.kill(process)
        orphans = self.orphans()
        for process in orphans:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(orphans, timeout=10)  # they may still write into the folder
        require_ground(self.folder, self.token)
        shutil.rmtree(self.folder)

    def room(self, name: str) -> Path:
        """Return a new empty folder of this ground."""
        require_ground(self.folder, self.token)
        folder = self.folder / f"{name}-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        return folder

    def start(self, function: Callable[..., object], *arguments: object, room: Path,
              environment: Mapping[str, str] | None = None) -> Any:
        """Call a function in a process of its own, leader of a new group, with its own folders.

        What it prints goes to ``<room>/.said``; data, cache and figures lie in ``room``.
        """
        require_ground(room, self.token)
        process = self.context.Process(target=_run_apart, args=(
            function, arguments, room, {**folders_of(room), **(environment or {})}))
        process.start()
        self.started[process.pid] = process
        return process

    def finish(self, process: Any, room: Path, timeout: float = TIMEOUT_S) -> Ended:
        """Wait for the end of a process that was started here."""
        process.join(timeout)
        if process.is_alive():
            self.kill(process)
            raise LabError(f"a drill's process still ran after {timeout:g} s",
                           expected="a process that ends",
                           remedy=f"see what it said: {said(room)[-500:]}")
        return Ended(process.exitcode, said(room))

    def call(self, function: Callable[..., object], *arguments: object, room: Path,
             environment: Mapping[str, str] | None = None) -> Ended:
        """Start a process and wait for its end."""
        return self.finish(self.start(function, *arguments, room=room, environment=environment),
                           room)

    def kill(self, process: Any) -> None:
        """Kill (signal 9) the group of a process that was started here."""
        if self.started.get(process.pid) is not process:
            raise LabError(f"process {process.pid} was not started by this drill",
                           expected=f"one of {', '.join(map(str, self.started)) or 'none'}",
                           remedy="end it yourself, if it is yours")
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()

    def orphans(self) -> list[psutil.Process]:
        """Return processes that still run, were started by those of this drill, and outlived them.
        """
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                # Not the server that starts the drill's processes, nor what belongs to it.
                if (process.environ().get(TOKEN) == self.token and process.pid != os.getpid()
                        and process.status() != psutil.STATUS_ZOMBIE
                        and "multiprocessing" not in " ".join(process.cmdline())):
                    found.append(process)
        return found

    def wait_for_orphans(self, seconds: float = 15.0) -> int:
        """Wait until no orphan runs; return how many still run after so many seconds."""
        end = time.monotonic() + seconds
        while (left := self.orphans()) and time.monotonic() < end:
            time.sleep(0.2)
        return len(left)


def open_ground(parent: Path | None = None, *, preload: tuple[str, ...] = PRELOADED) -> Ground:
    """Make a temporary folder of this drill's own, in the system's folder for these or another.

    Raises
    ------
    LabError
        If the other folder is not there, or is one in which the project keeps something.
    """
    parent = Path(parent or tempfile.gettempdir()).resolve()
    for kept in (ROOT, cache_dir(), Path(os.environ.get(DATA_VARIABLE) or ROOT / "data").resolve()):
        if parent.is_relative_to(kept):
            raise LabError(f"drills in {parent}", expected=f"a folder outside of {kept}",
                           remedy="leave --folder out: then the system's temporary folder is used")
    if not parent.is_dir():
        raise LabError(f"there is no folder {parent}", expected="a folder that exists",
                       remedy="make it, or leave --folder out")
    token = uuid.uuid4().hex
    os.environ[TOKEN] = token  # processes started from here on differ from all others by it
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    (folder / MARKER).write_text(token)
    return Ground(folder, token, preload)


def require_ground(folder: Path, token: str) -> None:
    """Refuse to work in a folder that is not, or does not lie in, a drill's own.

    Raises
    ------
    LabError
        If neither the folder nor any above it has this drill's marker.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        marker = place / MARKER
        if place.name.startswith(PREFIX) and marker.is_file() and marker.read_text() == token:
            return
    raise LabError(f"a drill in {folder}", expected=f"a temporary folder of its own ({PREFIX}…)",
                   remedy="python benchmarks/drills.py makes one by itself")


def folders_of(room: Path) -> dict[str, str]:
    """Return the variables that lead data, cache and figures into a folder."""
    return {DATA_VARIABLE: str(room / "data"), CACHE_VARIABLE: str(room / "cache"),
            FIGURES_VARIABLE: str(room / "figures"), "TQDM_DISABLE": "1", "LAB_HEADLESS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])}


def said(room: Path) -> str:
    """Return what the processes of a folder have printed so far."""
    path = room / ".said"
    return path.read_text(errors="replace") if path.is_file() else ""


def _run_apart(function: Callable[..., object], arguments: tuple, room: Path,
               environment: Mapping[str, str]) -> None:
    os.setsid()
    os.environ.update(environment)
    with open(room / ".said", "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        status = function(*arguments)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    sys.exit(status if isinstance(status, int) else 0)
