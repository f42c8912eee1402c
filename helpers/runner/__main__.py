"""Run the notebooks headless: ``python -m helpers.runner``, or ``make figures``.

Each notebook runs in a process of its own, writes into a staging folder, and its files move to
``figures/<profile>/`` only when it has finished. What is fresh already is not run again. As many
notebooks run at once as there are cores, long ones first, and each may use its share of the cores.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children
from pathlib import Path

from psutil import pid_exists

from helpers.config.data import ResourceSpec
from helpers.config.profile import Profile, is_toml, load_profile
from helpers.core.console import HEADLESS, echo
from helpers.core.errors import LabError
from helpers.core.machine import WORKERS_VARIABLE, divide_cores, usable_cores
from helpers.core.paths import (
    FIGURES_VARIABLE,
    HOST,
    atomic_write,
    cache_dir,
    ensure_writable,
    figures_dir,
)
from helpers.runner.freshness import (
    code_key,
    describe_damage,
    is_fresh,
    output_files,
    read_stamp,
    stamp_path,
    write_stamp,
)
from helpers.runner.job import FAILED, FRESH, MADE, NotebookJob, closing_table
from helpers.runner.notebooks import FOLDER, check_parameters, read_defaults, select_notebooks
from helpers.runner.process import run_in_process
from helpers.runner.progress import RunProgress, expected_seconds, format_duration

ALLOCATOR_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
"""glibc hands large arrays back to the system after each use, and the next one is zeroed page
by page; keeping them halved the time of a forward pass through SqueezeNet at 224 px."""

GB = 10**9


@dataclass
class Runner:
    """Runs the jobs of one profile, some at a time."""

    profile: Profile
    jobs: list[NotebookJob]
    n_parallel: int
    cell_limit: float = math.inf

    @property
    def folder(self) -> Path:
        """Where the figures of this profile go."""
        return figures_dir(self.profile.name)

    def run(self, *, force: bool) -> None:
        """Run what is not fresh; Ctrl-C ends every kernel and removes what was staged."""
        ensure_writable(self.folder)
        _remove_stale_staging(self.folder)
        listings: dict[Path, str] = {}  # the same folders stand behind most notebooks
        stale = [job for job in self.jobs if force or not is_fresh(
            job.source, self.profile, job.parameters, self.folder, listings)]
        if not stale:
            return
        for job in stale:
            for sentence in describe_damage(job.source, self.profile, self.folder):
                echo(f"{sentence}; {job.stem} is run again")
        self._fit_to_machine(stale)
        seconds = {job.stem: expected_seconds(job.stem, read_stamp(self.profile, job.stem))
                   for job in stale}
        stale.sort(key=lambda job: -seconds[job.stem])  # none long is left for the end
        display, pool = RunProgress(seconds, self.n_parallel), ThreadPoolExecutor(self.n_parallel)
        try:
            for done in [pool.submit(self._run_one, job, display) for job in stale]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown()

    def _fit_to_machine(self, stale: list[NotebookJob]) -> None:
        """Choose how many notebooks run at once, and say what the machine may lack."""
        needs = [self.profile.resources.get(job.stem[:2], ResourceSpec()) for job in stale]
        self.n_parallel, warnings = divide_cores(
            min(self.n_parallel, len(stale)), [ensure_writable(cache_dir()), self.folder],
            [GB * need.memory for need in needs], GB * math.fsum(need.disk for need in needs))
        long = [f"{job.stem}: about {need.hours:g} hours on two cores without a GPU, "
                f"{need.memory:g} GB of memory, {need.disk:g} GB of disk (REPRODUCING.md); a run "
                "that is interrupted is taken up again"
                for job, need in zip(stale, needs) if need.hours]
        for line in long + warnings:
            echo(line)

    def _run_one(self, job: NotebookJob, display: RunProgress) -> None:
        stem, begin = job.stem, time.perf_counter()
        code = code_key(job.source, self.profile, job.parameters)
        staging = ensure_writable(self.folder / f".staging-{stem}-{HOST}-{os.getpid()}")
        executed, expected = staging / f"{stem}.ipynb", (f"{stem}.png", f"{stem}.json")
        display.start(stem)
        try:
            run_in_process(job, executed, self._environment(staging), display, self.cell_limit)
            missing = [name for name in expected if not (staging / name).is_file()]
            if missing and not job.problem:
                job.problem = f"{stem} finished but wrote no {' and no '.join(missing)}"
            job.seconds = time.perf_counter() - begin
            if not job.problem:
                self._publish(staging, job, code)
            elif executed.is_file():
                kept = ensure_writable(stamp_path(self.profile, stem).parent)
                os.replace(executed, kept / f"{stem}.failed.ipynb")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        job.state, mark = (FAILED, "✗") if job.problem else (MADE, "✓")
        display.end(stem, f"{mark} {stem}  {job.seconds:.0f} s", job.problem)

    def _environment(self, staging: Path) -> dict[str, str]:
        """Return what a notebook's processes find in their environment; a user's choice goes first.

        Threads and worker processes of all notebooks together are as many as the cores.
        """
        share = str(max(1, usable_cores() // self.n_parallel))
        chosen = {**ALLOCATOR_SETTINGS, "OMP_NUM_THREADS": share, WORKERS_VARIABLE: share,
                  "PYTORCH_ENABLE_MPS_FALLBACK": "1"}  # what Apple's GPUs lack, the CPU computes
        if self.n_parallel > 1:
            chosen["OMP_WAIT_POLICY"] = "passive"  # threads that spin while they wait take cores
        return {name: os.environ.get(name, value) for name, value in chosen.items()} | {
            HEADLESS: "1", "TQDM_DISABLE": "1", FIGURES_VARIABLE: str(staging),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "PYTHONPATH": os.pathsep.join(filter(None, (
                os.environ.get("PYTHONPATH"), os.getcwd())))}  # where a user's modules may lie

    def _publish(self, staging: Path, job: NotebookJob, code: str) -> None:
        stamp_path(self.profile, job.stem).unlink(missing_ok=True)
        new_names = {path.name for path in output_files(staging, job.stem)}
        for old_file in output_files(self.folder, job.stem):
            if old_file.name not in new_names:
                old_file.unlink()
        for name in sorted(new_names):
            os.replace(staging / name, self.folder / name)
        write_stamp(job.source, self.profile, code, self.folder, job.seconds)


def _remove_stale_staging(folder: Path) -> None:
    """Remove the staging folders of this machine's runs that were killed."""
    for staging in folder.glob(f".staging-*-{HOST}-[0-9]*"):
        with suppress(ValueError, OverflowError):  # not a folder of ours
            if not pid_exists(int(staging.name.rpartition("-")[2])):
                shutil.rmtree(staging, ignore_errors=True)


