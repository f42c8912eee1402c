"""The files of a network's weights, readout and words: found, fetched, or drawn from a seed."""

from __future__ import annotations

from pathlib import Path

from helpers.core.cache import key
from helpers.core.console import notice
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir, zoo_dir
from helpers.datasets.sources import (
    DownloadSource,
    ensure_file,
    find_file,
    matches_record,
    write_record,
)
from helpers.networks.network import load_network
from helpers.networks.own_networks import check_initial_weights
from helpers.networks.registry import NetworkEntry
from helpers.networks.weights import save_state_dict


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
        check_initial_weights(entry, seed + entry.seed)
        kept = _drawn_file(entry, seed)
        if kept.is_file():
            notice(f"The weights of the untrained network {entry.name}, {kept}, are damaged; they "
                   "are drawn again.")
        save_state_dict(kept, load_network(entry, seed=seed + entry.seed).model)
        write_record(kept)
        return kept
    if entry.function and not entry.file:
        return None
    if not entry.url:
        raise LabError(f"no weights of {entry.name!r}", expected=f"data/zoo/{entry.file}",
                       remedy="make zoo trains the demo networks again")
    return ensure_file(_source(entry), data / "networks" / entry.file)


def find_weights(entry: NetworkEntry, data: Path, *, seed: int = 0) -> Path | None:
    """Return the file that `weights_file` would, or None; nothing is fetched or drawn."""
    ready = _ready_file(entry, data, seed=seed)
    if ready is None and entry.url:
        return find_file(_source(entry), data / "networks" / entry.file)
    return ready


def _ready_file(entry: NetworkEntry, data: Path, *, seed: int) -> Path | None:
    """Return a file of weights that is there and is not verified by a digest; None: there is none.
    """
    ready = [data / "networks" / entry.local] if entry.local else []
    if entry.file and not entry.url:
        ready += [zoo_dir() / entry.file, data / "networks" / entry.file]
    if not entry.trained and matches_record(drawn := _drawn_file(entry, seed)):
        ready.append(drawn)
    return next((path for path in ready if path.is_file()), None)


def _drawn_file(entry: NetworkEntry, seed: int) -> Path:
    code = {"function": entry.function.digest} if entry.function else {}
    drawn = key(architecture=entry.architecture, options=entry.options, seed=seed + entry.seed,
                **code)
    return cache_dir() / "weights" / f"{entry.name.replace(':', '-')}-{drawn}.safetensors"


def _source(entry: NetworkEntry) -> DownloadSource:
    return DownloadSource(name=entry.name, url=entry.url, digest=entry.digest or None,
                          bytes=entry.bytes, licence=entry.licence, cite=entry.cite)


def readout_file(entry: NetworkEntry, data: Path) -> Path | None:
    """Return the file with a network's readout, fetched where it is published; None if it has none.

    Looked for in the zoo and in ``networks/`` of the data directory.
    """
    readout = entry.readout
    if readout is None or not readout.file:
        return None
    for path in (zoo_dir() / readout.file, data / "networks" / readout.file):
        if path.is_file():
            return path
    if not readout.url:
        return None
    source = DownloadSource(name=f"readout of {entry.name}", url=readout.url,
                            digest=readout.digest or None,
                            bytes=readout.bytes, licence=readout.licence,
                            cite=readout.cite)
    return ensure_file(source, data / "networks" / readout.file)


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
