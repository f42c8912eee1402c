"""Run one notebook headless, in a process of its own (called by `helpers.run`)."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from helpers.ground.console import say
from helpers.ground.paths import ROOT
from helpers.headless.notebooks import cleaned, read_source, write

LAST_LINES = 12


def execute(source: Path, target: Path, parameters: dict[str, object]) -> str:
    """Execute ``source`` into ``target``; return what went wrong, or nothing.

    Parameters
    ----------
    source : Path
        Percent source.
    target : Path
        Executed notebook; written also if a cell fails, for looking at.
    parameters : dict
        Values that differ from the notebook's defaults.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft, done = Path(folder) / source.with_suffix(".ipynb").name, Path(folder) / "done.ipynb"
        write(read_source(source), draft)
        problem = ""
        try:
            papermill.execute_notebook(draft, done, parameters=parameters, kernel_name="python3",
                                       cwd=ROOT, progress_bar=False)
        except PapermillExecutionError as error:
            problem = _told(error)
        write(cleaned(nbformat.read(done, as_version=4)) if not problem
              else nbformat.read(done, as_version=4), target)
        return problem


def _told(error: PapermillExecutionError) -> str:
    """Say what failed: our own errors explain themselves, others with the end of their trace."""
    if error.ename == "LabError":
        return error.evalue
    trace = "\n".join("\n".join(error.traceback).splitlines()[-LAST_LINES:])
    return f"cell {error.exec_count}: {error.ename}: {error.evalue}\n{trace}"


def main(source: str, target: str, parameters: str) -> int:
    """Run as a command: paths, and the parameters as JSON.

    What went wrong is told on standard output; kernels chat on standard error.
    """
    problem = execute(Path(source), Path(target), json.loads(parameters))
    if problem:
        say(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
