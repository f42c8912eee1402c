"""One notebook of a run, and the table that closes a run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.figures.verdicts import CHECK, VERDICTS
from helpers.runner.process import ProcessResult

FRESH, MADE, FAILED = "fresh", "made", "FAILED"


@dataclass
class NotebookJob:
    """One notebook to run."""

    source: Path
    parameters: dict[str, object]
    state: str = FRESH
    seconds: float = 0.0
    result: ProcessResult = field(default_factory=ProcessResult)


def closing_table(jobs: Sequence[NotebookJob], folder: Path) -> str:
    """Return a table: each notebook's cost, and how many of its claims have which verdict."""
    width = max(len(job.source.stem) for job in jobs)
    lines = ["  ".join([f"{'notebook':{width}}", "state ", "seconds", " CPU s", "peak MB",
                        *VERDICTS])]
    for job in jobs:
        counts = _verdicts(folder, job) if job.state != FAILED else ["–"] * len(VERDICTS)
        cells = "  ".join(f"{count:>{len(name)}}" for count, name in zip(counts, VERDICTS))
        cpu, memory = job.result.cpu_seconds, job.result.memory / 1e6
        cost = f"{'–' if math.isnan(cpu) else f'{cpu:.0f}':>6}  {f'{memory:.0f}':>7}"
        lines.append(f"{job.source.stem:{width}}  {job.state:6}  {job.seconds:7.0f}  {cost}  "
                     f"{cells}")
    return "\n".join(lines)


def _verdicts(folder: Path, job: NotebookJob) -> list[int]:
    results_json = json.loads((folder / f"{job.source.stem}.json").read_text(encoding="utf-8"))
    verdicts = [claim["verdict"] for claim in results_json["claims"]
                if claim.get("kind") != CHECK]
    return [verdicts.count(verdict) for verdict in VERDICTS]
