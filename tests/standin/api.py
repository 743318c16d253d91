"""A stand-in of the Messages API on loopback: answers by mode, remembers what it was asked.

One thread a connection. Nothing it waits for outlives `close`. Can be run by hand:
`python -m tests.standin.api MODE [PORT]` prints one JSON line for each request.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.standin.replies import MODES, Asked, Mode, Reply


class MessagesApi:
    """`with MessagesApi(mode) as api:` serves at `api.url`; `api.requests` is what came."""

    def __init__(self, mode: Mode | str, port: int = 0) -> None:
        self.mode: Mode = MODES[mode] if isinstance(mode, str) else mode
        self.requests: list[dict[str, Any]] = []
        """One for each: method, path, headers (lower case), body."""
        self.closed = threading.Event()
        self.changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> MessagesApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; connections that hang are let go."""
        self.closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, count: int, seconds: float) -> bool:
        """Whether that many messages were asked for in time."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.asked()) >= count, seconds)

    def asked(self) -> list[dict[str, Any]]:
        """The requests for a message."""
        return [one for one in self.requests if one["path"].startswith("/v1/messages")]

    def note(self, request: dict[str, Any]) -> int:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            return len(self.asked())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: MessagesApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """The list of models: whoever is refused a message is refused it too."""
        refused = self.server.api.mode(Asked(self._note({}), {}))
        models = Reply(200, {"content-type": "application/json"}, (b'{"data": []}',))
        self._send(refused if refused.status in (401, 403) else models)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))) or b"{}")
        number = self._note(body)
        self._send(self.server.api.mode(Asked(number, body)))

    def _note(self, body: dict[str, Any]) -> int:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return self.server.api.note(
            {"method": self.command, "path": self.path, "headers": headers, "body": body}
        )

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.status:
            self.send_response(reply.status)
            for name, value in {"request-id": "req_standin", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
        for piece in reply.pieces:
            self.wfile.write(piece)
            if reply.pause:
                self.server.api.closed.wait(reply.pause)
        if reply.end == "hang":
            self.server.api.closed.wait()
        elif reply.end == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def log_message(self, *args: Any) -> None:
        """Silent: `requests` has it all."""


def main(argv: list[str]) -> int:
    mode, port = argv[1], int(argv[2]) if len(argv) > 2 else 0
    with MessagesApi(mode, port) as api, contextlib.suppress(KeyboardInterrupt):
        print(api.url, flush=True)
        for count in itertools.count(1):
            api.wait_for(count, threading.TIMEOUT_MAX)
            print(json.dumps(api.asked()[count - 1])[:2000], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
