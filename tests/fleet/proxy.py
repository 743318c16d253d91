"""A line to the server that can be cut, stalled and mended: a TCP relay on loopback."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER so that a close is a reset, as from a machine that knows nothing of the connection."""


class Line:
    """Relays 127.0.0.1:`port` to `upstream`. Any thread.

    `cut` resets every connection and refuses new ones; `stall` keeps all of them and
    lets nothing through, as a server that hangs does; `mend` ends both.
    """

    def __init__(self, upstream: int, address: str = "127.0.0.1") -> None:
        self._upstream = upstream
        self._address = address
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._back = threading.Event()
        self._there.set()
        self._back.set()
        self._listener: socket.socket | None = None
        self.port = 0
        self._listen()

    def cut(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Reset the connections that are; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def stall(self) -> None:
        self._there.clear()
        self._back.clear()

    def stall_answers(self) -> None:
        self._back.clear()

    def mend(self) -> None:
        self._there.set()
        self._back.set()
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        self.mend()
        self.cut()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._address, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(("127.0.0.1", self._upstream), 5)
            except OSError:
                here.close()
                continue
            there.settimeout(None)
            with self._lock:
                self._pairs.add((here, there))
            for way in ((here, there, self._there), (there, here, self._back)):
                threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
