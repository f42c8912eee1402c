"""The files of a network's weights, readout and words: found, fetched, or drawn from a seed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from helpers.core.cache import key
from helpers.core.console import notice
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir, zoo_dir
from helpers.datasets.sources import ensure_file, find_file, matches_record, write_record
from helpers.networks.architectures import build
from helpers.networks.builders import builder_digest
from helpers.networks.registry import NetworkEntry, WeightsFile
from helpers.networks.weights import save_state_dict, state_digest


def weights_file(entry: NetworkEntry, data: Path, *, seed: int = 0) -> Path | None:
    """Return the file with a network's weights, made available.

    Looked for in the zoo and in ``networks/`` of the data directory; fetched otherwise. An
    untrained network is drawn once from its seed and kept, so that every figure sees the same
    one. None where a user's function returns a trained network.
    """
    ready = _ready_file(entry, data, seed=seed)
    if ready is not None:
        return ready
    if not entry.trained:
        return _draw_weights(entry, seed)
    if entry.folder and not entry.file:
        return None
    if not entry.url:
        raise LabError(f"no weights of {entry.name!r}", expected=f"data/zoo/{entry.file}",
                       remedy="make zoo trains the demo networks again")
    return ensure_file(entry.source(entry.name), data / "networks" / entry.file)


def find_weights(entry: NetworkEntry, data: Path, *, seed: int = 0) -> Path | None:
    """Return the file that `weights_file` would, or None; nothing is fetched or drawn."""
    ready = _ready_file(entry, data, seed=seed)
    if ready is None and entry.url:
        return find_file(entry.source(entry.name), data / "networks" / entry.file)
    return ready


def _ready_file(entry: NetworkEntry, data: Path, *, seed: int) -> Path | None:
    """Return a file of weights that is there and is not verified by a digest; None: there is none.
    """
    if not entry.trained and matches_record(drawn := _drawn_file(entry, seed)):
        return drawn
    ready = [data / "networks" / entry.local] if entry.local else []
    if not entry.url:
        ready += _places(entry, data)
    return next((path for path in ready if path.is_file()), None)


def _places(weights: WeightsFile, data: Path) -> list[Path]:
    """Return where a file of weights may lie: in the zoo, or in the data directory."""
    return [folder / weights.file for folder in (zoo_dir(), data / "networks") if weights.file]


def _drawn_file(entry: NetworkEntry, seed: int) -> Path:
    drawn = key(architecture=entry.architecture, options=entry.options, seed=seed + entry.seed,
                code=builder_digest(entry.architecture, entry.folder))
    return cache_dir() / "weights" / f"{entry.name.replace(':', '-')}-{drawn}.safetensors"


def _draw_weights(entry: NetworkEntry, seed: int) -> Path:
    """Draw an untrained network from its seed, and keep its weights.

    Raises
    ------
    LabError
        If a user's function gives the same weights for two seeds: then they are not initial ones.
    """
    kept = _drawn_file(entry, seed)
    if kept.is_file():
        notice(f"The weights of the untrained network {entry.name}, {kept}, are damaged; they are "
               "drawn again.")
    draw = partial(build, entry.architecture, entry.options, folder=entry.folder)
    model = draw(seed=seed + entry.seed)
    if entry.folder and state_digest(model.state_dict()) == state_digest(
            draw(seed=seed + entry.seed + 1).state_dict()):
        raise LabError(f"{entry.architecture} returns the same weights whatever the seed is, and "
                       f"{entry.name} is to be randomly initialised",
                       expected="initial weights drawn by PyTorch's generator, without a seed of "
                       "the function's own",
                       remedy="let the function return initial weights, and name those of training "
                       f"in `file` of {entry.listed_in}")
    save_state_dict(kept, model)
    write_record(kept)
    return kept


def readout_file(entry: NetworkEntry, data: Path) -> Path | None:
    """Return the file with a network's readout, fetched where it is published; None if it has none.

    Looked for in the zoo and in ``networks/`` of the data directory.
    """
    readout = entry.readout
    if readout is None or not readout.file:
        return None
    ready = next((path for path in _places(readout, data) if path.is_file()), None)
    return ready or (ensure_file(readout.source(f"readout of {entry.name}"),
                                 data / "networks" / readout.file) if readout.url else None)


def text_files(entry: NetworkEntry, data: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Return the file of a network that was trained with captions, and the folder of its others."""
    image, listed = weights_file(entry, data, seed=seed), entry.text
    if image is None:
        raise LabError(f"{entry.name} has no text encoder",
                       expected="a network that was trained with captions, of the registry",
                       remedy="correct `network` in the table [decoding]")
    for other in (listed.file, listed.words) if listed else ():
        if other and not (image.parent / other).is_file():
            raise LabError(f"no {other} beside {image}", expected="all files of the network",
                           remedy="make zoo trains the demo networks again")
    return image, image.parent
