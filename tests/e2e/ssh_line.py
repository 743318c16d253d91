"""A real sshd on loopback for one user with keys made for it, and a slow line in front of it.

`Sshd` runs in a folder of its own and reads nothing of anybody's home. `Line` relays TCP at so
many bits a second and with so much delay, each way, and buffers as real lines do.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

BUFFER = 64 << 10
"""Bytes that the line holds before it takes no more: what makes slow lines late."""
_SSHD = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/opt/homebrew/sbin/sshd")


def sshd_path() -> str | None:
    """Where sshd is; None = it is not installed, or cannot run for this user."""
    found = shutil.which("sshd") or next((one for one in _SSHD if os.access(one, os.X_OK)), None)
    return found if found and shutil.which("ssh") and shutil.which("ssh-keygen") else None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Sshd:
    """The daemon. A context manager; at its end it is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
            )
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder}/host\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPidFile none\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
            "PrintLastLog no\nPermitRootLogin prohibit-password\nX11Forwarding no\n"
        )

    def __enter__(self) -> Sshd:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        path = sshd_path()
        assert path is not None
        self._process = subprocess.Popen(
            [path, "-D", "-e", "-f", self._folder / "config"],
            stderr=(self._folder / "log").open("wb"), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"sshd does not answer: {(self._folder / 'log').read_text()}")
            threading.Event().wait(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def command(self, words: Sequence[str], port: int, *options: str) -> list[str]:
        """argv of a client with a terminal that runs `words` (a shell's words) over that port."""
        return [
            "ssh", "-tt", "-F", "none", "-p", str(port), "-i", str(self._folder / "user"),
            "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no",
            "-o", "LogLevel=ERROR", *options,
            f"{getpass.getuser()}@127.0.0.1", *words,
        ]  # fmt: skip


class Line:
    """A relay to a port of this machine. `rate` bits a second, `delay` seconds each way."""

    def __init__(self, port: int, rate: float, delay: float) -> None:
        self._target, self._rate, self._delay = port, rate / 8, delay
        self.down = self.up = 0
        """Bytes carried from and to the server."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._stalled = threading.Event()
        self._stalled.set()

    def __enter__(self) -> Line:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.cut()

    def cut(self) -> None:
        """The line is gone: neither side hears of the other any more."""
        for one in (self._listener, *self._sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was gone already
            one.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [client, server]
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Way(client, server, self._rate, self._delay, self._count_up)
        _Way(server, client, self._rate, self._delay, self._count_down)

    def _count_up(self, count: int) -> None:
        self.up += count

    def _count_down(self, count: int) -> None:
        self.down += count


class _Way:
    """One direction: a thread that takes, and one that gives when the time has come."""

    def __init__(self, source, target, rate, delay, count) -> None:  # type: ignore[no-untyped-def]
        self._source, self._target = source, target
        self._rate, self._delay, self._count = rate, delay, count
        self._queue: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._changed = threading.Condition()
        for work in (self._take, self._give):
            threading.Thread(target=work, daemon=True).start()

    def _take(self) -> None:
        free_at = 0.0
        while True:
            try:
                data = self._source.recv(1400)
            except OSError:
                data = b""
            now = time.monotonic()
            free_at = max(now, free_at) + len(data) / self._rate
            with self._changed:
                self._changed.wait_for(lambda: self._held < BUFFER)
                self._queue.append((free_at + self._delay, data))
                self._held += len(data)
                self._changed.notify_all()
            if not data:
                return

    def _give(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                at, data = self._queue[0]
            time.sleep(max(0.0, at - time.monotonic()))
            with self._changed:
                self._queue.popleft()
                self._held -= len(data)
                self._changed.notify_all()
            try:
                if not data:
                    self._target.shutdown(socket.SHUT_WR)
                    return
                self._target.sendall(data)
                self._count(len(data))
            except OSError:
                return
