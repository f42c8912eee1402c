"""Run one notebook headless, in a process of its own (started by `helpers.runner.process`)."""

from __future__ import annotations

import os
import signal
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

N_LOG_LINES = 12
START_TIMEOUT_S, MAX_STARTS = 300, 3
"""Seconds within which a kernel must answer, and how often it is tried: kernels that start at the
same moment may choose the same port, and one of them then ends at once."""
DEAD_WORKER_ERRORS = ("TerminatedWorkerError", "BrokenProcessPool")
"""What joblib and Python raise where a worker process was killed."""
REMEDY = (f"free memory, or run less at once (--jobs 1, {WORKERS_VARIABLE}=1); what is finished is "
          "kept")

KILLED = getattr(signal, "SIGKILL", 9)
"""Windows has no such signal: a process that is ended there has a positive status."""


class Kernel(AsyncKernelManager):
    """A kernel that remembers the status with which its process ended, and leaves no workers."""

    status: int | None = None

    async def is_alive(self) -> bool:
        """Tell whether the process runs; note how it ended, and end the workers that it started."""
        process, group = (getattr(self.provisioner, name, None) for name in ("process", "pgid"))
        alive = await super().is_alive()
        if not alive and process is not None:
            Kernel.status = process.returncode
            if hasattr(os, "killpg"):  # Windows has no groups of processes
                with suppress(OSError):
                    os.killpg(group, KILLED)
        return alive


def execute(source: Path, target: Path, parameters: dict[str, object],
            on_cell: Callable[[int, int, str], None] = lambda *_: None) -> str:
    """Execute ``source`` into ``target``; return what went wrong, or nothing.

    Parameters
    ----------
    source : Path
        Percent source.
    target : Path
        Executed notebook; written also if a cell fails, for looking at.
    parameters : dict
        Values that differ from the notebook's defaults.
    on_cell : callable
        Called when a cell begins: its number, how many there are, the heading above it.
    """
    notebook = read_source(source)
    headings, position = _heading_of_each_cell(notebook), ["its start"]

    def report_cell(cell: NotebookNode, cell_index: int) -> None:  # nbclient names the arguments
        # Parameters that were given stand in a cell of their own, put in by papermill.
        cell_number = min(cell_index, len(headings) - 1)
        position[0] = f"cell {cell_number + 1} of {len(headings)} ({headings[cell_number]})"
        on_cell(cell_number + 1, len(headings), headings[cell_number])

    for _ in range(MAX_STARTS):
        try:
            papermill.execute_notebook(
                notebook, target, parameters=parameters, kernel_name="python3", cwd=ROOT,
                progress_bar=False, start_timeout=START_TIMEOUT_S, on_cell_start=report_cell,
                kernel_manager_class=Kernel)
        except PapermillExecutionError as error:
            return _error_message(error, position[0])
        except DeadKernelError:
            return death_message("the kernel", position[0], Kernel.status)
        except RuntimeError as error:  # nbclient's, where a kernel does not answer
            problem = str(LabError(f"the kernel did not start: {error}",
                                   expected=f"an answer within {START_TIMEOUT_S} s",
                                   remedy="close other programs, or run with --jobs 1"))
            if "died" not in str(error):
                return problem
        else:
            write(clean_outputs(nbformat.read(target, as_version=4)), target)
            return ""
    return problem


def death_message(what: str, where: str, status: int | None) -> str:
    """Say that a process was killed, at which cell, and what to do."""
    killed = status is not None and status < 0
    how = (f"was killed (signal {-status}), most likely out of memory" if status == -KILLED
           else f"was killed ({signal.Signals(-status).name})" if killed
           else "died" + (f" with status {status}" if status else ""))
    return str(LabError(f"{where}: {what} {how}", expected="a process that runs to the end",
                        remedy=REMEDY))


def limit_message(where: str, seconds: float) -> str:
    """Say that a notebook was ended because a cell took longer than the user allowed."""
    minutes = f"{seconds / 60:g} min"
    return str(LabError(f"{where}: this cell had not ended after {minutes}, and the notebook was "
                        "ended", expected=f"cells that end within {minutes} (--cell-limit)",
                        remedy="give a longer --cell-limit, or none; what is finished is kept"))


def _heading_of_each_cell(notebook: NotebookNode) -> list[str]:
    """Return, for every cell, the last heading before or in it."""
    headings, heading = [], "its start"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = lines[-1].lstrip("# ") if lines else heading
        headings.append(heading)
    return headings


def _error_message(error: PapermillExecutionError, where: str) -> str:
    """Say what failed: our own errors explain themselves, others with the end of their trace."""
    if error.ename == "LabError":
        return error.evalue
    if error.ename in DEAD_WORKER_ERRORS:
        return str(LabError(f"{where}: a worker process was killed, most likely out of memory "
                            f"({error.ename})", expected="workers that run to the end",
                            remedy=REMEDY))
    trace = "\n".join("\n".join(error.traceback).splitlines()[-N_LOG_LINES:])
    return f"{where}: {error.ename}: {error.evalue}\n{trace}"


def execute_and_report(connection: Connection, source: Path, target: Path,
                       parameters: dict[str, object], environment: Mapping[str, str],
                       log: Path) -> None:
    """Execute in this process; cells, and at last problem and cost, go through ``connection``.

    Parameters
    ----------
    connection : Connection
        Gets ``("cell", number, of, heading)`` and ``("done", problem, CPU seconds)``.
    source, target, parameters
        As of `execute`.
    environment : mapping of str to str
        In place of the environment that this process was started with.
    log : Path
        What kernels print outside of cells goes there.
    """
    os.environ.clear()
    os.environ.update(environment)
    with log.open("w") as log_file:
        for stream in (1, 2):  # by number: what was closed before is no object in sys
            os.dup2(log_file.fileno(), stream)
    problem = execute(source, target, parameters, lambda *cell: connection.send(("cell", *cell)))
    connection.send(("done", problem, sum(os.times()[:4])))  # its own, and its children's
