"""The files of a network's weights, readout and words: found, fetched, or drawn from a seed."""

from __future__ import annotations

from pathlib import Path

from helpers.core.cache import key
from helpers.core.errors import LabError
from helpers.core.paths import cache_dir, zoo_dir
from helpers.datasets.fetch import Source, fetch_file
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.networks.weights import save_state_dict


def weights_file(name: str, data: Path, *, seed: int = 0) -> Path:
    """Return the file with a network's weights, made available.

    Looked for in the zoo and in ``networks/`` of the data directory; fetched otherwise. An
    untrained network is drawn once from its seed and kept, so that every figure sees the same
    one.
    """
    listed = get_entry(name)
    ready = [data / "networks" / listed.local] if listed.local else []
    if listed.file and not listed.url:
        ready += [zoo_dir() / listed.file, data / "networks" / listed.file]
    for path in ready:
        if path.is_file():
            return path
    if not listed.trained:
        seed += listed.seed
        drawn = key(architecture=listed.architecture, options=listed.options, seed=seed)
        kept = cache_dir() / "weights" / f"{name.replace(':', '-')}-{drawn}.safetensors"
        if not kept.is_file():
            save_state_dict(kept, load_network(listed, seed=seed).model)
        return kept
    if not listed.url:
        raise LabError(f"no weights of {name!r}", expected=f"data/zoo/{listed.file}",
                       remedy="make zoo trains the demo networks again")
    source = Source(name=name, url=listed.url, digest=listed.digest or None, bytes=listed.bytes,
                    licence=listed.licence, cite=listed.cite)
    return fetch_file(source, data / "networks" / listed.file)


def readout_file(name: str, data: Path) -> Path | None:
    """Return the file with a network's readout, fetched where it is published; None if it has none.

    Looked for in the zoo and in ``networks/`` of the data directory.
    """
    listed = get_entry(name).readout
    if listed is None or not listed.file:
        return None
    for path in (zoo_dir() / listed.file, data / "networks" / listed.file):
        if path.is_file():
            return path
    if not listed.url:
        return None
    source = Source(name=f"readout of {name}", url=listed.url, digest=listed.digest or None,
                    bytes=listed.bytes, licence=listed.licence, cite=listed.cite)
    return fetch_file(source, data / "networks" / listed.file)


def text_files(name: str, data: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Return the file of a network that was trained with captions, and the folder of its others."""
    image, listed = weights_file(name, data, seed=seed), get_entry(name).text
    for other in (listed.file, listed.words) if listed else ():
        if other and not (image.parent / other).is_file():
            raise LabError(f"no {other} beside {image}", expected="all files of the network",
                           remedy="make zoo trains the demo networks again")
    return image, image.parent
