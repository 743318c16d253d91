"""One connection to the server, made again when it is lost; every call says what is wrong in words.

Owner: one thread at a time (a lock sees to it). A call never waits for a server that was away a
moment ago: it raises BusError at once until the back-off is over.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from maestro_core.clock import Clock
from maestro_core.errors import BusAway, BusError, ReadOnly, SettingsError
from maestro_core.fleet.watch import Watch

T = TypeVar("T")
Row = dict[str, Any]
Connection = psycopg.Connection[Row]

SCHEMES = ("postgresql", "postgres")
LONGEST_BACKOFF = 5.0
"""Seconds between two tries to reach a server that is away."""

_DEFAULTS: dict[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "8000",
    "application_name": "maestro-tui",
}
"""A connection that is cut without a word is noticed within some ten seconds."""


_DURABLE = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'
"""
"""A server that may forget what it has acknowledged would run ticks twice, or never."""

_BACK_BY_THEMSELVES = "consumers finish what runs, claim nothing, and come back by themselves"
_LET_IN = "the password comes from PGPASSWORD or a pgpass file (chmod 600): see that it is right"
_REFUSALS = (
    ("no password supplied", _LET_IN),
    ("password authentication failed", _LET_IN),
    ("no pg_hba.conf entry", "the server's pg_hba.conf has to let this user in from here"),
    ("does not exist", "look at the database and the user in the address of the bus"),
)
"""What libpq says of a server that is there and does not let us in, and what helps. It has no
code for it; in another language than English the general words stand."""

_TO_WHERE = re.compile(r"^(connection failed: )?connection to server .{,400}? failed: ")


class Target(Struct, frozen=True):
    """Where the server is. Its text forms never hold the password."""

    shown: str
    """For people: the address without any password."""
    _parts: dict[str, Any]

    def __repr__(self) -> str:
        return f"Target({self.shown!r})"

    __str__ = __repr__

    @property
    def verified(self) -> bool:
        """Whether nobody on the way can read or change it: a checked certificate, or no way."""
        host = str(self._parts.get("host") or "/")
        near = host in ("localhost", "::1") or host.startswith(("/", "127."))
        return near or self._parts.get("sslmode") in ("verify-ca", "verify-full")

    @property
    def connect_seconds(self) -> int:
        """How long one try to connect may take; libpq knows nothing below 2."""
        given = str(self._parts.get("connect_timeout", ""))
        return int(given) if given.isdigit() and int(given) else int(_DEFAULTS["connect_timeout"])

    def conninfo(self) -> str:
        """What libpq takes. Holds the password: for `connect` alone."""
        return make_conninfo(**self._parts)


def is_server(bus: str) -> bool:
    """Whether a bus setting names a server."""
    return bus.partition("://")[0] in SCHEMES


