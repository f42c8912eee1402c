"""A clock set back, memory that runs out, a worker that hangs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import numpy as np

from drilling import pace, runs
from drilling.ground import Ground, said
from drilling.report import Report, hidden_files
from helpers.core.cache import cached
from helpers.core.content_digests import _loaded_stores, content_digests
from helpers.core.digest import file_digest
from helpers.core.paths import cache_dir
from helpers.runner import __main__ as runner
from helpers.runner import progress

DAY_S = 86_400

OUT_OF_MEMORY = '''
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, resource.RLIM_INFINITY))
waste = np.ones(10**9)'''
KILLED_FOR_MEMORY = "os.kill(os.getpid(), 9)  # as the system does where memory runs out"
HANGING_WORKER = '''
from joblib import Parallel, delayed

def hang(number):
    import time
    time.sleep(600 * number)
    return number

Parallel(n_jobs=2)(delayed(hang)(number) for number in range(2))'''


def run_out_of_memory(ground: Ground, random: Random, n: int) -> Report:
    """Let one of two notebooks run out of memory: the other is made, and nothing else happens."""
    report = Report("memory")
    for body, words in ((OUT_OF_MEMORY, "MemoryError"), (KILLED_FOR_MEMORY, "out of memory")):
        room = ground.room("memory")
        runs.write_notebooks(room, (body, ""))
        ended = ground.call(runs.run_notebooks, None, room=room)
        report.check(ended.status == 1, f"{words}: status {ended.status}: {ended.said[-800:]}")
        report.check(words in ended.said and "FAILED" in ended.said, f"{words}: no message: "
                     f"{ended.said[-800:]}")
        made = {path.stem for path in (room / "figures").glob("*.png")}
        report.check(made == {runs.STEMS[1]}, f"{words}: figures {sorted(made)}")
        for path in (room / "notebooks").glob("*.py"):
            path.unlink()
        runs_again(ground, report, room, words)
        report.tried[f"out of memory ({words})"] += 1
    return report


def runs_again(ground: Ground, report: Report, room: Path, when: str) -> None:
    """Mend the notebooks and run again: the one that failed is made, the other is fresh."""
    (room / "notebooks").rmdir()
    runs.write_notebooks(room)
    ended = ground.call(runs.run_notebooks, None, room=room)
    fresh = f"{runs.STEMS[1]:{len(runs.STEMS[0])}}  fresh"
    report.check(ended.status == 0 and fresh in ended.said,
                 f"{when}: the second run: {ended.said[-800:]}")


def hang(ground: Ground, random: Random, n: int) -> Report:
    """Let a worker hang: it is said, nothing is ended; with a limit, the notebook is ended."""
    report = Report("hanging")
    room = ground.room("hanging")
    runs.write_notebooks(room, (HANGING_WORKER, ""))
    process = ground.start(_run_impatiently, room=room)
    end = time.monotonic() + 240
    while (process.is_alive() and time.monotonic() < end
           and "no CPU time used for" not in said(room)):
        time.sleep(0.5)
    report.check(process.is_alive(), "a notebook that waits was ended without a limit")
    text = said(room)
    report.check("no CPU time used for" in text and "waits for" in text
                 and runs.STEMS[0] in text.split("no CPU time used for")[0].splitlines()[-1],
                 f"nothing was said about a worker that hangs: {text[-800:]}")
    ground.kill(process)
    report.tried["a worker hangs, no limit"] += 1
    left = ground.wait_for_orphans(5)
    report.facts.append(f"{left} worker processes outlive a run of which all else is killed while "
                        "they hang")
    for orphan in ground.orphans():
        orphan.kill()
    ended = ground.call(_run_impatiently, "--cell-limit", "1.5", room=room)
    report.check(ended.status == 1 and "had not ended after 1.5 min" in ended.said,
                 f"--cell-limit: {ended.said[-800:]}")
    left = ground.wait_for_orphans()
    report.check(left == 0, f"--cell-limit: {left} processes were left")
    report.check((room / "figures" / f"{runs.STEMS[1]}.png").is_file(),
                 "--cell-limit: the other notebook was not made")
    report.check(not hidden_files(room / "figures"), "--cell-limit: a staging folder is left")
    report.tried["a worker hangs, --cell-limit"] += 1
    return report


def _run_impatiently(*arguments: str) -> int:
    progress.IDLE_S = 8.0
    return runs.run_notebooks(None, *arguments)


def set_back_the_clock(ground: Ground, random: Random, n: int) -> Report:
    """Let files come from the future, and the clock go a day back between and during runs."""
    report = Report("clock")
    for what, function in (("file times in the future", _future_files),
                           ("clock a day back, cache and digests", _clock_back)):
        room = ground.room("clock")
        ended = ground.call(function, room=room)
        report.check(ended.status == 0, f"{what}: {ended.said[-800:]}")
        report.tried[what] += 1
    room = ground.room("clock")
    runs.write_notebooks(room)
    first = ground.call(_run_in_the_past, 0, room=room)
    before = runs.notebook_files(room)
    second = ground.call(_run_in_the_past, -DAY_S, room=room)
    report.check(first.status == second.status == 0 and "Nothing to do" in second.said,
                 f"fresh figures, clock a day back: {second.said[-800:]}")
    future = time.time() + DAY_S
    for path in (room / "figures").iterdir():
        os.utime(path, (future, future))
    source = next((room / "notebooks").glob("97*.py"))
    source.write_text(source.read_text() + "\n# %%\nmore = 1\n")
    os.utime(source, (0, 0))  # older than every figure, and changed
    third = ground.call(_run_in_the_past, -2 * DAY_S, room=room)
    changed = {name for name, digest in runs.notebook_files(room).items()
               if before.get(name) != digest}
    report.check(third.status == 0 and f"{runs.STEMS[0]}  made" in third.said,
                 f"a changed notebook with an old date: {third.said[-800:]}")
    report.check({Path(name).name for name in changed} <= {f"{runs.STEMS[0]}.py",
                                                           f"{runs.STEMS[0]}.ipynb"},
                 f"a clock set back changed {sorted(changed)}")
    report.tried["runs with the clock set back, three"] += 1
    return report


def _run_in_the_past(seconds: float) -> int:
    now = time.time
    runner.time.time = lambda: now() + seconds
    return runs.run_notebooks(None)


def _future_files() -> int:
    """Digests of files are right, whatever their times are and were."""
    _loaded_stores.clear()
    file = cache_dir().parent / "input.bin"
    for k, seconds in enumerate((DAY_S, -DAY_S, 0, DAY_S, DAY_S)):
        file.write_bytes(bytes([k]) * 1000)
        os.utime(file, (time.time() + seconds,) * 2)
        for _ in range(2):
            if content_digests([file]) != [file_digest(file)]:
                return 1
        _loaded_stores.clear()
    return 0


def _clock_back() -> int:
    """What was kept before the clock went back is used, and what changed since is not."""
    now, calls = time.time, []
    pace.slow_cache()
    file = cache_dir().parent / "input.bin"
    for k, seconds in enumerate((0, -DAY_S, -DAY_S, DAY_S)):
        time.time = lambda seconds=seconds: now() + seconds
        file.write_bytes(bytes([k // 2]) * 1000)
        digest, = content_digests([file])
        if digest != file_digest(file):
            return 1

        def make(k: int = k) -> dict[str, np.ndarray]:
            calls.append(k)
            return {"x": np.full(3, k // 2)}

        if cached("clock", "one", {"input": digest}, make)["x"][0] != k // 2:
            return 1
    return 0 if calls == [0, 2] else 1
