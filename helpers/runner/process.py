"""A notebook run apart: in a process of its own, watched, its cost measured, its death noticed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

import psutil

from helpers.core.console import NOTICES
from helpers.runner.job import NotebookJob
from helpers.runner.progress import RunProgress

POLL_SECONDS = 1.0
"""Seconds between two looks at the memory of a notebook's processes."""
BUSY_FRACTION = 0.05
"""Processes that wait (for a lock, an answer, each other) use less of a core than this."""

_has_forkserver = "forkserver" in get_all_start_methods()  # Windows has not
_context = get_context("forkserver" if _has_forkserver else "spawn")
if _has_forkserver:
    # Loaded once for all notebooks, instead of once by each of their processes. Nothing of ours:
    # where the server starts, the path may not yet lead to it.
    _context.set_forkserver_preload(["papermill", "jupytext", "nbformat", "nbclient"])


@dataclass
class ProcessWatch:
    """Looks at a process and all that it started: their memory, and whether they compute.

    Attributes
    ----------
    pid : int
    memory : int
        The most bytes that they held at once.
    busy_at : float
        When they last used CPU time, on the clock ``time.monotonic``, seconds.
    """

    pid: int
    memory: int = 0
    busy_at: float = field(default_factory=time.monotonic)
    _cpu_then: float = 0.0

    def look(self) -> float:
        """Look once; return for how many seconds they have used next to no CPU time."""
        now, resident, cpu = time.monotonic(), 0, 0.0
        for process in process_tree(self.pid):
            try:
                with process.oneshot():
                    resident += process.memory_info().rss
                    cpu += sum(process.cpu_times()[:4])  # user, system, and of children that ended
            except psutil.Error:  # it has just ended
                continue
        self.memory = max(self.memory, resident)
        if abs(cpu - self._cpu_then) > BUSY_FRACTION * (now - self.busy_at):
            self.busy_at, self._cpu_then = now, cpu
        return now - self.busy_at


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started; nothing where it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def run_in_process(job: NotebookJob, target: Path, environment: Mapping[str, str],
                   display: RunProgress, cell_limit: float = math.inf) -> None:
    """Execute a notebook in a process of its own and wait for its end, however it ends.

    Parameters
    ----------
    job : NotebookJob
        Gets what went wrong, and what the notebook's processes used.
    target : Path
        The executed notebook; what its kernel prints outside of cells goes into ``.log`` beside it.
    environment : mapping of str to str
        In addition to this process's own.
    display : RunProgress
        Is given every cell that begins, every line of `helpers.core.console.notice` from any of
        the processes, and about every second for how long they have used no CPU time.
    cell_limit : float
        Seconds after which a cell that has not ended ends the notebook, as a problem.
    """
    from helpers.runner.execute import (
        N_LOG_LINES,
        death_message,
        execute_and_report,
        limit_message,
    )

    position, cell_begin, log = "its start", time.monotonic(), target.with_name(".log")
    notices = NoticeFile(log.with_name(".notices"), partial(display.notice, job.stem))
    connection, child_connection = _context.Pipe(duplex=False)
    process = _context.Process(target=execute_and_report, args=(
        child_connection, job.source, target, job.parameters,
        {**os.environ, **environment, NOTICES: str(notices.path)}, log))
    process.start()
    child_connection.close()  # else the end of the process would not be the end of the line
    watch, ended = ProcessWatch(process.pid), False
    while not ended:
        display.look(job.stem, watch.look())
        notices.read()
        if time.monotonic() - cell_begin > cell_limit:
            end_process_tree(process.pid)
            ended, job.problem = True, limit_message(position, cell_limit)
        elif connection.poll(POLL_SECONDS):
            try:
                kind, *said = connection.recv()
            except EOFError:
                break
            if kind == "cell":
                position, cell_begin = "cell {} of {} ({})".format(*said), time.monotonic()
                display.cell(job.stem, *said)
            else:
                ended, (job.problem, job.cpu_seconds) = True, said
    process.join()
    notices.read()
    job.memory = watch.memory
    if not ended:
        printed = log.read_text(errors="replace").splitlines() if log.is_file() else []
        job.problem = "\n".join([
            death_message("the process that runs the notebook", position, process.exitcode),
            *printed[-N_LOG_LINES:]])


def end_process_tree(pid: int) -> None:
    """End a process and all that it started, kernels and their workers included."""
    for process in reversed(process_tree(pid)):
        with suppress(psutil.Error):  # it has just ended
            process.kill()


@dataclass
class NoticeFile:
    """The file into which a notebook's processes write lines for the log."""

    path: Path
    on_notice: Callable[[str], None]
    _n_read: int = 0

    def read(self) -> None:
        """Hand on what was written since the last time: whole lines."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._n_read)
                content = file.read()
        except OSError:
            return
        whole = content[:content.rfind(b"\n") + 1]
        self._n_read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self.on_notice(line)
