"""Run one notebook headless, in a process of its own (started by `helpers.runner.process`)."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from helpers.core.errors import LabError
from helpers.core.machine import WORKERS_VARIABLE
from helpers.core.paths import ROOT
from helpers.runner.notebooks import clean_outputs, read_source, write

LAST_LINES = 12
START_LIMIT, STARTS = 300, 3
"""Seconds within which a kernel must answer, and how often it is tried: kernels that start at the
same moment may choose the same port, and one of them then ends at once."""
DEAD_WORKER = ("TerminatedWorkerError", "BrokenProcessPool")
"""What joblib and Python raise where a worker process was killed."""
REMEDY = (f"free memory, or run less at once (--jobs 1, {WORKERS_VARIABLE}=1); what is finished is "
          "kept")

Tell = Callable[[int, int, str], None]
"""Gets the number of a cell, how many there are, and the heading that it stands under."""


class Kernel(AsyncKernelManager):
    """A kernel that remembers the status with which its process ended, and leaves no workers."""

    status: int | None = None

    async def is_alive(self) -> bool:
        """Tell whether the process runs; note how it ended, and end the workers that it started."""
        process, group = (getattr(self.provisioner, name, None) for name in ("process", "pgid"))
        alive = await super().is_alive()
        if not alive and process is not None:
            Kernel.status = process.returncode
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        return alive


def execute(source: Path, target: Path, parameters: dict[str, object],
            tell: Tell = lambda *_: None) -> str:
    """Execute ``source`` into ``target``; return what went wrong, or nothing.

    Parameters
    ----------
    source : Path
        Percent source.
    target : Path
        Executed notebook; written also if a cell fails, for looking at.
    parameters : dict
        Values that differ from the notebook's defaults.
    tell : callable
        Called when a cell begins.
    """
    notebook = read_source(source)
    headings, at = _headings(notebook), ["its start"]

    def begins(cell: NotebookNode, cell_index: int) -> None:  # nbclient names the arguments
        # Parameters that were given stand in a cell of their own, put in by papermill.
        place = min(cell_index, len(headings) - 1)
        at[0] = f"cell {place + 1} of {len(headings)} ({headings[place]})"
        tell(place + 1, len(headings), headings[place])

    with tempfile.TemporaryDirectory() as folder:
        draft, done = Path(folder) / source.with_suffix(".ipynb").name, Path(folder) / "done.ipynb"
        write(notebook, draft)
        for _ in range(STARTS):
            try:
                problem = _run(draft, done, parameters, begins, at)
                break
            except RuntimeError as error:  # nbclient's, where a kernel does not answer
                problem = str(LabError(f"the kernel did not start: {error}",
                                       expected=f"an answer within {START_LIMIT} s",
                                       remedy="close other programs, or run with --jobs 1"))
                if "died" not in str(error):
                    break
        if done.is_file():
            made = nbformat.read(done, as_version=4)
            write(made if problem else clean_outputs(made), target)
        return problem


def _run(draft: Path, done: Path, parameters: dict[str, object], begins: Callable[..., None],
         at: list[str]) -> str:
    """Execute a notebook; return what went wrong, and at which cell: ``at[0]``, that has begun."""
    try:
        papermill.execute_notebook(
            draft, done, parameters=parameters, kernel_name="python3", cwd=ROOT,
            progress_bar=False, start_timeout=START_LIMIT, on_cell_start=begins,
            kernel_manager_class=Kernel)
    except PapermillExecutionError as error:
        return _told(error, at[0])
    except DeadKernelError:
        return dead("the kernel", at[0], Kernel.status)
    return ""


def dead(what: str, where: str, status: int | None) -> str:
    """Say that a process was killed, at which cell, and what to do."""
    killed = status is not None and status < 0
    how = (f"was killed (signal {-status}), most likely out of memory" if status == -signal.SIGKILL
           else f"was killed ({signal.Signals(-status).name})" if killed
           else "died" + (f" with status {status}" if status else ""))
    return str(LabError(f"{where}: {what} {how}", expected="a process that runs to the end",
                        remedy=REMEDY))


def _headings(notebook: NotebookNode) -> list[str]:
    """Return, for every cell, the last heading before or in it."""
    found, last = [], "its start"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            last = lines[-1].lstrip("# ") if lines else last
        found.append(last)
    return found


def _told(error: PapermillExecutionError, where: str) -> str:
    """Say what failed: our own errors explain themselves, others with the end of their trace."""
    if error.ename == "LabError":
        return error.evalue
    if error.ename in DEAD_WORKER:
        return str(LabError(f"{where}: a worker process was killed, most likely out of memory "
                            f"({error.ename})", expected="workers that run to the end",
                            remedy=REMEDY))
    trace = "\n".join("\n".join(error.traceback).splitlines()[-LAST_LINES:])
    return f"{where}: {error.ename}: {error.evalue}\n{trace}"


def serve(line: Connection, source: Path, target: Path, parameters: dict[str, object],
          environment: Mapping[str, str], log: Path) -> None:
    """Execute in this process: cells are reported through ``line``, at last the problem and the
    cost.

    Parameters
    ----------
    line : Connection
        Gets ``("cell", number, of, heading)`` and ``("done", problem, CPU seconds)``.
    source, target, parameters
        As of `execute`.
    environment : mapping of str to str
        In place of the environment that this process was started with.
    log : Path
        What kernels chat goes there.
    """
    os.environ.clear()
    os.environ.update(environment)
    with log.open("w") as chat:
        for stream in (1, 2):  # by number: what was closed before is no object in sys
            os.dup2(chat.fileno(), stream)
    problem = execute(source, target, parameters, lambda *cell: line.send(("cell", *cell)))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    line.send(("done", problem, sum(one.ru_utime + one.ru_stime for one in used)))
