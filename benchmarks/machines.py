"""Run the demo as other processors would; say which verdicts and numbers move: make drill-machines.

    python benchmarks/machines.py                        all machines, all notebooks
    python benchmarks/machines.py --machines sse avx2 --only 01 13
    python benchmarks/machines.py --record               also measure figures/demo/tolerances.json
    python benchmarks/machines.py --others FOLDER        compare this run of a real other machine
    python benchmarks/machines.py --machines avx2 --run "make test"     any command, as a machine

A processor with fewer instructions rounds differently: exp and sums in NumPy, products in
OpenBLAS and MKL, convolutions in oneDNN, exp and pow in the C library, sums in what Numba
compiles. Environment variables make each of these forget instructions. Every machine has a cache
and figures of its own, in ``<cache>/machines/<name>``; data are shared (that they are drawn alike
everywhere is tested in ``tests/``). What a machine has finished is not run again, unless --force.

The files of claims and numbers are compared with the committed ones: verdicts must be the same,
numbers may move by their tolerance. The exit status is 1 where they do not. With --record, a
number's tolerance becomes three times the largest difference that any machine showed; numbers
that are not named in the file may differ by one unit in the last digit. Claims that a machine
turned, and those whose interval comes closer to the edge on one machine than machines differ, are
added to `helpers/profiles/machine_dependent.json`: every machine then prints them as inconclusive.

A processor that forgets instructions is not another processor: MKL takes other ways on AMD's than
on Intel's with the same instructions, and training amplifies the last digit. So the claims and
numbers of runs on other real machines lie in `benchmarks/runs`, a folder each, and count, too.

Machines with SSE alone take two to three times the CPU time (convolutions).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.core.console import echo
from helpers.core.errors import LabError
from helpers.core.paths import (
    CACHE_VARIABLE,
    FIGURES_VARIABLE,
    ROOT,
    atomic_write,
    cache_dir,
    ensure_writable,
)
from helpers.figures.verdicts import INCONCLUSIVE, MACHINE_DEPENDENT
from helpers.runner.comparison import Value, compare_numbers, flatten_numbers, rounding_unit
from helpers.runner.notebooks import select_notebooks

COMMITTED = ROOT / "figures" / "demo"
RUNS = ROOT / "benchmarks" / "runs"
"""Files of claims and numbers that other real machines made, a folder each."""
TOLERANCES = COMMITTED / "tolerances.json"
SAFETY = 3
"""A tolerance is so many times the largest difference seen: a few machines stand for all."""

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def without(*beyond: str) -> str:
    """Name what NumPy found on this processor and is to forget, by the beginnings of the names."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return ",".join(name for name in found if name.startswith(beyond))


SSE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE",
       "OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": without(""),
       "NUMBA_CPU_NAME": "generic", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"}
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": without("AVX512", "X86_V4"),
        "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt"}


@dataclass(frozen=True)
class Machine:
    """One way to run the demo: what libraries may use and how many processes; notebooks at once."""

    environment: Mapping[str, str] = field(default_factory=dict)
    jobs: int = CORES


MACHINES = {
    "here": Machine(),
    "haswell-products": Machine({"OPENBLAS_CORETYPE": AVX2["OPENBLAS_CORETYPE"]}),
    "sse": Machine(SSE),
    "avx2": Machine(AVX2),
    "avx2-two-threads": Machine({**AVX2, "OMP_NUM_THREADS": "2", "LAB_WORKERS": "1"}, jobs=1),
    "two-workers": Machine({"LAB_WORKERS": "2"}, jobs=1),
}


@dataclass
class Outcome:
    """What one machine made of the notebooks.

    Attributes
    ----------
    status : int
        Exit status of the run; 0: every notebook was made or was fresh.
    wall : float
        Seconds so far, earlier runs that were continued included.
    found : dict of str to dict
        Notebook -> content of its file of claims and numbers.
    drilled : bool
        Whether the notebooks were run here, as this machine.
    """

    status: int
    wall: float
    found: dict[str, dict]
    drilled: bool = True


