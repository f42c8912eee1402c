"""Where things are, and how a file is written so that it is whole or not there."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.core.errors import LabError

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent
"""The repository: the folder that holds the package ``helpers``."""

DATA_VARIABLE = "LAB_DATA"
CACHE_VARIABLE = "LAB_CACHE"
FIGURES_VARIABLE = "LAB_FIGURES"

FULL_DISK = {errno.ENOSPC: "The disk is full",
             errno.EDQUOT: "Your quota on this disk is exhausted",
             errno.EFBIG: "The file is larger than this disk or your limit (ulimit -f) allows"}
"""Errors of the system that more space would prevent -> what they mean."""
MORE_SPACE = (f"free some space, or set {DATA_VARIABLE} or {CACHE_VARIABLE} to a folder on a "
              "larger disk")
HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
"""This machine, in names of temporary files: on a shared disk, process numbers say nothing of
another machine's processes."""


def data_dir(default: str | Path) -> Path:
    """Return the folder of the data: ``LAB_DATA``, else the profile's default.

    Relative paths count from the repository, so that every working directory agrees.
    """
    return _absolute_path(os.environ.get(DATA_VARIABLE) or default)


def cache_dir() -> Path:
    """Return the folder of the artefacts: ``LAB_CACHE``, else ``data/cache``."""
    return _absolute_path(os.environ.get(CACHE_VARIABLE) or "data/cache")


def figures_dir(profile_name: str) -> Path:
    """Return the folder of the figures: ``LAB_FIGURES`` (a staging folder of the runner), else
    ``figures/<profile_name>``."""
    return _absolute_path(os.environ.get(FIGURES_VARIABLE) or Path("figures") / profile_name)


def zoo_dir() -> Path:
    """Return the folder of the committed weights of the demo networks."""
    return ROOT / "data" / "zoo"


def ensure_writable(folder: Path) -> Path:
    """Make ``folder`` and prove that a file can be made in it; return it.

    Raises
    ------
    LabError
        If the folder cannot be made or is read-only.
    """
    # A real file is tried: os.access answers yes to root even on a read-only disk.
    test_file = folder / f".writable-{uuid.uuid4().hex[:12]}"
    try:
        with report_full_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            test_file.touch()
            test_file.unlink()
    except OSError as error:
        raise LabError(
            f"Nothing can be written in {folder} ({error.strerror or error}).",
            expected="a folder that exists or can be made, on a disk that is not read-only",
            remedy=f"set {DATA_VARIABLE} (data) or {CACHE_VARIABLE} (artefacts) to a folder "
                   "you may write to") from error
    return folder


def ensure_space(folder: Path, n_bytes: int, what: str) -> None:
    """Raise ``LabError`` where the disk of ``folder`` (which exists) has under ``n_bytes`` bytes.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise LabError(f"The disk of {folder} has {format_size(free)} free.",
                       expected=f"{format_size(n_bytes)} for {what}", remedy=MORE_SPACE)


@contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Raise ``LabError`` where ``path`` cannot be written for one of `FULL_DISK`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        folder = next(parent for parent in (path, *path.parents) if parent.is_dir())
        raise LabError(f"{FULL_DISK[error.errno]}: {path} could not be written "
                       f"({format_size(shutil.disk_usage(folder).free)} free).",
                       expected="enough space for the file; what was there before is untouched",
                       remedy=f"{MORE_SPACE}, and run again") from error


def atomic_write(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file so that readers see the old one or the whole new one; return ``path``.

    Parameters
    ----------
    path : Path
        Its folder is made where needed.
    write : callable
        Gets a temporary path in the same folder, with the same suffix, and writes there.

    Raises
    ------
    LabError
        If the disk is full or the folder read-only. Whatever ``write`` raises passes through;
        in each case the temporary file is gone and the old file is intact.
    """
    ensure_writable(path.parent)
    _remove_leftovers(path)
    temporary = path.with_name(
        f".{path.stem}-{HOST}-{os.getpid()}-{uuid.uuid4().hex[:6]}.part{path.suffix}")
    try:
        with report_full_disk(path):
            write(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def atomic_write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8 as `atomic_write` writes a file; return ``path``."""
    return atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that were killed had begun to write for ``path``."""
    from psutil import pid_exists  # not at the top: helpers.doctor runs without packages, too

    pattern = f".{glob.escape(path.stem)}-{HOST}-*.part{glob.escape(path.suffix)}"
    for leftover in path.parent.glob(pattern):
        with suppress(ValueError, OSError):  # not a file of ours, or just gone
            if not pid_exists(int(leftover.name.split("-")[-2])):
                leftover.unlink()


def format_size(n_bytes: int) -> str:
    """Return a size in the unit that a reader expects, such as "195 MB"."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _absolute_path(path: str | Path) -> Path:
    return (ROOT / Path(path).expanduser()).resolve()
