"""What can be killed without PyTorch: an array that is kept, a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import requests

from drilling import pace
from drilling.report import digests
from helpers.core.cache import cached
from helpers.core.paths import data_dir
from helpers.datasets import download as transport
from helpers.datasets.fetch import fetch_file
from helpers.datasets.sources import DownloadSource


def keep_array(size: int = 100_000) -> int:
    """Compute an array and keep it."""
    pace.slow_cache()

    def make() -> dict[str, np.ndarray]:
        pace.mark(pace.COMPUTING)
        pace.wait()
        return {"curve": np.random.default_rng(0).normal(size=size).cumsum()}

    cached("curves", "one", {"size": size}, make)
    return 0


def array_files(room: Path) -> dict[str, str]:
    """Return the digests of the arrays that are kept in a room."""
    return {name: digest for name, digest in digests(room).items() if name.endswith(".npz")}


def download(url: str, digest: str | None, n_bytes: int = 0) -> int:
    """Fetch one file into the data folder of the room."""
    def full_digest(*arguments: object) -> str:
        pace.mark(pace.VERIFYING)
        pace.wait(4)
        return verified(*arguments)

    class Session(requests.Session):
        def get(self, *arguments: object, **named: object) -> requests.Response:
            response = super().get(*arguments, **named)
            pace.mark(pace.ARRIVING)
            return response

    verified, transport.full_digest = transport.full_digest, full_digest
    plain, transport.requests.Session = requests.Session, Session
    transport.BACKOFF_S = 0.01
    source = DownloadSource(name="a file", url=url, licence="none: a drill's", digest=digest,
                            bytes=n_bytes)
    try:
        fetch_file(source, data_dir("data") / "file.bin")
    finally:
        transport.full_digest, transport.requests.Session = verified, plain
    return 0


def downloaded_files(room: Path) -> dict[str, str]:
    """Return the digest of the downloaded file; a part of one does not count."""
    return {name: digest for name, digest in digests(room / "data").items()
            if not name.endswith(".part")} if (room / "data").is_dir() else {}
