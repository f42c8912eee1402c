"""Train the demo networks from nothing: images → weights, with a record of how.

    python -m data.zoo                                     all, one after the other
    python -m data.zoo --only demo-barlow-twins
    torchrun --nproc-per-node 4 -m data.zoo                the same on several processes

Writes ``data/zoo/<name>.safetensors`` (float16), ``<name>-readout.safetensors``, the linear
readout of the diet's classes, and the record of both, ``data/zoo/zoo.json``. Of the matched models
(``demo-resnet-...``) also what they were on their way, ``data/zoo/emergence.csv`` and
``<name>-rdms.safetensors``.
"""

from __future__ import annotations

import argparse
import json
import sys
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
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.networks.network import select_device
from helpers.training.processes import process_group, process_rank

NAMES = [UNTRAINED_NETWORK, *RECIPES, *CLIP_NETWORKS, *MATCHED_MODELS]


def main(arguments: list[str] | None = None) -> int:
    """Train the demo networks (``python -m data.zoo``); return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m data.zoo", description=main.__doc__)
    parser.add_argument("--only", choices=NAMES, nargs="+", metavar="NAME", default=NAMES,
                        help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--readouts", action="store_true",
                        help="train the readouts of the networks that are there")
    parser.add_argument("--moments", action="store_true",
                        help="measure the cached checkpoints of the matched models again")
    options = parser.parse_args(arguments)
    try:
        profile = load_profile(options.profile)
        with process_group(select_device(profile.device)) as device:
            for name in options.only:
                if not (options.readouts or options.moments):
                    _log_record(name, _train(name, profile, device))
                if not (options.moments or process_rank()):
                    _log_record(name, _evaluate(name, profile, device,
                                                readout_only=options.readouts))
                if name in MATCHED_MODELS and not (options.readouts or process_rank()):
                    measure_checkpoints(name, profile, device=device)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
