"""Import every package that the lab imports, one by one, and find the device.

    python -m helpers.doctor.imports

One line of JSON before and after each, so that whoever started this process knows which package
ended it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

PACKAGES = ("numpy", "scipy", "pandas", "matplotlib", "PIL", "sklearn", "statsmodels", "numba",
            "himalaya", "h5py", "nibabel", "pydantic", "psutil", "filelock", "requests", "joblib",
            "safetensors", "tqdm", "IPython", "nbformat", "nbclient", "papermill", "jupytext",
            "torch", "torchvision", "open_clip")


def say(**facts: object) -> None:
    """Write one line of JSON at once."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def device_facts() -> dict[str, object]:
    """Return what torch finds: its version, NVIDIA's cards, Apple's GPU, and what auto takes."""
    torch = importlib.import_module("torch")
    network = importlib.import_module("helpers.networks.network")
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
            ] if torch.cuda.is_available() else []
    return {"torch": torch.__version__, "cuda": cuda,
            "mps": bool(torch.backends.mps.is_available()),
            "auto": network.select_device("auto").type,
            "threads": torch.get_num_threads()}


def attempt(name: str, work: Callable[[], T]) -> T | None:
    """Say that something begins, and what went wrong, if anything did."""
    say(begins=name)
    try:
        return work()
    except Exception as error:  # a broken package may raise anything
        say(broken=name, error=f"{type(error).__name__}: {error}".splitlines()[0][:200])


def main(packages: tuple[str, ...] = PACKAGES) -> None:
    """Import the packages; then say which device there is."""
    for name in packages:
        attempt(name, partial(importlib.import_module, name))
    say(device=attempt("device", device_facts), ends=True)


if __name__ == "__main__":
    main()
