"""What can be found without any package: Python, packages, cores, memory, disks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.machine import MIN_DISK, free_memory, usable_cores
from helpers.core.paths import (
    ROOT,
    cache_dir,
    data_dir,
    ensure_space,
    ensure_writable,
    figures_dir,
)
from helpers.setup import BELOW, LOWEST

LOCK = ROOT / "requirements.lock"
MIN_FREE = {"data": 1 * 10**9, "cache": 2 * 10**9, "figures": 10**8, "temporary": 5 * 10**8}
"""Bytes that the demo writes, by folder; less is a problem where nothing has been made yet."""
FREE_TEMPORARY = "free some space, or set TMPDIR to a folder on another disk"


def python_facts() -> dict:
    """Return version and place of this Python, and whether the lab runs on it."""
    return {"version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": hide_home(sys.executable),
            "supported": LOWEST <= sys.version_info[:3] < BELOW,
            "expected": "3.11.5 to 3.14"}


def system_facts() -> dict:
    """Return the system, its processor, cores and memory (bytes; None where it cannot be told)."""
    total, free = memory()
    return {"system": platform.platform(), "processor": platform.machine(),
            "cores": usable_cores(), "memory_bytes": total, "memory_free_bytes": free,
            "conda": os.environ.get("CONDA_DEFAULT_ENV", ""),
            "variables": {name: hide_home(os.environ[name]) for name in sorted(os.environ)
                          if name.startswith("LAB_")}}


def memory() -> tuple[int | None, int | None]:
    """Return the bytes of memory, and those free; psutil is asked where it is there."""
    total = free = None
    with suppress(AttributeError, OSError, ValueError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ImportError):
        free = free_memory()
    return total, free


def package_facts(lock: Path = LOCK) -> dict:
    """Compare the installed packages with the lock.

    Returns
    -------
    dict
        ``n_locked``; ``missing``, names; ``other_version``, of each name, installed, locked.
        Lines of the lock for other systems are left out.
    """
    locked = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w.-]+)==([^\s;]+)\s*(?:;(.*))?$", line)
        if match and _applies(match[3] or ""):
            locked[match[1]] = match[2]
    missing, other = [], []
    for name, version in locked.items():
        try:
            installed = metadata.version(name)
        except Exception:  # not there, or its record is damaged
            missing.append(name)
            continue
        if (installed or "").split("+")[0] != version:  # 2.14.1+cpu is 2.14.1
            other.append({"name": name, "installed": installed, "locked": version})
    return {"n_locked": len(locked), "missing": missing, "other_version": other}


def _applies(marker: str) -> bool:
    """Tell whether a line of the lock is for this system; it knows the two markers used there."""
    here = {"sys_platform": sys.platform, "platform_machine": platform.machine()}
    conditions = re.findall(r'(\w+) == "([^"]*)"', marker)
    return all(here.get(name) == value for name, value in conditions)


def folder_facts(profile_name: str, default_data: str) -> list[dict]:
    """Return place, free bytes and what is wrong of the folders that are written to.

    Nothing stays behind; a folder that does not exist is not made: the nearest one above it is
    tried.
    """
    places = {"data": data_dir(default_data), "cache": cache_dir(),
              "figures": figures_dir(profile_name), "temporary": Path(tempfile.gettempdir())}
    return [_folder(name, path) for name, path in places.items()]


def _folder(name: str, path: Path) -> dict:
    there = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path("/"))
    facts = {"name": name, "path": hide_home(path), "exists": path.is_dir(), "free_bytes": None,
             "problem": "", "remedy": "", "warning": ""}
    try:
        facts["free_bytes"] = free = shutil.disk_usage(there).free
        ensure_writable(there)
        ensure_space(there, MIN_DISK, "one notebook")
    except LabError as error:
        return {**facts, "problem": error.seen,
                "remedy": FREE_TEMPORARY if name == "temporary" else error.remedy}
    except OSError as error:
        return {**facts, "problem": f"{path}: {error.strerror}",
                "remedy": "see whether its disk is there and may be written to"}
    if free < MIN_FREE[name] and not path.is_dir():
        facts["warning"] = "less than the demo writes there"
    return facts


def hide_home(path: str | Path) -> str:
    """Write ~ for the user's folder: reports are posted."""
    home, text = str(Path.home()), str(path)
    return "~" + text[len(home):] if len(home) > 1 and text.startswith(home) else text
