"""Train the demo networks from nothing: pictures → weights, with a record of how.

    python -m helpers.zoo                                     all, one after the other
    python -m helpers.zoo --only demo-barlow-twins
    torchrun --nproc-per-node 4 -m helpers.zoo                the same on several processes

Writes ``data/zoo/<name>.safetensors`` (float16), ``<name>-readout.safetensors``, the linear
readout of the diet's classes, and the record of both, ``data/zoo/zoo.json``. Of the siblings
(``demo-resnet-...``) also what they were on their way, ``data/zoo/emergence.csv``.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import torch

from helpers.ground.console import say
from helpers.ground.errors import LabError
from helpers.ground.paths import zoo_dir
from helpers.ground.profile import Profile, load_profile
from helpers.networks.network import pick_device
from helpers.training.processes import joined, rank
from helpers.zoo.siblings import SIBLINGS, assess_sibling, make_sibling, measure_sibling
from helpers.zoo.towers import RECIPES as TOWERS
from helpers.zoo.towers import assess_towers, make_towers
from helpers.zoo.training import RECIPES, UNTRAINED, assess, make, make_readout, note

NAMES = [UNTRAINED, *RECIPES, *TOWERS, *SIBLINGS]


def main(arguments: list[str] | None = None) -> int:
    """Train the demo networks (``python -m helpers.zoo``); return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.zoo", description=main.__doc__)
    parser.add_argument("--only", choices=NAMES, nargs="+", metavar="NAME", default=NAMES,
                        help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--readouts", action="store_true",
                        help="train the readouts of the networks that are there")
    parser.add_argument("--moments", action="store_true",
                        help="measure again what the siblings were at their moments, which are "
                             "kept in the cache")
    options = parser.parse_args(arguments)
    try:
        profile = load_profile(options.profile)
        with joined(pick_device(profile.device)) as device:
            for name in options.only:
                if not (options.readouts or options.moments):
                    _note(name, _made(name, profile, device))
                if not (options.moments or rank()):
                    _note(name, _assessed(name, profile, device, again=options.readouts))
                if name in SIBLINGS and not (options.readouts or rank()):
                    measure_sibling(name, profile, device=device)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _note(name: str, record: dict[str, Any]) -> None:
    """Keep what is known of a network at once: what comes next may fail."""
    if not rank():
        note(name, record, zoo_dir() / "zoo.json")
        say(f"{name}: {json.dumps(record)}")


def _made(name: str, profile: Profile, device: torch.device) -> dict[str, Any]:
    """Train a network and save it."""
    train = make_towers if name in TOWERS else make_sibling if name in SIBLINGS else make
    return train(name, profile, device=device)


def _assessed(name: str, profile: Profile, device: torch.device, *, again: bool) -> dict[str, Any]:
    """Measure a network as saved, and train its readout; ``again``: the readout alone."""
    if name in TOWERS or name in SIBLINGS:
        measure = assess_towers if name in TOWERS else assess_sibling
        return {} if again else measure(name, profile, device=device)
    found = {} if again else assess(name, profile, device=device)
    return found | {"readout": make_readout(name, profile, device=device)}


if __name__ == "__main__":
    sys.exit(main())