def parse(url: str, environ: Mapping[str, str] | None = None, *, from_file: bool = False) -> Target:
    """The target of `postgresql://[user@]host[:port]/database[?sslmode=…]`.

    A password comes from PGPASSWORD, a pgpass file, or the URL where that stands in the
    environment; in a settings file (`from_file`) it is refused. Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    try:
        parts = dict(conninfo_to_dict(url))
    except psycopg.Error:
        raise SettingsError(
            ["the bus is no valid postgresql:// address"],
            "it looks like postgresql://user@host:5432/database?sslmode=verify-full",
        ) from None  # libpq's own words may quote the address
    if from_file and parts.get("password"):
        raise SettingsError(
            ["the bus address holds a password"],
            "take it out; put it into PGPASSWORD or a pgpass file",
        )
    if not parts.get("password") and environ.get("PGPASSWORD"):
        parts["password"] = environ["PGPASSWORD"]
    host, port = parts.get("host", ""), parts.get("port")
    user, name = parts.get("user", ""), parts.get("dbname", "")
    place = f"{host}:{port}" if port else host
    shown = f"postgresql://{user}@{place}/{name}" if user else f"postgresql://{place}/{name}"
    return Target(shown, _DEFAULTS | parts)


class Link:
    """A connection with automatic return. `read_only`: the server refuses every change.
    `patience`: seconds for one call, None = for as long as it takes."""

    def __init__(
        self, target: Target, clock: Clock, *, read_only: bool = False,
        patience: float | None = None,
    ) -> None:  # fmt: skip
        self.target = target
        self.read_only = read_only
        self.patience = patience
        self._watch = None if patience is None else Watch(clock, patience)
        self.trouble: str | None = None
        self.connections = 0
        """How often it was connected; a new number means that a connection was lost between."""
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._offset: float | None = None
        self._retry_at = 0.0
        self._backoff = 0.0

    def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns on a live connection. BusError when the server cannot be reached,
        or refuses; a connection that is lost in the middle leaves the outcome unknown."""
        with self._lock:
            connection = self._connected()
            try:
                with self._watch.over(connection) if self._watch else nullcontext():
                    result = work(connection)
            except psycopg.Error as error:
                raise self._explained(error, connection) from error
            self.trouble = None
            return result

    def rows(self, sql: str, *args: object) -> list[Row]:
        """All rows of one statement with $1 … placeholders."""
        return self.run(lambda connection: connection.execute(sql, args or None).fetchall())

    def execute(self, sql: str, *args: object) -> int:
        """How many rows one statement touched."""
        return self.run(lambda connection: connection.execute(sql, args or None).rowcount)

    def now(self) -> float:
        """The server's time as epoch seconds, by our steady clock since we last asked it."""
        if self._offset is None:
            self.sync()
        return self._clock.steady() + (self._offset or 0.0)

    def wall_of(self, server: float) -> float:
        """A server time on this machine's wall clock."""
        return server - self.now() + self._clock.wall()

    def server_of(self, wall: float) -> float:
        """A wall time of this machine on the server's clock."""
        return wall - self._clock.wall() + self.now()

    def sync(self) -> None:
        """Ask the server for the time."""
        [row] = self.rows("SELECT extract(epoch FROM now())::float8 AS at")
        self._offset = row["at"] - self._clock.steady()

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            if self._watch is not None:
                self._watch.end()

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.broken:
            return self._connection
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._clock.awake() < self._retry_at:
            raise self._away()
        try:
            self._connection = self.connect()
        except psycopg.Error as error:
            self._backoff = min(LONGEST_BACKOFF, max(0.25, self._backoff * 2))
            self._retry_at = self._clock.awake() + self._backoff
            self.trouble = self.words(error)
            raise self._away() from None
        self._backoff = self._retry_at = 0.0
        self._offset = None
        self.connections += 1
        return self._connection

    def connect(self) -> Connection:
        """A new connection of its own. Raises psycopg.Error."""
        connection = psycopg.connect(
            self.target.conninfo(),
            autocommit=True,
            row_factory=dict_row,
            cursor_factory=psycopg.RawCursor,
            connect_timeout=min(self.target.connect_seconds, max(2, int(self.patience or 60))),
        )
        connection.execute(_DURABLE)
        if self.read_only:
            connection.execute("SET default_transaction_read_only = on")
        return connection

    def words(self, error: psycopg.Error) -> str:
        """The first line of what the server or libpq says, without any password, and without
        the address, which stands beside it wherever it is shown."""
        text = (error.diag.message_primary or str(error)).strip().split("\n")[0]
        return self._masked(_TO_WHERE.sub("", text))

    def _masked(self, text: str) -> str:
        password = self.target._parts.get("password")
        return text.replace(str(password), "***") if password else text

    def _away(self) -> BusAway:
        said = self.trouble or ""
        hint = next((help_ for words, help_ in _REFUSALS if words in said), _BACK_BY_THEMSELVES)
        return BusAway(f"the bus at {self.target.shown} cannot be reached: {said}", hint)

    def _explained(self, error: psycopg.Error, connection: Connection) -> BusError | ReadOnly:
        said = self.words(error)
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return ReadOnly("this session may change nothing", "open it without --read-only")
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return ReadOnly(f"the database role may not do that: {said}", "use another role")
        if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction):
            return BusError(
                f"the bus at {self.target.shown} is not installed: {said}",
                "run `maestro-tui bus install` once",
            )
        if connection.broken or connection.closed:
            self.trouble = said
            return self._away()
        return BusError(f"the bus at {self.target.shown} refused: {said}")
