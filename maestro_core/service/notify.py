"""sd_notify: what a service tells systemd by a datagram. Without $NOTIFY_SOCKET it says nothing.

`alive` belongs to the consumer's thread, so that a pass that hangs is noticed; the other
words may come from any thread or signal handler.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Takes the variables out of the environment: children are not meant by them."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        micros = environ.pop("WATCHDOG_USEC", "")
        meant = environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        seconds = int(micros) / 1e6 if micros.isdigit() and meant else 0.0
        self._every = seconds / 4
        self._next = 0.0
        self._ready = False

    def ready(self, status: str = "") -> None:
        """Started; said once."""
        if not self._ready:
            self._ready = True
            self._send("READY=1" + _status(status))

    def alive(self) -> None:
        """The watchdog's sign of life, as often as it needs one; implies `ready`."""
        self.ready()
        now = time.monotonic()
        if self._every and now >= self._next:
            self._next = now + self._every
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send(_status(text).lstrip("\n"))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto(text.encode(), self._address)
        except OSError:
            pass  # nobody listens, or the queue is full: the next word will come


def _status(text: str) -> str:
    return "\nSTATUS=" + " ".join(text.split()) if text else ""