def run(name: str, stems: list[str], *, force: bool = False, keep: bool = False) -> Outcome:
    """Run notebooks as one machine, in its own folder; only what is not fresh there is run."""
    machine, folder = MACHINES[name], ensure_writable(cache_dir() / "machines" / name)
    figures, caches, clock = folder / "figures", folder / "cache", folder / "seconds.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **machine.environment,
                   CACHE_VARIABLE: str(caches), FIGURES_VARIABLE: str(figures)}
    command = [sys.executable, "-m", "helpers.runner", "--jobs", str(machine.jobs), "--only",
               *stems]
    start, begin = time.time(), time.perf_counter()
    process = subprocess.Popen(command + ["--force"] * force, cwd=ROOT, env=environment)
    try:
        status = process.wait()
    except KeyboardInterrupt:  # it reaches the child, too, which ends its kernels
        status = process.wait()
    wall = time.perf_counter() - begin
    files = {stem: path for stem in stems if (path := figures / f"{stem}.json").is_file()}
    if clock.is_file() and any(path.stat().st_mtime < start for path in files.values()):
        wall += read(clock)  # an earlier run's
    atomic_write(clock, lambda part: part.write_text(json.dumps(wall)))
    if status in (2, 130):
        raise KeyboardInterrupt if status == 130 else SystemExit(2)
    if status == 0 and not keep:
        for made in caches.iterdir():  # a run's stamps stay: what is fresh is not run again
            if made.name != "runs":
                shutil.rmtree(made) if made.is_dir() else made.unlink()
    return Outcome(status, wall, {stem: read(path) for stem, path in files.items()})


def run_command(command: str, name: str) -> int:
    """Run a shell command as one machine, with a cache of its own; return its exit status."""
    cache = ensure_writable(cache_dir() / "machines" / f"{name}-command")
    environment = {**os.environ, **MACHINES[name].environment, CACHE_VARIABLE: str(cache)}
    return subprocess.run(command, shell=True, cwd=ROOT, env=environment).returncode


def _same_inputs(one: Mapping, other: Mapping) -> bool:
    """Tell whether two runs used the same data and networks, of those that both name."""
    one, other = (content["provenance"]["inputs"] for content in (one, other))
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def other_machine(folder: Path, stems: list[str]) -> Outcome:
    """Read what another machine made of the notebooks: files that were copied from it.

    Claims are matched by their statements, so that a run of an earlier state can be compared: a
    notebook, claim or number that it did not have counts as unmoved, and so does a notebook that it
    ran on other data or networks. Claims that depend on the machine are inconclusive on every
    machine.

    Raises
    ------
    LabError
        If the folder has no file of claims and numbers.
    """
    found, unknown, others = {}, 0, []
    for stem in stems:
        path, committed = folder / f"{stem}.json", read(COMMITTED / f"{stem}.json")
        if path.is_file() and not _same_inputs(read(path), committed):
            others.append(stem)
        elif path.is_file():
            content, depends = read(path), read(MACHINE_DEPENDENT).get("demo", {}).get(stem, ())
            claims = {claim["statement"]: claim for claim in content["claims"]}
            unknown += sum(claim["statement"] not in claims for claim in committed["claims"])
            found[stem] = {
                "claims": [{**claims.get(statement := claim["statement"], claim),
                            **({"verdict": INCONCLUSIVE} if statement in depends else {})}
                           for claim in committed["claims"]],
                "numbers": {name: content["numbers"].get(name, value)
                            for name, value in committed["numbers"].items()}}
    if not any(folder.glob("*.json")):
        raise LabError(f"no file of claims and numbers in {folder}",
                       expected="a figures folder of the demo, such as figures/demo",
                       remedy="copy its .json files from the other machine after make figures")
    echo(f"{folder.name}: {unknown} claims had another wording in that run and are not compared"
         + "".join(f"\n{folder.name}: {stem} was run on other data or networks: not compared"
                   for stem in others))
    return Outcome(0, math.nan, found, drilled=False)


