"""Train the demo networks from nothing: images → weights, with a record of how.

    python -m data.zoo --jobs 2              all, two at once with one thread each (``make zoo``)
    python -m data.zoo --only demo-barlow-twins
    torchrun --nproc-per-node 4 -m data.zoo --only demo-clip     one network, several processes

Writes ``data/zoo/<name>.safetensors`` (float16), ``<name>-readout.safetensors``, the linear
readout of the diet's classes, and the record of both, ``data/zoo/zoo.json``. Of the matched models
(``demo-resnet-...``) also what they were on their way, ``data/zoo/emergence.csv`` and
``<name>-rdms.safetensors``. With ``--jobs``, a run that was interrupted goes on after the networks
that it had finished; a failed network does not stop the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from data.zoo.clip_training import RECIPES as CLIP_NETWORKS
from data.zoo.clip_training import evaluate_clip, train_and_save_clip
from data.zoo.matched_models import (
    MATCHED_MODELS,
    evaluate_matched_model,
    measure_checkpoints,
    train_and_save_matched_model,
)
from data.zoo.training import (
    RECIPES,
    UNTRAINED_NETWORK,
    evaluate_network,
    train_and_save,
    train_and_save_readout,
    update_record,
)
from helpers.config.profile import Profile, load_profile
from helpers.core.console import echo
from helpers.core.digest import code_digest
from helpers.core.errors import LabError
from helpers.core.paths import atomic_write, cache_dir, ensure_writable, zoo_dir
from helpers.networks.builders import IMPORTED_BY_NAME
from helpers.networks.network import select_device
from helpers.training.processes import process_group, process_rank

NAMES = [*CLIP_NETWORKS, *RECIPES, *reversed(MATCHED_MODELS), UNTRAINED_NETWORK]
"""Those that take longest first: two at once then end at about the same time."""


def main(arguments: list[str] | None = None) -> int:
    """Train the demo networks (``python -m data.zoo``); return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m data.zoo", description=main.__doc__)
    parser.add_argument("--only", choices=NAMES, nargs="+", metavar="NAME", default=NAMES,
                        help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--readouts", action="store_true",
                        help="train the readouts of the networks that are there")
    parser.add_argument("--checkpoints", action="store_true",
                        help="measure the cached checkpoints of the matched models again")
    parser.add_argument("--jobs", type=int, metavar="N",
                        help="train N networks at once, each in a process of one thread")
    options = parser.parse_args(arguments)
    try:
        profile = load_profile(options.profile)
        if options.jobs is not None:
            return train_side_by_side(
                options.only, profile, options.jobs,
                [f"--{name}" for name in ("readouts", "checkpoints") if getattr(options, name)])
        with process_group(select_device(profile.device)) as device:
            for name in options.only:
                if not (options.readouts or options.checkpoints):
                    _log_record(name, _train(name, profile, device))
                if not (options.checkpoints or process_rank()):
                    _log_record(name, _evaluate(name, profile, device,
                                                readout_only=options.readouts))
                if name in MATCHED_MODELS and not (options.readouts or process_rank()):
                    measure_checkpoints(name, profile, device=device)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted: networks that are finished are kept; make zoo goes on "
                         "with the others.\n")
        return 130
    return 0


def train_side_by_side(names: Sequence[str], profile: Profile, n_jobs: int,
                       options: Sequence[str] = ()) -> int:
    """Train networks in processes of their own, ``n_jobs`` at once; return the exit status.

    What an interrupted or failed run of the same networks, options and code had finished is kept:
    it is listed in a file of the cache, which goes when all are trained.

    Raises
    ------
    LabError
        If ``n_jobs`` is below 1, or some networks failed.
    """
    if n_jobs < 1:
        raise LabError(f"--jobs {n_jobs}", expected="1 or more", remedy="correct the number")
    path = ensure_writable(cache_dir()) / "zoo-run.json"
    run = {"profile": profile.digest, "options": list(options), "names": list(names),
           "code": code_digest(["data.zoo.__main__", *IMPORTED_BY_NAME])}
    finished = _finished_names(path, run)
    if finished:
        echo(f"{len(finished)} of {len(names)} networks were trained by a run that did not end "
             f"(remove {path} to train them again)")

    lock = Lock()

    def train(name: str) -> None:
        echo(f"{name}: started")
        done = subprocess.run([sys.executable, "-m", "data.zoo", "--profile", profile.name,
                               "--only", name, *options],
                              env=os.environ | {"OMP_NUM_THREADS": "1"})
        if done.returncode == 0:
            with lock:
                finished.append(name)
                text = json.dumps(run | {"finished": finished})
                atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))

    pool = ThreadPoolExecutor(n_jobs)
    try:
        for _ in pool.map(train, [name for name in names if name not in finished]):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: those that wait are not started
    failed = [name for name in names if name not in finished]
    if failed:
        raise LabError(f"not trained: {', '.join(failed)}", expected="every network trained",
                       remedy="read the message above; the same command goes on with these")
    path.unlink(missing_ok=True)
    return 0


def _finished_names(path: Path, run: dict[str, Any]) -> list[str]:
    """Return the networks that an unfinished run of the same kind has trained."""
    try:
        last_run = json.loads(path.read_text(encoding="utf-8"))
        finished = last_run.pop("finished")
    except (OSError, ValueError, AttributeError, KeyError):
        return []
    return finished if last_run == run else []


def _log_record(name: str, record: dict[str, Any]) -> None:
    """Keep what is known of a network at once: what comes next may fail."""
    if not process_rank():
        update_record(name, record, zoo_dir() / "zoo.json")
        echo(f"{name}: {json.dumps(record)}")


def _train(name: str, profile: Profile, device: torch.device) -> dict[str, Any]:
    """Train a network and save it."""
    train = (train_and_save_clip if name in CLIP_NETWORKS
             else train_and_save_matched_model if name in MATCHED_MODELS else train_and_save)
    return train(name, profile, device=device)


def _evaluate(name: str, profile: Profile, device: torch.device, *,
              readout_only: bool) -> dict[str, Any]:
    """Measure a network as saved, and train its readout; ``readout_only``: the readout alone."""
    if name in CLIP_NETWORKS or name in MATCHED_MODELS:
        measure = evaluate_clip if name in CLIP_NETWORKS else evaluate_matched_model
        return {} if readout_only else measure(name, profile, device=device)
    record = {} if readout_only else evaluate_network(name, profile, device=device)
    return record | {"readout": train_and_save_readout(name, profile, device=device)}


if __name__ == "__main__":
    sys.exit(main())
