"""What this machine offers: the cores and the memory that a process may use.

A run of many notebooks divides the cores between them and says in ``LAB_WORKERS`` how many worker
processes each of them may start.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from helpers.core.paths import ensure_space, format_size

WORKERS_VARIABLE = "LAB_WORKERS"
"""Environment variable: set by the runner, for each notebook that it starts."""

CGROUP = Path("/sys/fs/cgroup")
MIN_DISK = 2 * 10**8
"""Bytes without which no notebook is begun."""


def usable_cores() -> int:
    """Return the number of cores that this process may use: its affinity, its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = _read_cgroup("cpu.max").partition(" ")
    return max(1, min(cores, round(int(quota) / int(period)))) if quota.isdigit() else cores


def count_workers(requested: int | None = None) -> int:
    """Return how many worker processes to start.

    Parameters
    ----------
    requested : int, optional
        The number that a user chose; None: as many as there are usable cores.

    Returns
    -------
    int
        At least 1; never more than ``LAB_WORKERS``, where a run divides the cores.
    """
    n_workers = max(1, requested or usable_cores())
    limit = os.environ.get(WORKERS_VARIABLE, "")
    return min(n_workers, max(1, int(limit))) if limit.isdigit() else n_workers


def free_memory() -> int:
    """Return the bytes of memory that can still be used without swapping."""
    import psutil  # late: only the runner asks, notebooks need not load it

    free = psutil.virtual_memory().available
    limit, used = _read_cgroup("memory.max"), _read_cgroup("memory.current")
    return min(free, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else free


def peak_memory() -> int:
    """Return the most memory that this process has held since its program began, in bytes.

    On Linux ``ru_maxrss`` would also count what the process that started it held at that moment.
    On macOS, which tells no peak of a program, what is held now.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
    import psutil  # late: benchmarks alone ask

    info = psutil.Process().memory_info()
    return getattr(info, "peak_wset", info.rss)


def divide_cores(n_parallel: int, folders: Iterable[Path], memory: Sequence[float],
                 disk: float) -> tuple[int, list[str]]:
    """Fit a run to the machine: return how many notebooks to run at once, and what to warn of.

    Parameters
    ----------
    n_parallel : int
        Notebooks at once that were asked for.
    folders : iterable of Path
        Existing folders that will be written to.
    memory : sequence of float
        Bytes of memory that each of the notebooks needs.
    disk : float
        Bytes that they write from nothing.

    Raises
    ------
    LabError
        If the disk of a folder is as good as full.
    """
    cores, free, warnings = usable_cores(), free_memory(), []
    if cores == 1:
        warnings.append("1 core: the demo is sized for two and will take about twice as long.")
    if n_parallel > cores > 1:
        warnings.append(
            f"{n_parallel} notebooks at once on {cores} cores: they will wait for each other.")
    together = list(accumulate(sorted(memory, reverse=True)))[:n_parallel]
    if free < together[-1]:
        n_parallel = max(1, sum(size <= free for size in together))
        warnings.append(f"{format_size(free)} of memory free, {format_size(together[-1])} "
                        f"expected: notebooks at once: {n_parallel}. Close other programs if one "
                        "is killed.")
    for folder in folders:
        ensure_space(folder, MIN_DISK, "one notebook")
        free_disk = shutil.disk_usage(folder).free
        if free_disk < disk:
            warnings.append(f"{format_size(free_disk)} of disk free for {folder}, "
                            f"{format_size(disk)} expected: LAB_DATA, LAB_CACHE name folders on "
                            "another disk.")
    return n_parallel, warnings


def _read_cgroup(name: str) -> str:
    """Return what a control group (version 2) says of a limit; empty where there is none."""
    try:
        return (CGROUP / name).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
