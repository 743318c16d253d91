"""A small HTTP server on the loopback address that answers `GET /metrics`, from threads of its own.

A request with a foreign Host header is refused: a page in a browser must not read it under
another name of this machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from maestro_core.layout import Layout
from maestro_core.metrics.families import families
from maestro_core.wiring.view import reader_of

LOOPBACK = "127.0.0.1"
TIMEOUT = 5.0
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class SnapshotCollector(Collector):
    """Reads a snapshot whenever it is asked; one asks at a time."""

    def __init__(self, layout: Layout) -> None:
        self._reader = reader_of(layout)
        self._lock = threading.Lock()

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        with self._lock:
            snapshot = self._reader.read()
        yield from families(snapshot)


def registry(layout: Layout) -> CollectorRegistry:
    """With this agent's snapshot and nothing else in it."""
    found = CollectorRegistry(auto_describe=False)
    found.register(SnapshotCollector(layout))
    return found


def render(metrics: CollectorRegistry, accept: str = "") -> tuple[str, bytes]:
    """Content type and text, in the format that was asked for."""
    encode, content_type = choose_encoder(accept)
    return content_type, encode(metrics)


@contextmanager
def serving(layout: Layout, port: int) -> Iterator[int]:
    """Serve while the context lasts; gives the port. Raises OSError when it is taken."""
    server = _server(registry(layout), port)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="metrics")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _server(metrics: CollectorRegistry, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT
        server_version = "maestro-tui"

        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            if host not in _HOSTS:
                self.send_error(403, "only by a name of the loopback address")
            elif self.path.partition("?")[0] not in ("/", "/metrics"):
                self.send_error(404)
            else:
                self._answer(*render(metrics, self.headers.get("Accept", "")))

        def _answer(self, content_type: str, text: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nobody reads a log of scrapes."""

    return _Server((LOOPBACK, port), Handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without a look-up of our own name, which may wait for a name server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]
