"""How all sets of the synthetic data set are written: whole or not at all, by several processes."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from helpers.core.console import progress
from helpers.core.errors import LabError
from helpers.core.machine import count_workers

Item, Made = TypeVar("Item"), TypeVar("Made")


def counted(**counts: int) -> None:
    """Refuse a number below 1."""
    for name, value in counts.items():
        if value < 1:
            raise LabError(f"{name} is {value}.", expected="a whole number of at least 1",
                           remedy=f"give {name}=1 or more")


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Save an image as every set of the synthetic data set has it."""
    encoded = io.BytesIO()  # one write per file is several times faster on shared discs
    image.save(encoded, format="JPEG", quality=92, subsampling=0)
    path.write_bytes(encoded.getvalue())


def coco_captions(paths: Sequence[str], said: Sequence[Sequence[str]], size: int,
                  what: str) -> dict[str, Any]:
    """Arrange captions as COCO does.

    Parameters
    ----------
    paths : sequence of str
        Of the images, within their set.
    said : sequence of sequences of str
        Captions of each.
    size : int
        Side of the images, pixels.
    what : str
        They are, for the description.
    """
    images = [{"id": i, "file_name": path, "width": size, "height": size}
                for i, path in enumerate(paths, 1)]
    lines = [(i, line) for i, lines in enumerate(said, 1) for line in lines]
    return {"info": {"description": f"Demo universe: {what} with five captions each"},
            "images": images,
            "annotations": [{"id": k, "image_id": i, "caption": line}
                            for k, (i, line) in enumerate(lines, 1)]}


def _alive(pid: str) -> bool:
    """Say whether a process of this number runs (where the system cannot say: assume so)."""
    if os.name != "posix" or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def whole(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder beside ``folder`` that takes its name only when all went well."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is there already and not empty.",
                       expected="a folder that does not exist yet",
                       remedy="move it away, or give another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"{folder.name}.part-*"):
        if not _alive(left.name.rpartition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def made_in_chunks(make: Callable[[Sequence[Item]], Made], items: Sequence[Item], *, chunk: int,
                   processes: int | None, label: str) -> Iterator[Made]:
    """Yield ``make(chunk)`` for each chunk of some items, in order, with a bar.

    Parameters
    ----------
    make : callable
        Runs in a process of its own: a function of a module, or a partial of one.
    items : sequence
    chunk : int
        Items that one call makes.
    processes : int, optional
        Default: `count_workers`.
    label : str
        Of the bar.
    """
    chunks = [items[i:i + chunk] for i in range(0, len(items), chunk)]
    processes = min(processes or count_workers(), len(chunks))
    if processes <= 1:
        yield from progress(map(make, chunks), label, total=len(chunks))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from progress(pool.map(make, chunks), label, total=len(chunks))
