"""One notebook of a run, and the table that closes a run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.figures.verdicts import CHECK, VERDICTS

FRESH, MADE, FAILED = "fresh", "made", "FAILED"


@dataclass
class NotebookJob:
    """One notebook to run, and what came of it.

    Attributes
    ----------
    source : Path
    parameters : dict
        Values that differ from the notebook's defaults.
    state : str
        `FRESH`, `MADE` or `FAILED`.
    seconds, cpu_seconds : float
        Wall time, and user and system time of all its processes (NaN: not known).
    memory : int
        The most bytes that its processes held at once (resident, measured every second).
    problem : str
        What went wrong; empty if nothing did.
    """

    source: Path
    parameters: dict[str, object]
    state: str = FRESH
    seconds: float = 0.0
    cpu_seconds: float = math.nan
    memory: int = 0
    problem: str = ""

    @property
    def stem(self) -> str:
        """Name of the notebook and of its outputs."""
        return self.source.stem


def closing_table(jobs: Sequence[NotebookJob], folder: Path) -> str:
    """Return a table: each notebook's cost, and how many of its claims have which verdict."""
    width = max(len(job.stem) for job in jobs)
    lines = ["  ".join([f"{'notebook':{width}}", "state ", "seconds", " CPU s", "peak MB",
                        *VERDICTS])]
    for job in jobs:
        cpu, counts = job.cpu_seconds, _count_verdicts(folder, job)
        lines.append("  ".join([
            f"{job.stem:{width}}", f"{job.state:6}", f"{job.seconds:7.0f}",
            f"{'–' if math.isnan(cpu) else f'{cpu:.0f}':>6}", f"{job.memory / 1e6:7.0f}",
            *(f"{count:>{len(verdict)}}" for verdict, count in counts.items())]))
    return "\n".join(lines)


def _count_verdicts(folder: Path, job: NotebookJob) -> dict[str, int | str]:
    if job.state == FAILED:
        return dict.fromkeys(VERDICTS, "–")
    results_json = json.loads((folder / f"{job.stem}.json").read_text(encoding="utf-8"))
    found = [claim["verdict"] for claim in results_json["claims"] if claim.get("kind") != CHECK]
    return {verdict: found.count(verdict) for verdict in VERDICTS}
