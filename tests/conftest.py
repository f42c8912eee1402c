"""Shared means of the tests: a private cache and figures folder, a tiny laboratory."""

from __future__ import annotations

import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch: processes that share cores have one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from helpers.ground.paths import CACHE_VARIABLE, DATA_VARIABLE, FIGURES_VARIABLE  # noqa: E402


def own_folders(monkeypatch, folder):
    """Lead data, cache and figures into ``folder``; return it."""
    monkeypatch.setenv(DATA_VARIABLE, str(folder / "data"))
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    monkeypatch.setenv(FIGURES_VARIABLE, str(folder / "figures"))
    return folder


@pytest.fixture
def private(tmp_path, monkeypatch):
    """Give a test its own data, cache and figures folders; return their parent."""
    return own_folders(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def private_module(tmp_path_factory, request):
    """Give the tests of a module data, cache and figures folders of their own, made once."""
    with pytest.MonkeyPatch.context() as patch:
        yield own_folders(patch, tmp_path_factory.mktemp(request.module.__name__))


@pytest.fixture
def served(private):
    """Serve files from a folder over HTTP; give the folder and its address."""
    folder = private / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