def plan_jobs(profile: str, only: list[str], given: dict[str, str],
              folder: Path = FOLDER) -> list[NotebookJob]:
    """Return the jobs: the notebooks asked for, with parameters that differ from their defaults.

    A profile given as a file is passed on by its full path, so that a notebook finds it from
    wherever it runs.
    """
    if is_toml(profile):
        profile = str(Path(profile).resolve())
    jobs = []
    for source in select_notebooks(only, folder):
        known = read_defaults(source.read_text(encoding="utf-8"), source.stem)
        values = check_parameters({"profile": profile, **given}, known, source.stem)
        jobs.append(NotebookJob(source, {name: value for name, value in values.items()
                                         if value != known[name]}))
    if not jobs:
        raise LabError("no notebooks found", expected="notebooks/NN_verb_object.py",
                       remedy="run from a complete clone")
    return jobs


def publish_notebooks(runner: Runner) -> None:
    """Copy the executed notebooks of the demo beside their sources, to be committed."""
    if runner.profile.name != "demo" or any(job.parameters for job in runner.jobs):
        raise LabError(f"profile {runner.profile.name!r} or changed parameters",
                       expected="the demo with its default parameters",
                       remedy="python -m helpers.runner --publish")
    for job in runner.jobs:
        target = job.source.with_suffix(".ipynb")
        atomic_write(target, partial(shutil.copyfile, runner.folder / target.name))


def _assignment(text: str) -> list[str]:
    if "=" not in text:
        raise LabError(f"-p {text}", expected="-p name=value", remedy="add the value")
    return text.split("=", 1)


def _cell_seconds(minutes: str) -> float:
    """Return the limit of a cell in seconds."""
    try:
        seconds = 60 * float(minutes)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise LabError(f"--cell-limit {minutes}", expected="minutes above 0, such as 60",
                       remedy="correct it, or leave it out: then a cell may take as long as it "
                       "needs")
    return seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks that are not fresh; return 0 if all figures are there."""
    parser = argparse.ArgumentParser(prog="python -m helpers.runner", description=main.__doc__)
    parser.add_argument("--profile", default="demo", help="name or path of a profile")
    parser.add_argument("--only", nargs="*", default=[], metavar="NN", help="numbers or names")
    parser.add_argument("--jobs", type=int, default=usable_cores(), metavar="N",
                        help="notebooks at once; as many as there are cores if not given")
    parser.add_argument("-p", dest="parameters", action="append", default=[], type=_assignment,
                        metavar="name=value", help="a parameter of the notebooks")
    parser.add_argument("--force", action="store_true", help="run also what is fresh")
    parser.add_argument("--cell-limit", type=_cell_seconds, default=math.inf, metavar="MINUTES",
                        help="end a notebook at a cell that takes longer; no limit if not given")
    parser.add_argument("--publish", action="store_true",
                        help="then write the executed notebooks beside their sources")
    begin = time.perf_counter()
    try:
        options = parser.parse_args(arguments)
        profile = load_profile(options.profile)
        jobs = plan_jobs(options.profile, options.only, dict(options.parameters))
        runner = Runner(profile, jobs, max(1, min(options.jobs, len(jobs))), options.cell_limit)
        runner.run(force=options.force)
        if options.publish and all(job.state != FAILED for job in jobs):
            publish_notebooks(runner)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted: nothing half-made was kept; earlier figures are intact.\n")
        return 130
    echo(closing_table(jobs, runner.folder))
    made = [job for job in jobs if job.state != FRESH]
    cpu = math.fsum(job.cpu_seconds for job in made)
    echo(f"{format_duration(time.perf_counter() - begin)} in all"
         + ("" if math.isnan(cpu) else f", {format_duration(cpu)} of CPU time") if made else
         f"Nothing to do: all figures of profile {profile.name} are fresh.")
    return 1 if any(job.state == FAILED for job in jobs) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no kernel stays behind
    sys.exit(main())
