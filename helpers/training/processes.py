"""The processes and the machine of a training: alone, or many under torchrun."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import distributed


def process_rank() -> int:
    """Return this process's number; 0 where it runs alone."""
    return int(os.environ.get("RANK", 0))


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the other processes where torchrun started this one; yield the device to use."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # Optimizers import torch._dynamo. Imported while there is a group, it keeps the group's threads
    # (torch 2.14), and one that holds a Python object when the interpreter ends aborts the process.
    importlib.import_module("torch._dynamo")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def describe_platform(device: torch.device) -> dict[str, Any]:
    """Return what a result may depend on: versions, chip, threads."""
    chip = (torch.cuda.get_device_name(device) if device.type == "cuda"
            else torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    return {"python": platform.python_version(), "torch": torch.__version__,
            "system": platform.system(), "machine": platform.machine(), "chip": chip,
            "threads": torch.get_num_threads()}


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one thread, BLAS too: sums are then the same whatever else the machine does."""
    previous_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(previous_threads)
