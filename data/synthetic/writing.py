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

Item, Result = TypeVar("Item"), TypeVar("Made")


def require_positive(**counts: int) -> None:
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


def format_coco_captions(paths: Sequence[str], captions: Sequence[Sequence[str]], size: int,
                  description: str) -> dict[str, Any]:
    """Arrange captions as COCO does.

    Parameters
    ----------
    paths : sequence of str
        Of the images, within their set.
    captions : sequence of sequences of str
        Captions of each.
    size : int
        Side of the images, pixels.
    description : str
        They are, for the description.
    """
    images = [{"id": i, "file_name": path, "width": size, "height": size}
                for i, path in enumerate(paths, 1)]
    numbered_captions = [(i, caption) for i, numbered_captions in enumerate(captions, 1)
                         for caption in numbered_captions]
    return {"info": {"description": f"Demo universe: {description} with five captions each"},
            "images": images,
            "annotations": [{"id": k, "image_id": i, "caption": caption}
                            for k, (i, caption) in enumerate(numbered_captions, 1)]}


def _is_running(pid: str) -> bool:
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
def atomic_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder beside ``folder`` that takes its name only when all went well."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is there already and not empty.",
                       expected="a folder that does not exist yet",
                       remedy="move it away, or give another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f"{folder.name}.part-*"):
        if not _is_running(leftover.name.rpartition("-")[2]):
            shutil.rmtree(leftover, ignore_errors=True)
    temp_folder = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(temp_folder, ignore_errors=True)
    temp_folder.mkdir()
    try:
        yield temp_folder
        if folder.exists():
            folder.rmdir()
        temp_folder.rename(folder)
    except BaseException:
        shutil.rmtree(temp_folder, ignore_errors=True)
        raise


def map_chunks(function: Callable[[Sequence[Item]], Result], items: Sequence[Item], *, chunk: int,
                   processes: int | None, label: str) -> Iterator[Result]:
    """Yield ``function(chunk)`` for each chunk of some items, in order, with a bar.

    Parameters
    ----------
    function : callable
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
        yield from progress(map(function, chunks), label, total=len(chunks))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from progress(pool.map(function, chunks), label, total=len(chunks))
