"""A whole run, cold and warm: wall, CPU and peak memory by notebook, seconds by kind of work.

    python benchmarks/whole_run.py                       the demo, from nothing, then again
    python benchmarks/whole_run.py --profile mini        another profile
    python benchmarks/whole_run.py --only 05 06          some notebooks

Data, cache and figures go to a temporary folder, so nothing that exists is used or changed; data
that are fetched or put there by hand come from ``LAB_DATA``, if it is set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from helpers.core.console import echo
from helpers.core.machine import usable_cores
from helpers.core.paths import CACHE_VARIABLE, DATA_VARIABLE, FIGURES_VARIABLE, ROOT
from helpers.core.provenance import machine


def run(arguments: list[str], folder: Path) -> tuple[int, float, float]:
    """Run the notebooks with all folders below ``folder``; return status, wall and CPU seconds."""
    environment = {**os.environ, CACHE_VARIABLE: str(folder / "cache"),
                   FIGURES_VARIABLE: str(folder / "figures")}
    environment.setdefault(DATA_VARIABLE, str(folder / "data"))
    before, begin = os.times(), time.perf_counter()
    status = subprocess.run([sys.executable, "-m", "helpers.runner", *arguments], cwd=ROOT,
                            env=environment, check=False).returncode
    after = os.times()
    spent = (after.children_user + after.children_system
             - before.children_user - before.children_system)
    return status, time.perf_counter() - begin, spent


def by_kind(cache: Path) -> pd.DataFrame:
    """Sum what the sidecars of artefacts tell: number, seconds and CPU seconds of every kind.

    An artefact that needs another one counts the other's seconds, too, if it made it.
    """
    rows = []
    for path in cache.rglob("*.json"):
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        if "seconds" in sidecar and "sha256" in sidecar:
            rows.append({"kind": path.parent.name, "seconds": sidecar["seconds"],
                         "CPU s": sidecar.get("cpu_seconds", float("nan"))})
    table = pd.DataFrame(rows, columns=["kind", "seconds", "CPU s"]).groupby("kind")
    return table.sum().assign(artefacts=table.size()).sort_values("seconds", ascending=False)


def main() -> int:
    """Measure a cold run, then a warm one; return the status of the first that failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--only", nargs="*", default=[], metavar="NN")
    parser.add_argument("--jobs", type=int, default=usable_cores())
    options = parser.parse_args()
    arguments = ["--profile", options.profile, "--jobs", str(options.jobs)]
    arguments += ["--only", *options.only] if options.only else []
    said = " · ".join(f"{name} {value}" for name, value in machine().items() if name != "threads")
    echo(f"{usable_cores()} cores · {said}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm"):
            echo(f"\n{name}")
            status, wall, cpu = run(arguments, Path(folder))
            # Kernels are children of a server: what they spent stands in the run's own table.
            echo(f"{name}: {wall:.1f} s wall" + (f", {cpu:.1f} s CPU" if name == "warm" else ""))
            if status:
                return status
        echo("\nseconds by kind of work, summed over artefacts")
        echo(by_kind(Path(folder) / "cache").round(1).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
