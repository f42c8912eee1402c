"""A server on this machine that answers slowly, wrongly, elsewhere, or with something else."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><head><title>Please log in</title></head><body>...</body></html>"
PIECE = 20_000


class Server(ThreadingHTTPServer):
    """Serves ``body`` at ``/file``; the switches make it misbehave.

    Attributes
    ----------
    body : bytes
    pause : float
        Seconds between two pieces.
    cuts : list of int
        Bytes after which the next answers break off.
    tells_size, tells_version : bool
        Whether answers have a Content-Length, an ETag.
    after_cut : bytes, optional
        What the file is from the first cut on: it was changed meanwhile.
    """

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.pause, self.cuts = body, 0.0, []
        self.tells_size = self.tells_version = True
        self.after_cut: bytes | None = None
        self.n_bytes_sent, self.ranges = 0, []

    def url(self, path: str = "file") -> str:
        """Return an address; ``moved``, ``login``, ``loop``, ``page`` and a status misbehave."""
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, server = self.path.strip("/"), self.server
        moves = {"moved": "file", "login": "page", "loop": "loop"}
        if path.isdecimal():
            self.send_error(int(path))
        elif path in moves:
            self.send_response(302)
            self.send_header("Location", server.url(moves[path]))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "page":
            self._send(PAGE, 0)
        else:
            self._send_file(server)

    def _send_file(self, server: Server) -> None:
        body, wanted = server.body, self.headers.get("Range")
        server.ranges.append(wanted)
        version = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        if self.headers.get("If-Range", version) != version:
            start = 0
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self._send(body, start, version if server.tells_version else "")

    def _send(self, body: bytes, start: int, version: str = "") -> None:
        server = self.server
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if server.tells_size:
            self.send_header("Content-Length", str(len(body) - start))
        if version:
            self.send_header("ETag", version)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        stop = len(body) if cut is None else min(start + cut, len(body))
        try:
            for begin in range(start, stop, PIECE):
                piece = body[begin:min(begin + PIECE, stop)]
                self.wfile.write(piece)
                server.n_bytes_sent += len(piece)
                time.sleep(server.pause)
        except OSError:  # whoever asked was killed
            pass
        if cut is not None and server.after_cut is not None:
            server.body = server.after_cut

    def log_message(self, *_: object) -> None:
        """Keep the drill's output clean."""


@contextmanager
def serving(body: bytes) -> Iterator[Server]:
    """Serve for the time of the block."""
    with Server(body) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02},
                         daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
