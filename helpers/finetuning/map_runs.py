"""Many fine-tunings and evaluations: in several processes or on a Dask cluster, after a look at the
disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from joblib import Parallel, delayed

from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.cache import key
from helpers.core.cluster import dask_cluster
from helpers.core.console import echo, progress
from helpers.core.cooperative_map import cooperative_map
from helpers.core.machine import count_workers
from helpers.core.paths import cache_dir, ensure_space, ensure_writable, format_size
from helpers.finetuning.conditions import add_head, count_head_inputs
from helpers.finetuning.runs import FineTuningRun

N_STATE_COPIES = 3
"""What is on disk while a network is fine-tuned: its weights and Adam's two moments."""
WORTH_TELLING = 2**30
"""Bytes of weights above which they are announced."""
T = TypeVar("T")


def map_runs(function: Callable[..., T], arguments: Sequence[tuple], label: str,
             n_jobs: int) -> list[T]:
    """Return ``[function(*one) for one in arguments]``, in several processes.

    With a progress bar; shared with other notebooks; on a GPU one after another, unless
    ``DASK_SCHEDULER_ADDRESS`` names a cluster, whose workers then share the runs. What is finished
    is in the cache, so that an interrupted call continues.

    Parameters
    ----------
    function : callable
    arguments : sequence of tuple
        The first of each is a `FineTuningRun`, which is fine-tuned where it was not yet.
    label : str
    n_jobs : int

    Raises
    ------
    LabError
        Before anything is done, if the disk cannot hold the networks that are to be fine-tuned.
    """
    on_cpu = all(next(run.network.model.parameters()).device.type == "cpu"
                 for run, *_ in arguments)
    n_workers = count_workers(n_jobs) if on_cpu else 1
    require_disk_space([run for run, *_ in arguments], n_workers)
    with dask_cluster():
        pool = Parallel(n_jobs=n_workers, return_as="generator", pre_dispatch="n_jobs")
        return cooperative_map(
            lambda one: function(*one), arguments, map_function=lambda call, some: progress(
                pool(delayed(call)(one) for one in some), label, len(some)))


def require_disk_space(runs: Sequence[FineTuningRun], n_workers: int = 1) -> None:
    """Raise ``LabError`` where the disk of the cache cannot hold what runs are fine-tuned to.

    Networks that were fine-tuned before need no space. Large needs are announced.
    """
    distinct = {(run.name, run.regions, run.split, run.learning_rate): replace(
        run, interpolation=1.0) for run in runs if run.regions}
    if not distinct:
        return
    folder = ensure_writable(cache_dir() / "finetuned")
    first = next(iter(distinct.values()))
    n_units = count_head_inputs(first.network.model, first.cohort_data.spec,
                                first.cohort_data.image_size)
    n_values = {where: count_values(run, n_units) for where, run in distinct.items()}
    value_size = saved_value_size(first.cohort_data.spec)
    if value_size * sum(n_values.values()) > WORTH_TELLING:  # else not worth a look
        n_values = {where: n for where, n in n_values.items()
                    if not (folder / f"{distinct[where].name}-{key(**distinct[where].parts)}.npz"
                            ).is_file()}
    saved = value_size * sum(n_values.values())
    state = n_workers * N_STATE_COPIES * 4 * max(n_values.values(), default=0)
    what = f"{len(n_values)} networks to fine-tune"
    if saved > WORTH_TELLING:
        echo(f"{what}: {format_size(saved)} of weights in {folder}")
    ensure_space(folder, saved + state, f"{what}, one by one; what is finished stays")


def saved_value_size(spec: FinetuningSpec) -> int:
    """Return the bytes of a weight on disk: in ``saved_precision``, and in float32 at checkpoints.
    """
    return (2 if spec.saved_precision == "float16" else 4) + 4 * len(spec.checkpoints)


def count_values(run: FineTuningRun, n_units: int) -> int:
    """Count the weights of a fine-tuned network. No head is made: its tensors have shapes alone."""
    with torch.device("meta"):
        model = add_head(run.condition, run.network.model, n_units, run.n_voxels,
                         run.cohort_data.spec, run.max_voxels)
    return sum(tensor.numel() for tensor in model.state_dict().values())