def read(path: Path) -> dict | list:
    """Read a JSON file; nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def verdicts_moved(committed: Mapping, found: Mapping) -> list[str]:
    """Say which claims got another verdict, in one line each."""
    lines = []
    for old, new in zip(committed["claims"], found["claims"]):
        if old["verdict"] != new["verdict"]:
            lines.append(f"{old['statement']}: {old['verdict']} ({old['run']}) "
                         f"became {new['verdict']} ({new['run']})")
    return lines


def distances(committed: Mapping, found: Mapping) -> dict[str, float]:
    """Return how far each number moved from the committed one."""
    before, after = flatten_numbers(committed), flatten_numbers(found)
    return {name: abs(after[name] - old) for name, old in before.items()
            if _number(old) and _number(after.get(name))}


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def worst(committed: Mapping, found: Mapping, allowed: Mapping[str, float]) -> tuple[float, str]:
    """Return the largest distance over its tolerance, and the number that it belongs to."""
    before = flatten_numbers(committed)
    ratios = [(distance / max(allowed.get(name, 0.0), rounding_unit(before[name])), name)
              for name, distance in distances(committed, found).items()]
    return max(ratios, default=(0.0, ""))


def measured(committed: Mapping, runs: Iterable[Mapping]) -> dict[str, float]:
    """Return a tolerance for each number that moved: `SAFETY` times the largest distance."""
    before, largest = flatten_numbers(committed), {}
    for found in runs:
        for name, distance in distances(committed, found).items():
            largest[name] = max(largest.get(name, 0.0), distance)
    return {name: _rounded_up(SAFETY * distance) for name, distance in sorted(largest.items())
            if SAFETY * distance > rounding_unit(before[name])}


def _rounded_up(value: float) -> float:
    """Round up to two digits, so that the file is short and the tolerance holds."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.2g}")


def depends_on_the_machine(same: Sequence[Mapping]) -> bool:
    """Tell whether one claim, as several machines judged it, may get another verdict on the next.

    It does where verdicts differ; or where the bound of the interval that decides comes as close to
    0 on one machine as machines lie apart: the next may then differ by as much, and cross it.
    """
    if len({claim["verdict"] for claim in same}) > 1:
        return True
    if not re.search(r"interval (above|below) 0(?![\d.%])", same[0]["rule"]):
        return False
    bounds = np.array([[claim.get(end) for end in ("low", "high")] for claim in same], float)
    for decisive in (bounds[:, 0], -bounds[:, 1]):
        if (decisive > 0).all():
            return bool(decisive.min() < np.ptp(decisive))
    return False


def record_machine_dependent(outcomes: Mapping[str, Outcome], stems: list[str]) -> None:
    """Add claims that depend on the machine to those printed as inconclusive; earlier ones stay."""
    known = read(MACHINE_DEPENDENT)
    for stem in stems:
        claims = known.setdefault("demo", {}).setdefault(stem, [])
        runs = [read(COMMITTED / f"{stem}.json"), *(
            outcome.found[stem] for outcome in outcomes.values() if stem in outcome.found)]
        for same in zip(*(found["claims"] for found in runs)):
            if depends_on_the_machine(same) and same[0]["statement"] not in claims:
                claims.append(same[0]["statement"])
    known["demo"] = {stem: claims for stem, claims in sorted(known["demo"].items()) if claims}
    text = json.dumps(known, indent=1, ensure_ascii=False) + "\n"
    atomic_write(MACHINE_DEPENDENT, lambda part: part.write_text(text, encoding="utf-8"))


