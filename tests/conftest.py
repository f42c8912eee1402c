"""Shared means of the tests: a private cache and figures folder, a tiny laboratory."""

from __future__ import annotations

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.ground.paths import CACHE_VARIABLE, DATA_VARIABLE, FIGURES_VARIABLE


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")


@pytest.fixture
def private(tmp_path, monkeypatch):
    """Give a test its own data, cache and figures folders; return their parent."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path / "figures"))
    return tmp_path


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
