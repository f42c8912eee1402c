"""The files of a network's weights, readout and words: found, fetched, or drawn from a seed."""

from __future__ import annotations

from pathlib import Path

from helpers.core.cache import key
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir, zoo_dir
from helpers.datasets.fetch import DownloadSource, fetch_file, find_file
from helpers.networks.network import load_network
from helpers.networks.registry import NetworkEntry, get_entry
from helpers.networks.weights import save_state_dict


def weights_file(name: str, data: Path, *, seed: int = 0) -> Path:
    """Return the file with a network's weights, made available.

    Looked for in the zoo and in ``networks/`` of the data directory; fetched otherwise. An
    untrained network is drawn once from its seed and kept, so that every figure sees the same
    one.
    """
    registry_entry = get_entry(name)
    ready = _ready_file(name, data, seed=seed)
    if ready is not None:
        return ready
    if not registry_entry.trained:
        kept = _drawn_file(registry_entry, seed)
        save_state_dict(kept, load_network(registry_entry, seed=seed + registry_entry.seed).model)
        return kept
    if not registry_entry.url:
        raise LabError(f"no weights of {name!r}", expected=f"data/zoo/{registry_entry.file}",
                       remedy="make zoo trains the demo networks again")
    return fetch_file(_source(registry_entry), data / "networks" / registry_entry.file)


def find_weights(name: str, data: Path, *, seed: int = 0) -> Path | None:
    """Return the file that `weights_file` would, or None; nothing is fetched or drawn."""
    registry_entry = get_entry(name)
    ready = _ready_file(name, data, seed=seed)
    if ready is None and registry_entry.url:
        return find_file(_source(registry_entry), data / "networks" / registry_entry.file)
    return ready


def _ready_file(name: str, data: Path, *, seed: int) -> Path | None:
    """Return a file of weights that is there and is not verified by a digest; None: there is none.
    """
    registry_entry = get_entry(name)
    ready = [data / "networks" / registry_entry.local] if registry_entry.local else []
    if registry_entry.file and not registry_entry.url:
        ready += [zoo_dir() / registry_entry.file, data / "networks" / registry_entry.file]
    if not registry_entry.trained:
        ready.append(_drawn_file(registry_entry, seed))
    return next((path for path in ready if path.is_file()), None)


def _drawn_file(registry_entry: NetworkEntry, seed: int) -> Path:
    drawn = key(architecture=registry_entry.architecture, options=registry_entry.options,
                seed=seed + registry_entry.seed)
    return (cache_dir() / "weights"
            / f"{registry_entry.name.replace(':', '-')}-{drawn}.safetensors")


def _source(registry_entry: NetworkEntry) -> DownloadSource:
    return DownloadSource(name=registry_entry.name, url=registry_entry.url,
                          digest=registry_entry.digest or None, bytes=registry_entry.bytes,
                          licence=registry_entry.licence, cite=registry_entry.cite)


def readout_file(name: str, data: Path) -> Path | None:
    """Return the file with a network's readout, fetched where it is published; None if it has none.

    Looked for in the zoo and in ``networks/`` of the data directory.
    """
    registry_entry = get_entry(name).readout
    if registry_entry is None or not registry_entry.file:
        return None
    for path in (zoo_dir() / registry_entry.file, data / "networks" / registry_entry.file):
        if path.is_file():
            return path
    if not registry_entry.url:
        return None
    source = DownloadSource(name=f"readout of {name}", url=registry_entry.url,
                            digest=registry_entry.digest or None,
                            bytes=registry_entry.bytes, licence=registry_entry.licence,
                            cite=registry_entry.cite)
    return fetch_file(source, data / "networks" / registry_entry.file)


def text_files(name: str, data: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Return the file of a network that was trained with captions, and the folder of its others."""
    image, listed = weights_file(name, data, seed=seed), get_entry(name).text
    for other in (listed.file, listed.words) if listed else ():
        if other and not (image.parent / other).is_file():
            raise LabError(f"no {other} beside {image}", expected="all files of the network",
                           remedy="make zoo trains the demo networks again")
    return image, image.parent