def record(outcomes: Mapping[str, Outcome], stems: list[str]) -> None:
    """Write the tolerances of the notebooks that every machine has run; keep those of others.

    Runs on other real machines count where they have a notebook, and need not have it.
    """
    kept = read(TOLERANCES)
    for stem in stems:
        runs = [outcome.found[stem] for outcome in outcomes.values() if stem in outcome.found]
        if any(stem not in outcome.found for outcome in outcomes.values() if outcome.drilled):
            echo(f"{stem}: not every machine has made it, its tolerances stay as they were")
            continue
        kept[stem] = measured(read(COMMITTED / f"{stem}.json"), runs)
    record_machine_dependent(outcomes, stems)
    text = json.dumps(dict(sorted(kept.items())), indent=1) + "\n"
    atomic_write(TOLERANCES, lambda part: part.write_text(text, encoding="utf-8"))
    echo(f"{TOLERANCES.relative_to(ROOT)}: {sum(map(len, kept.values()))} numbers may move by more "
         f"than one unit in the last digit.")


def report(outcomes: Mapping[str, Outcome], stems: list[str]) -> bool:
    """Print what moved, machine by machine; return whether everything agrees."""
    allowed, lines, agrees = read(TOLERANCES), [], True
    width = max(map(len, outcomes), default=0)
    echo(f"\n{'machine':{width}}  {'wall s':>7}  {'notebooks':>9}  verdicts moved  numbers out  "
         "largest distance / tolerance")
    for name, outcome in outcomes.items():
        flips, outside, largest = [], [], (0.0, "", "")
        for stem, found in outcome.found.items():
            committed, own = read(COMMITTED / f"{stem}.json"), allowed.get(stem, {})
            flips += [f"{stem}: {line}" for line in verdicts_moved(committed, found)]
            outside += [f"{stem}: {line}" for line in compare_numbers(committed, found, own)
                        if "/verdict:" not in line]
            ratio, number = worst(committed, found, own)
            lines.append(f"  {name:{width}}  {stem:32}  {ratio:6.2f}  {number}")
            largest = max(largest, (ratio, stem, number))
        echo(f"{name:{width}}  {outcome.wall:7.0f}  {len(outcome.found):>3} of {len(stems):>2}  "
             f"{len(flips):>14}  {len(outside):>11}  {largest[0]:.2f}  {' '.join(largest[1:])}")
        for line in (*flips, *outside):
            echo(f"  {line}")
        agrees &= not (flips or outside or outcome.status)
    echo("\nlargest distance over its tolerance, notebook by notebook")
    for line in lines:
        echo(line)
    return agrees


def main(arguments: list[str] | None = None) -> int:
    """Run the drill; return 0 where every verdict stood and every number kept its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--machines", nargs="*", choices=MACHINES, default=list(MACHINES))
    parser.add_argument("--only", nargs="*", default=[], metavar="NN", help="numbers or names")
    parser.add_argument("--record", action="store_true", help="write figures/demo/tolerances.json")
    parser.add_argument("--others", nargs="*", type=Path, metavar="FOLDER",
                        default=sorted(RUNS.glob("[!.]*")) if RUNS.is_dir() else [],
                        help="figures folders of runs on other real machines; all in "
                        "benchmarks/runs if not given")
    parser.add_argument("--keep", action="store_true", help="keep the caches of finished machines")
    parser.add_argument("--force", action="store_true", help="run again what is finished")
    parser.add_argument("--run", metavar="COMMAND", help="run this shell command as each machine "
                        "instead, and fail where it fails")
    options = parser.parse_args(arguments)
    if options.run:
        failed = [name for name in options.machines if run_command(options.run, name)]
        echo(f"failed as {', '.join(failed)}: {options.run}" if failed
             else f"passed as {', '.join(options.machines)}: {options.run}")
        return 1 if failed else 0
    try:
        stems = [path.stem for path in select_notebooks(options.only)]
        if subprocess.call([sys.executable, "-m", "helpers.lab", "prepare"], cwd=ROOT):
            return 2
        outcomes = {folder.name: other_machine(folder, stems) for folder in options.others}
        for name in options.machines:
            echo(f"\n== {name}")
            outcomes[name] = run(name, stems, force=options.force, keep=options.keep)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted: what is finished is kept; the same command goes on.\n")
        return 130
    if options.record:
        record(outcomes, stems)
    return 0 if report(outcomes, stems) else 1


if __name__ == "__main__":
    sys.exit(main())
