"""What this machine offers: cores and memory that a process may use, and what its processor can do.

A run of many notebooks divides the cores between them and says in ``LAB_WORKERS`` how many worker
processes each of them may start.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from helpers.core.paths import ensure_space, size_text

WORKERS_VARIABLE = "LAB_WORKERS"
"""Environment variable: set by the runner, for each notebook that it starts."""

CGROUP = Path("/sys/fs/cgroup")
MEMORY, MEMORY_EACH = 4 * 10**9, 2 * 10**9
"""Bytes that should be free: for the whole demo, and for each notebook that runs beside others."""
DISK, LEAST_DISK = 3 * 10**9, 2 * 10**8
"""Bytes that the demo writes from nothing, and without which no notebook is begun."""


def usable_cores() -> int:
    """Return the number of cores that this process may use: its affinity, its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = _limit("cpu.max").partition(" ")
    return max(1, min(cores, round(int(quota) / int(period)))) if quota.isdigit() else cores


def workers(asked: int | None = None) -> int:
    """Return how many worker processes to start.

    Parameters
    ----------
    asked : int, optional
        The number that a user chose; None: as many as there are usable cores.

    Returns
    -------
    int
        At least 1; never more than ``LAB_WORKERS``, where a run divides the cores.
    """
    chosen = max(1, asked or usable_cores())
    share = os.environ.get(WORKERS_VARIABLE, "")
    return min(chosen, max(1, int(share))) if share.isdigit() else chosen


def free_memory() -> int:
    """Return the bytes of memory that can still be used without swapping."""
    import psutil  # late: only the runner asks, notebooks need not load it

    free = psutil.virtual_memory().available
    most, used = _limit("memory.max"), _limit("memory.current")
    return min(free, int(most) - int(used)) if most.isdigit() and used.isdigit() else free


def divide_cores(at_once: int, folders: Iterable[Path]) -> tuple[int, list[str]]:
    """Fit a run to the machine: return how many notebooks to run at once, and what to warn of.

    Parameters
    ----------
    at_once : int
        Notebooks that were asked for.
    folders : iterable of Path
        Existing folders that will be written to.

    Raises
    ------
    LabError
        If the disk of a folder is as good as full.
    """
    cores, free, told = usable_cores(), free_memory(), []
    if cores == 1:
        told.append("1 core: the demo is sized for two and will take about twice as long.")
    if at_once > cores > 1:
        told.append(f"{at_once} notebooks at once on {cores} cores: they will wait for each other.")
    if free < MEMORY:
        at_once = max(1, min(at_once, free // MEMORY_EACH))
        told.append(f"{size_text(free)} of memory free, {size_text(MEMORY)} expected: "
                    f"notebooks at once: {at_once}. Close other programs if one is killed.")
    for folder in folders:
        ensure_space(folder, LEAST_DISK, "one notebook")
        space = shutil.disk_usage(folder).free
        if space < DISK:
            told.append(f"{size_text(space)} of disk free for {folder}, {size_text(DISK)} expected "
                        "for the whole demo: LAB_DATA, LAB_CACHE name folders on another disk.")
    return at_once, told


def machine() -> dict[str, str | int]:
    """Return what rounding depends on: the chip, the instructions torch uses, its threads."""
    import torch  # late: asked once per notebook, and the runner must start without it

    chip = torch.cpu.get_capabilities().get("cpu_name") or platform.processor()
    return {"cpu": chip or platform.machine(), "system": sys.platform,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads()}


def _limit(name: str) -> str:
    """Return what a control group (version 2) says of a limit; empty where there is none."""
    try:
        return (CGROUP / name).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
