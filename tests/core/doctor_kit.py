"""A healthy agent root for the doctor's tests, and a stand-in of the API on loopback.

Tests break one thing of the healthy root and look for the one finding that says so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from maestro_core.clock import Clock
from maestro_core.doctor import Finding, run_checks
from maestro_core.layout import Layout

KEY = "sk-ant-api03-canary0123456789canary"
MODELS = b'{"data": [{"id": "claude-haiku-4-5", "type": "model"}], "has_more": false}'
CLAUDE = """#!/bin/sh
case "$1" in
  --version) echo "2.1.330 (Claude Code)" ;;
  auth) echo '{"loggedIn": true, "authMethod": "api_key"}' ;;
  *) cat > "$0.prompt"; echo '{"type": "result", "is_error": false, "result": "pong"}' ;;
esac
"""


def error_body(kind: str, message: str) -> bytes:
    return f'{{"type": "error", "error": {{"type": "{kind}", "message": "{message}"}}}}'.encode()


class Api:
    """A stand-in of the API: `status` and `body` are what it answers, `seen` what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = MODELS
        self.headers: dict[str, str] = {"content-type": "application/json"}
        self.raw: Callable[[Any], None] | None = None
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""
        self.gate = threading.Event()
        """Set at the end, so that a handler that hangs lets go."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(length)
        self.seen.append((request.command, request.path, headers, body))
        if self.raw is not None:
            self.raw(request)
            return
        request.send_response(self.status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body)


@contextmanager
def serving() -> Iterator[Api]:
    """The stand-in, on a free port."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Patient:
    """A healthy agent root; tests make it ill."""

    def __init__(self, layout: Layout, api_url: str) -> None:
        self.layout = layout
        self.environ = {"HOME": str(layout.root), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.claude = layout.root / "bin" / "claude"
        self.write("bin/claude", CLAUDE, mode=0o700)
        self.write("schedules/triggers/inbox-processor.md", "Read the inbox.\n")
        self.toml('[cadence.inbox-processor]\nschedule = "*/5 * * * *"\nproducer = "consumer"\n')
        self.entries = {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": api_url,
            "MAESTRO_CLAUDE_BIN": str(self.claude),
        }
        self.env()

    def env(self, **changes: str | None) -> None:
        """Write .env with some entries changed; None takes one out."""
        self.entries |= {name: value for name, value in changes.items() if value is not None}
        for name, value in changes.items():
            if value is None:
                self.entries.pop(name, None)
        text = "".join(f"{name}='{value}'\n" for name, value in self.entries.items())
        self.write(".env", text, mode=0o600)

    def toml(self, text: str) -> None:
        self.write("config/cadences.toml", text)

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def examine(
        self, *only: str, deep: bool = False, offline: bool = False, read_only: bool = False,
        clock: Clock | None = None,
    ) -> list[Finding]:  # fmt: skip
        return run_checks(
            self.layout, only=only or None, deep=deep, offline=offline, read_only=read_only,
            environ=self.environ, clock=clock, time_scale=4.0,
        )  # fmt: skip

    def finding(self, check: str, **options: Any) -> Finding:
        (found,) = self.examine(check, **options)
        return found
