"""A notebook run apart: in a process of its own, watched, its cost measured, its death noticed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 1.0
"""Seconds between two looks at the memory of a notebook's processes."""

_has_forkserver = "forkserver" in get_all_start_methods()  # Windows has not
_context = get_context("forkserver" if _has_forkserver else "spawn")
if _has_forkserver:
    # Loaded once for all notebooks, instead of once by each of their processes. Nothing of ours:
    # where the server starts, the path may not yet lead to it.
    _context.set_forkserver_preload(["papermill", "jupytext", "nbformat", "nbclient"])


@dataclass
class ProcessResult:
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
                   on_cell: Callable[[int, int, str], None],
                   on_start: Callable[[Any], None] = lambda _: None) -> ProcessResult:
    """Execute a notebook in a process of its own and wait for its end, however it ends.

    Parameters
    ----------
    source, target : Path
    parameters : dict
    environment : mapping of str to str
        In addition to this process's own.
    log : Path
        What its kernel chats goes there.
    on_cell : callable
        Called with number, total and heading when a cell begins.
    on_start : callable
        Gets the process, which has ``terminate()``.
    """
    from helpers.runner.execute import N_LOG_LINES, death_message, execute_and_report

    result, position = ProcessResult(), "its start"
    connection, child_connection = _context.Pipe(duplex=False)
    process = _context.Process(target=execute_and_report, args=(
        child_connection, source, target, parameters, {**os.environ, **environment}, log))
    process.start()
    child_connection.close()  # else the end of the process would not be the end of the line
    on_start(process)
    finished = False
    while not finished:
        result.memory = max(result.memory, _resident_bytes(process.pid))
        try:
            message = _poll_message(connection)
        except EOFError:
            break
        if message and message[0] == "cell":
            position = f"cell {message[1]} of {message[2]} ({message[3]})"
            on_cell(*message[1:])
        elif message:
            finished, (result.problem, result.cpu_seconds) = True, message[1:]
    process.join()
    if not finished:
        log_lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        result.problem = "\n".join([
            death_message("the process that runs the notebook", position, process.exitcode),
            *log_lines[-N_LOG_LINES:]])
    return result


def _poll_message(connection: Connection) -> tuple | None:
    """Return what is said next; None where nothing is said for a while."""
    return connection.recv() if connection.poll(POLL_SECONDS) else None


def _resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process and all that it started."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total
