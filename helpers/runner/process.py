"""A notebook run apart: in a process of its own, watched, its cost measured, its death noticed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 1.0
"""Seconds between two looks at the memory of a notebook's processes."""

_context = get_context("forkserver")
# Loaded once for all notebooks, instead of once by each of their processes. Nothing of ours: where
# the server starts, the path may not yet lead to it.
_context.set_forkserver_preload(["papermill", "jupytext", "nbformat", "nbclient"])


@dataclass
class Outcome:
    """What came of a notebook.

    Attributes
    ----------
    problem : str
        What went wrong; empty if nothing did.
    cpu_seconds : float
        User and system, of all its processes; NaN where they could not tell.
    memory : int
        The most bytes that its processes held at once (resident, looked at every second).
    """

    problem: str = ""
    cpu_seconds: float = float("nan")
    memory: int = 0


def run_in_process(source: Path, target: Path, parameters: dict[str, object],
              environment: Mapping[str, str], *, log: Path,
              tell: Callable[[int, int, str], None],
              started: Callable[[Any], None] = lambda _: None) -> Outcome:
    """Execute a notebook in a process of its own and wait for its end, however it ends.

    Parameters
    ----------
    source, target : Path
    parameters : dict
    environment : mapping of str to str
        In addition to this process's own.
    log : Path
        What its kernel chats goes there.
    tell : callable
        Called with number, total and heading when a cell begins.
    started : callable
        Gets the process, which has ``terminate()``.
    """
    from helpers.runner.execute import LAST_LINES, dead, serve

    outcome, at = Outcome(), "its start"
    line, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=serve, args=(
        theirs, source, target, parameters, {**os.environ, **environment}, log))
    process.start()
    theirs.close()  # else the end of the process would not be the end of the line
    started(process)
    done = False
    while not done:
        outcome.memory = max(outcome.memory, _held(process.pid))
        try:
            said = _next(line)
        except EOFError:
            break
        if said and said[0] == "cell":
            at = f"cell {said[1]} of {said[2]} ({said[3]})"
            tell(*said[1:])
        elif said:
            done, (outcome.problem, outcome.cpu_seconds) = True, said[1:]
    process.join()
    if not done:
        chat = log.read_text(errors="replace").splitlines() if log.is_file() else []
        outcome.problem = "\n".join([
            dead("the process that runs the notebook", at, process.exitcode), *chat[-LAST_LINES:]])
    return outcome


def _next(line: Connection) -> tuple | None:
    """Return what is said next; None where nothing is said for a while."""
    return line.recv() if line.poll(POLL_SECONDS) else None


def _held(pid: int) -> int:
    """Return the resident bytes of a process and all that it started."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for one in family:
        try:
            total += one.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total
