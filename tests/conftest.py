"""Shared means of the tests: a private cache and figures folder, a tiny laboratory."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from filelock import FileLock

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch: processes that share cores have one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from helpers.core.paths import CACHE_VARIABLE, DATA_VARIABLE, FIGURES_VARIABLE  # noqa: E402


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


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return ``once(name, make)``: a folder that one of the test processes makes, for all to read.

    ``make`` gets the path of a folder to be made. A test that changes files copies them first.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name, make):
        path = root / f"once-{name}"
        with FileLock(f"{path}.lock"):
            if not path.is_dir():
                part = path.with_suffix(".part")
                make(part)
                part.rename(path)
        return path

    return folder


@pytest.fixture
def serve():
    """Return a function that serves the files of a folder over HTTP and returns the address."""
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Keep the tests' output clean."""

    with ExitStack() as stack:
        def start(folder):
            server = stack.enter_context(ThreadingHTTPServer(
                ("127.0.0.1", 0), partial(Quiet, directory=str(folder))))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"
        yield start


@pytest.fixture
def served(private, serve):
    """Serve files from a folder over HTTP; give the folder and its address."""
    folder = private / "served"
    folder.mkdir()
    return folder, serve(folder)
