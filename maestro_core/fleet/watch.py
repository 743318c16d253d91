"""Ends a call to a server that has stopped answering: its socket is shut from another thread,
and the call fails as if the connection had been lost.

libpq waits without an end for an answer, and a server that hangs keeps its connections open.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from maestro_core.clock import Clock


class Watch:
    """Over one call at a time. Its thread is there from the first call on until `end`."""

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._socket: int | None = None
        self._since = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: psycopg.Connection[object]) -> Iterator[None]:
        """While the context lasts, the connection is cut once patience is over."""
        self._start()
        with self._lock:
            self._socket, self._since = connection.pgconn.socket, self._clock.awake()
        try:
            yield
        finally:
            with self._lock:
                self._socket = None

    def end(self) -> None:
        self._ended.set()
        self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            self._ended = threading.Event()
            args = (self._ended,)
            self._thread = threading.Thread(
                target=self._run, args=args, name="bus-watch", daemon=True
            )
            self._thread.start()

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self._patience / 4):
            with self._lock:
                if self._socket is None or self._clock.awake() - self._since < self._patience:
                    continue
                _shut(self._socket)
                self._socket = None


def _shut(number: int) -> None:
    """Both directions of the socket; its owner closes it."""
    with socket.socket(fileno=os.dup(number)) as own:
        try:
            own.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was lost already
